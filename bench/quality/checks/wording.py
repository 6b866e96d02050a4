"""Checks of what an answer says and how long it is: texts in it, patterns, counts, numbers, repetition."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from itertools import islice

from bench.quality.checks.evidence import CheckedAnswer, CheckParameters, Evidence, quoted, unscored, verdict
from bench.quality.checks.safe_regex import search
from bench.quality.checks.tokenise import bare, list_items, numbers, occurs, one_line, plain, sentences, words

SHOWN_LENGTH = 40
"""Characters of an answer's beginning or end that evidence quotes."""


def contains_any(answer: CheckedAnswer, parameters: CheckParameters) -> Evidence:
    """Pass an answer that has at least one of `values`; `match_case` heeds upper and lower case."""
    found = _found(answer.text, parameters)
    return verdict(bool(found), f"has {quoted(found)}" if found else f"has none of {quoted(parameters['values'])}")


def contains_all(answer: CheckedAnswer, parameters: CheckParameters) -> Evidence:
    """Pass an answer that has every one of `values`; `match_case` heeds upper and lower case."""
    found = _found(answer.text, parameters)
    missing = [value for value in parameters["values"] if value not in found]
    return verdict(not missing, f"lacks {quoted(missing)}" if missing else f"has {quoted(found)}")


def contains_none(answer: CheckedAnswer, parameters: CheckParameters) -> Evidence:
    """Pass an answer that has none of `values`; `match_case` heeds upper and lower case."""
    found = _found(answer.text, parameters)
    return verdict(not found, f"has {quoted(found)}" if found else f"has none of {quoted(parameters['values'])}")


def equals(answer: CheckedAnswer, parameters: CheckParameters) -> Evidence:
    """Pass an answer that is one of `values`, whatever its case, spacing, quotes and closing mark.

    With `normalise: false` only the white space around it does not matter.
    """
    even = bare if parameters.get("normalise", True) else str.strip
    text = even(answer.text)
    for value in parameters["values"]:
        if even(value) == text:
            return verdict(True, f"is '{value}'")
    return verdict(False, f"'{one_line(answer.text, SHOWN_LENGTH)}' is none of {quoted(parameters['values'])}")


def starts_with(answer: CheckedAnswer, parameters: CheckParameters) -> Evidence:
    """Pass an answer that begins with one of `values`; `match_case` heeds upper and lower case."""
    match_case = parameters.get("match_case", False)
    text = plain(answer.text, match_case)
    for value in parameters["values"]:
        if text.startswith(plain(value, match_case)):
            return verdict(True, f"begins with '{value}'")
    return verdict(False, f"begins with '{one_line(text, SHOWN_LENGTH)}'; wanted {quoted(parameters['values'])}")


def ends_with(answer: CheckedAnswer, parameters: CheckParameters) -> Evidence:
    """Pass an answer that ends with one of `values`; `match_case` heeds upper and lower case."""
    match_case = parameters.get("match_case", False)
    text = plain(answer.text, match_case)
    for value in parameters["values"]:
        if text.endswith(plain(value, match_case)):
            return verdict(True, f"ends with '{value}'")
    end = text if len(text) <= SHOWN_LENGTH else f"\u2026{text[1 - SHOWN_LENGTH :].lstrip()}"
    return verdict(False, f"ends with '{end}'; wanted {quoted(parameters['values'])}")


def regex(answer: CheckedAnswer, parameters: CheckParameters) -> Evidence:
    """Pass an answer in which `pattern` is found, in the answer as it is."""
    found = search(parameters["pattern"], answer.text)
    why = f"no match for {parameters['pattern']}" if found is None else f"matches at '{found}'"
    return verdict(found is not None, why)


def word_count(answer: CheckedAnswer, parameters: CheckParameters) -> Evidence:
    """Pass an answer that has from `min` to `max` words; a number is a word, a list's mark is none."""
    counted = sum(len(words(sentence)) for sentence in sentences(answer.text))
    return _counted(counted, "word", parameters)


def sentence_count(answer: CheckedAnswer, parameters: CheckParameters) -> Evidence:
    """Pass an answer that has from `min` to `max` sentences."""
    return _counted(len(sentences(answer.text)), "sentence", parameters)


