"""Whether an answer goes round in circles, as small models do."""

from collections import Counter
from itertools import islice

from bench.quality.evidence import Answer, Evidence, Parameters, verdict
from bench.quality.reading import one_line, plain, sentences, words

RUN_WORDS = 4
"""Words in a run."""

MOST_REPEATED = 0.2
"""Share of an answer's runs of words that may have come before in it, unless the rubric says otherwise."""

SENTENCE_WORDS = 6
"""Words that a sentence has at least to be a repetition when it comes again; shorter ones may be fields of a list."""

SHOWN_LENGTH = 60
"""Characters of a repeated sentence that evidence quotes."""


def no_repetition(answer: Answer, parameters: Parameters) -> Evidence:
    """Pass an answer that repeats no sentence of six words or more, and few runs of four words.

    The share of repeated runs is 1 - distinct runs / runs (seq-rep-4 in Welleck et al., Neural text generation with
    unlikelihood training, 2020); it may be at most `most`, 0.2 unless given. Case does not matter.
    """
    repeated = _repeated_sentence(answer.text)
    if repeated is not None:
        return verdict(False, repeated)
    said = [word.casefold() for word in words(answer.text)]
    runs = Counter(zip(*(islice(said, start, None) for start in range(RUN_WORDS)), strict=False))
    if not runs:
        return verdict(True, f"{len(said)} word{'' if len(said) == 1 else 's'}: too few to repeat a run of {RUN_WORDS}")
    share = 1 - len(runs) / runs.total()
    most = float(parameters.get("most", MOST_REPEATED))
    why = f"{round(100 * share)}% of the runs of {RUN_WORDS} words came before; at most {round(100 * most)}%"
    run, times = runs.most_common(1)[0]
    return verdict(share <= most, f"{why}; '{' '.join(run)}' {times} times" if times > 1 else why)


def _repeated_sentence(text: str) -> str | None:
    counted = Counter(plain(sentence) for sentence in sentences(text) if len(words(sentence)) >= SENTENCE_WORDS)
    for sentence, times in counted.most_common(1):
        if times > 1:
            return f"says {times} times: '{one_line(sentence, SHOWN_LENGTH)}'"
    return None
