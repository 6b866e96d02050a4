"""What a judge and what a person said of a run's answers, in the form in which their files keep it."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from bench.errors import shown
from bench.schema.fields import Count, Day, FreeJson, Record, SampleSize, Seed, UtcTime

REVIEW_SCHEMA_VERSION: Final = 1
"""Version of the form of judgement and annotation files."""

SCORES: Final = (1, 2, 3, 4, 5)
"""From 'not met at all' to 'fully met'."""


def _whole_score(value: object) -> object:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value in SCORES):
        return value
    raise ValueError(f"must be a whole number from {SCORES[0]} to {SCORES[-1]}, found {shown(value)}")


Score = Annotated[Annotated[int, Field(ge=SCORES[0], le=SCORES[-1])] | None, BeforeValidator(_whole_score)]


class FacetScore(Record):
    """How far an answer meets one facet, as a judge says."""

    facet: str
    score: Score = Field(description=f"{SCORES[0]} not met at all, {SCORES[-1]} fully met; null: unscored")
    why: str = Field(description="the judge's reason in one line, or why there is no score")


class Verdict(Record):
    """What a judge says of one distinct answer to a prompt; its facets are in the order of the rubric.

    A reply that could not be read in full is kept, with what was wrong with it.
    """

    kind: Literal["answer"]
    prompt: str
    output: str = Field(description="key of the answer in the result's outputs")
    reading: Literal[1, 2] = Field(description="2: the same answer judged again, with the rubric in reverse order")
    facets: Annotated[tuple[FacetScore, ...], Field(strict=False)]
    reply: str | None = Field(description="what the judge said, where a facet has no score; null if it said nothing")
    problem: str | None = Field(description="why facets have no score; null where each has one")


class PairVerdict(Record):
    """Which of two answers to a prompt a judge holds to be better, with `first` shown before `second`."""

    kind: Literal["pair"]
    prompt: str
    first: str = Field(description="key of the answer that was shown first")
    second: str
    better: Literal["first", "second", "neither"] | None = Field(description="null: the reply could not be read")
    why: str
    reply: str | None
    problem: str | None


class Sitting(Record):
    """One time that the judge was asked, written at its end: one that was killed leaves none."""

    kind: Literal["sitting"]
    started_utc: UtcTime
    finished_utc: UtcTime
    asked: Count = Field(description="questions that were answered")
    tool_version: str
    variant_id: str | None = Field(description="who answered, where an endpoint tells it only then")
    variant_version: str | None
    versions: dict[str, str]


class JudgeHeader(Record):
    """Who judges which run, and how it is asked. A judgement is gone on with only where all of this still holds."""

    schema_version: Literal[1]
    run: str = Field(description="id of the run whose answers are judged")
    judge: str = Field(description="the judge's name in its config")
    provider: str
    requested: str = Field(description="what the config asked for: alias, variant id, directory or endpoint model")
    variant_id: str | None = Field(description="what the runtime resolved it to, when it was loaded")
    variant_version: str | None
    device: str | None
    execution_provider: str | None
    versions: dict[str, str]
    judges_itself: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        description="models of the run that are the judge itself"
    )
    model: FreeJson = Field(description="the judge's entry in its config, without paths of a machine")
    generation: FreeJson
    seed: Seed = Field(description="of the samples of answers and pairs")
    template: str = Field(description="what the judge is asked about an answer; $names stand for what differs")
    template_sha256: str
    pair_template: str = Field(description="what it is asked about two answers")
    pair_template_sha256: str
    started_utc: UtcTime
    tool_version: str


@dataclass(frozen=True)
class Judgement:
    """A judge's file: verdicts and pairs in the order of asking; of several on one question the last counts."""

    header: JudgeHeader
    verdicts: tuple[Verdict, ...]
    pairs: tuple[PairVerdict, ...]
    sittings: tuple[Sitting, ...]


class Annotation(Record):
    """A person's scores of one answer, by facet. A facet that is null or left out has none."""

    prompt: str
    output: str = Field(description="key of the answer in the result's outputs: the start of its SHA-256")
    date: Day | None = Field(None, description="of the last of these scores, UTC; null: only the file's is known")
    facets: dict[str, Score]
    note: str = ""


class Annotations(Record):
    """A person's file. `seed` and `sample` are those of the session, so that it goes on with the same answers."""

    schema_version: Literal[1]
    run: str
    annotator: str = Field(min_length=1)
    date: Day = Field(description="of the last score, UTC")
    seed: Seed = 42
    sample: SampleSize | None = None
    entries: Annotated[tuple[Annotation, ...], Field(strict=False)] = ()
