"""What models said: equal answers folded into one with a count, each with its facets, by what evidence and by whom."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from markupsafe import Markup

from bench.analysis.ratings import Item, answer_score
from bench.analysis.summary import ModelSummary
from bench.quality.score import score
from bench.results.schema import FacetGrade, Result
from bench.rubric import PromptRecord
from bench.site import format as form
from bench.site.evidence import Piece, marked, pieces
from bench.site.text import run_key, shortened
from bench.site.voices import SILENT, WHY_LENGTH, Voice

State = Literal["passed", "partly", "failed", "unknown"]

SIGNS: dict[State, str] = {"passed": "✓", "partly": "◐", "failed": "✗", "unknown": "?"}
LONGEST_ANSWER = 6_000
"""Characters of an answer that a page shows; the run's data has all of it."""

OF_ITSELF: Final = "on an answer of its own"
DOUBTED: Final = "doubted"

Grades = Mapping[tuple[str, str], Sequence[FacetGrade]]


@dataclass(frozen=True)
class Opinion:
    """What a judge or a person says of a facet or a whole answer. `words` weaken it: doubted, or of its own answer."""

    by: str
    score: str
    why: str
    words: str


@dataclass(frozen=True)
class FacetView:
    """One facet of an answer: whether the program finds it met, by what evidence, and what others say."""

    says: str
    state: State
    sign: str
    why: str
    opinions: tuple[Opinion, ...] = ()


@dataclass(frozen=True)
class Answer:
    """One distinct answer. `times` says how often it came, `score` what the rubric gives it.

    `text` is cut to what a page shows, and `cut` says so. `others` are the scores that judges and people give it as a
    whole, `notes` their remarks.
    """

    prompt: PromptRecord
    output: str
    text: str
    cut: str
    times: str
    score: str
    ended: str
    grades: tuple[FacetGrade, ...]
    facets: tuple[FacetView, ...]
    others: tuple[Opinion, ...] = ()
    notes: tuple[Opinion, ...] = ()

    @property
    def shown(self) -> Markup:
        """The text with the words marked by which the program graded it."""
        return marked(self.text, self.prompt, self.grades, cut=bool(self.cut))

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The same in pieces, not escaped."""
        return pieces(self.text, self.prompt, self.grades, cut=bool(self.cut))

    @property
    def empty(self) -> str:
        """What is said of an answer in which there is nothing to read; empty for any other."""
        if self.text.strip():
            return ""
        return "The answer is white space alone." if self.text else "The answer has no text."


@dataclass(frozen=True)
class FailureCount:
    """Failed samples of one kind and message."""

    times: str
    kind: str
    message: str


@dataclass(frozen=True)
class Answers:
    """What one model said to one prompt. `whole` is the address of the run's data, from the site's root."""

    distinct: tuple[Answer, ...]
    failures: tuple[FailureCount, ...]
    whole: str


def grades_of(result: Result) -> Grades:
    """Return the grades of a run by prompt and output."""
    return {(grade.prompt, grade.output): grade.facets for grade in result.grades}


def answers(summary: ModelSummary, prompt: PromptRecord, grades: Grades, voices: Sequence[Voice] = ()) -> Answers:
    """Return what a model said to a prompt, the most frequent answer first, and what `voices` say of each."""
    samples = [sample for sample in summary.model.samples if sample.prompt == prompt.id]
    good = [sample for sample in samples if sample.failure is None and sample.output is not None]
    counted = Counter(sample.output for sample in good if sample.output is not None)
    distinct = []
    for output, count in counted.most_common():
        ends = dict.fromkeys(sample.finish_reason or "no reason given" for sample in good if sample.output == output)
        text = summary.result.outputs[output]
        found = tuple(grades.get((prompt.id, output), ()))
        heard = [voice for voice in voices if voice.source.kind != "program"]
        distinct.append(
            Answer(
                prompt=prompt,
                output=output,
                text=text[:LONGEST_ANSWER],
                cut=_cut(text),
                times="in every round" if count == len(samples) > 1 else _times(count, len(samples)),
                score=_score(prompt, found),
                ended=shortened(", ".join(ends), 80),
                grades=found,
                facets=facets(prompt, found, output, [voice for voice in heard if voice.spoke_of(prompt, output)]),
                others=tuple(_of_all(voice, prompt, output) for voice in heard),
                notes=tuple(
                    Opinion(voice.label, "", shortened(note, WHY_LENGTH), "")
                    for voice in heard
                    if (note := voice.notes.get((prompt.id, output)))
                ),
            )
        )
    failed = Counter((sample.failure.kind, sample.failure.message) for sample in samples if sample.failure is not None)
    failures = [FailureCount(_times(count, len(samples)), *what) for what, count in failed.most_common()]
    return Answers(tuple(distinct), tuple(failures), run_data_page(summary.result))


def facets(
    prompt: PromptRecord, found: Sequence[FacetGrade], output: str, voices: Sequence[Voice]
) -> tuple[FacetView, ...]:
    """Return each facet of a prompt's rubric with what a grade, and what `voices`, say of an answer."""
    by_facet = {grade.facet: grade for grade in found}
    views = []
    for facet in prompt.facets:
        grade = by_facet.get(facet.id)
        state = state_of(None if grade is None else grade.credit)
        why = "not graded" if grade is None else grade.why
        opinions = tuple(_opinion(voice, Item(prompt.id, output, facet.id)) for voice in voices)
        views.append(FacetView(facet.says, state, SIGNS[state], why, opinions))
    return tuple(views)


def state_of(credit: float | None) -> State:
    """Return in words how far a facet is met."""
    if credit is None:
        return "unknown"
    if credit >= 1:
        return "passed"
    return "failed" if credit <= 0 else "partly"


def run_data_page(result: Result) -> str:
    """Return the address of a run's result file, from the site's root."""
    return f"report/data/runs/{run_key(result.run.id)}.json"


def _cut(text: str) -> str:
    if len(text) <= LONGEST_ANSWER:
        return ""
    return f"Cut here, after {LONGEST_ANSWER:,} of {form.count(len(text), 'character')}."


def _opinion(voice: Voice, item: Item) -> Opinion:
    given = voice.scores.get(item)
    why = voice.why_unscored(item) if given is None else voice.reasons.get(item, "")
    text = "unscored" if given is None else f"{form.short(given)} of 5"
    return Opinion(voice.label, text, shortened(why, WHY_LENGTH), DOUBTED if voice.doubt else "")


def _of_all(voice: Voice, prompt: PromptRecord, output: str) -> Opinion:
    value = answer_score(prompt, output, voice.scores)
    text = "unscored" if value is None else form.with_unit(value, "score")
    why = "" if voice.spoke_of(prompt, output) else SILENT[voice.source.kind]
    words = [DOUBTED] if voice.doubt else []
    words += [OF_ITSELF] if (prompt.id, output) in voice.own else []
    return Opinion(voice.label, text, why, ", ".join(words))


def _score(prompt: PromptRecord, found: Sequence[FacetGrade]) -> str:
    value = score(prompt.facets, found)
    if value is not None:
        return form.with_unit(value, "score")
    return "no rubric" if not prompt.facets else "not graded"


def _times(count: int, total: int) -> str:
    return f"{count} of {form.count(total, 'sample')}"