def list_length(answer: CheckedAnswer, parameters: CheckParameters) -> Evidence:
    """Pass an answer whose list has from `min` to `max` items."""
    return _counted(len(list_items(answer.text)), "list item", parameters)


def number_equals(answer: CheckedAnswer, parameters: CheckParameters) -> Evidence:
    """Pass an answer whose last number is `value`, or at most `tolerance` away from it."""
    wanted = Decimal(str(parameters["value"]))
    tolerance = Decimal(str(parameters.get("tolerance", 0)))
    found = numbers(answer.text)
    goal = f"{wanted:f}" + (f" \u00b1 {tolerance:f}" if tolerance else "")
    if not found:
        return verdict(False, f"no number; wanted {goal}")
    # Compared, not subtracted: a model that loops writes numbers of a million digits, which no difference can hold.
    near = wanted - tolerance <= found[-1] <= wanted + tolerance
    return verdict(near, f"last number is {found[-1]:f}; wanted {goal}")


def judged(answer: CheckedAnswer, parameters: CheckParameters) -> Evidence:
    """Leave an answer to a judge or a person."""
    return unscored("only a judge or a person can tell")


def _found(text: str, parameters: CheckParameters) -> list[str]:
    match_case = parameters.get("match_case", False)
    searched = plain(text, match_case)
    values: Iterable[str] = parameters["values"]
    return [value for value in values if occurs(plain(value, match_case), searched)]


def _counted(count: int, noun: str, parameters: CheckParameters) -> Evidence:
    least, most = parameters.get("min", 0), parameters.get("max")
    passed = least <= count and (most is None or count <= most)
    if most is None:
        wanted = f"at least {least}"
    elif least == most:
        wanted = f"exactly {least}"
    elif "min" in parameters:
        wanted = f"{least} to {most}"
    else:
        wanted = f"at most {most}"
    return verdict(passed, f"{count} {noun}{'' if count == 1 else 's'}; wanted {wanted}")


RUN_WORDS = 4
"""Words in a run."""

MOST_REPEATED = 0.2
"""Share of an answer's runs of words that may have come before in it, unless the rubric says otherwise."""

SENTENCE_WORDS = 6
"""Words that a sentence has at least to be a repetition when it comes again; shorter ones may be fields of a list."""

REPEATED_SHOWN_LENGTH = 60
"""Characters of a repeated sentence that evidence quotes."""


def no_repetition(answer: CheckedAnswer, parameters: CheckParameters) -> Evidence:
    """Pass an answer that repeats no sentence of SENTENCE_WORDS or more, and few runs of RUN_WORDS.

    The share of repeated runs is 1 - distinct runs / runs (seq-rep-4 in Welleck et al., Neural text generation with
    unlikelihood training, 2020); it may be at most `most`, MOST_REPEATED unless given. Case does not matter.
    """
    repeated = _repeated_sentence(answer.text)
    if repeated is not None:
        return verdict(False, repeated)
    found = [word.casefold() for word in words(answer.text)]
    runs = Counter(zip(*(islice(found, start, None) for start in range(RUN_WORDS)), strict=False))
    if not runs:
        return verdict(
            True, f"{len(found)} word{'' if len(found) == 1 else 's'}: too few to repeat a run of {RUN_WORDS}"
        )
    share = 1 - len(runs) / runs.total()
    most = float(parameters.get("most", MOST_REPEATED))
    why = f"{round(100 * share)}% of the runs of {RUN_WORDS} words came before; at most {round(100 * most)}%"
    run, times = runs.most_common(1)[0]
    return verdict(share <= most, f"{why}; '{' '.join(run)}' {times} times" if times > 1 else why)


def _repeated_sentence(text: str) -> str | None:
    counted = Counter(plain(sentence) for sentence in sentences(text) if len(words(sentence)) >= SENTENCE_WORDS)
    for sentence, times in counted.most_common(1):
        if times > 1:
            return f"says {times} times: '{one_line(sentence, REPEATED_SHOWN_LENGTH)}'"
    return None
