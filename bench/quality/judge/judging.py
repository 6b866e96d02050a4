"""A second model judges the answers of a run: what it is asked, how its reply is read, each verdict kept as it comes.

It is asked each answer against its rubric, some of them twice, and pairs of answers in both orders. Whole scores from 1
to 5 are taken; everything else is unscored with the reason.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from string import Template
from typing import Any, Final, Literal, TypeVar

from pydantic import ValidationError

from bench import __version__
from bench.config.overrides import overridden
from bench.config.settings import CONFIG_DIR, Config, find_config, load_config, resolved
from bench.errors import BenchError, ConfigError, Mistake, UsageError
from bench.providers.protocol import Identity
from bench.providers.registry import named_model
from bench.quality.checks.tokenise import one_line
from bench.runner.child import Job
from bench.runner.measure import MeasuredSample
from bench.runner.messages import Finished, Loaded, Report
from bench.runner.plan import Step
from bench.runner.supervise import Heard, supervise
from bench.schema.prompts import FacetRecord, PromptRecord
from bench.schema.result import Result
from bench.schema.review import SCORES, FacetScore, JudgeHeader, Judgement, PairVerdict, Sitting, Verdict
from bench.schema.sample import Failure
from bench.store.distinct_answers import DistinctAnswer, answers, pairs, spread
from bench.store.reviews import JudgementFile, Reviewed, has_header, judgement_path, judges_itself, key, load_judgement

READ_CHARACTERS = 50_000
"""A longer reply is not read."""

KEPT_CHARACTERS = 10_000
"""Characters of a reply that could not be read which are kept."""

WHY_CHARACTERS = 300
SHOWN_CHARACTERS = 40
OBJECTS_TRIED = 100
"""Places where an object may begin that are tried in one reply."""

_OF_FIVE = re.compile(r"\s*([1-5])\s*(?:/|out of)\s*5\s*")
_WHOLE = re.compile(r"\s*([1-5])\s*")
_SCORE_KEYS = ("score", "rating", "grade")
_WHY_KEYS = ("why", "reason", "explanation", "justification", "rationale")
_NAME_KEYS = ("facet", "id", "name")
_PREFERRED: Mapping[str, Literal["A", "B", "neither"]] = {
    "a": "A",
    "b": "B",
    "neither": "neither",
    "tie": "neither",
    "equal": "neither",
    "both": "neither",
}


@dataclass(frozen=True)
class Scores:
    """The score of each facet in the order asked for, and why some have none; `problem` is None where all have one."""

    facets: tuple[FacetScore, ...]
    problem: str | None


@dataclass(frozen=True)
class Preference:
    """Which of two answers is better; `problem` is None where that could be read."""

    better: Literal["A", "B", "neither"] | None
    why: str
    problem: str | None


Found = TypeVar("Found")


@dataclass(frozen=True)
class _Twice:
    """What stands in the place of a key that an object has twice, with unlike values."""


def read_scores(reply: str, facets: Sequence[str]) -> Scores:
    """Return the scores that a reply gives to these facets.

    The reply is an object {"facets": {facet: {"score": 4, "why": "..."}}}, alone, in a code fence or in prose; the
    outer key may be left out, a facet may have its bare score, or the facets may be a list of objects that name
    theirs. A score is a whole number from 1 to 5; '4/5' and '4 out of 5' are 4. Facets that it does not have are
    unscored, those that nobody asked for are passed over. Objects that do not agree are no verdict.
    """
    verdicts, problem = _read(reply, lambda document: _all_scored(document, facets))
    if len({tuple(one.score for one in verdict) for verdict in verdicts}) > 1:
        problem = f"the reply has {len(verdicts)} JSON objects that do not agree"
    if problem is not None:
        return Scores(tuple(FacetScore(facet=facet, score=None, why="no verdict") for facet in facets), problem)
    scored = verdicts[0]
    without = [f"{one.facet} ({one.why})" for one in scored if one.score is None]
    if not without:
        return Scores(scored, None)
    return Scores(scored, f"{len(without)} of {len(scored)} facets unscored: {', '.join(without)}")


def read_preference(reply: str) -> Preference:
    """Return which of A and B a reply prefers: an object {"better": "A", "why": "..."}, alone or in other text."""
    preferences, problem = _read(reply, _preference)
    if len({preference.better for preference in preferences}) > 1:
        problem = f"the reply has {len(preferences)} JSON objects that do not agree"
    return Preference(None, "", problem) if problem is not None else preferences[0]


def kept(reply: str | None) -> str | None:
    """Return what is kept of a reply."""
    return reply[:KEPT_CHARACTERS] if reply is not None else None


def _read(reply: str, form: Callable[[dict[str, Any]], Found | None]) -> tuple[list[Found], str | None]:
    """Return what was found in each object of a reply that has the form, or why there is nothing."""
    if not reply.strip():
        return [], "the reply is empty"
    if len(reply) > READ_CHARACTERS:
        return [], f"the reply has {len(reply)} characters; more than {READ_CHARACTERS} are not read"
    documents = list(_objects(reply))
    if not documents:
        return [], "the reply has no JSON object"
    found = [one for document in documents if (one := form(document)) is not None]
    return found, None if found else "the JSON object in the reply does not have what was asked for"


def _objects(reply: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder(object_pairs_hook=_once, parse_constant=str)
    end = 0
    for match in islice(re.finditer(r"\{", reply), OBJECTS_TRIED):
        if match.start() < end:
            # Inside of an object that was read.
            continue
        try:
            document, end = decoder.raw_decode(reply, match.start())
        except (ValueError, RecursionError):
            continue
        yield document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for name, value in pairs:
        document[name] = _Twice() if name in document and document[name] != value else value
    return document


def _preference(document: dict[str, Any]) -> Preference | None:
    if "better" not in document:
        return None
    reply = document["better"]
    words = re.sub(r"^answer\s+", "", reply.strip().casefold()) if isinstance(reply, str) else ""
    if isinstance(reply, _Twice):
        return Preference(None, _why(document), "better is given twice, and not alike")
    if words not in _PREFERRED:
        return Preference(None, _why(document), f"better is {_shown(reply)}, not A, B or neither")
    return Preference(_PREFERRED[words], _why(document), None)


def _all_scored(document: dict[str, Any], facets: Sequence[str]) -> tuple[FacetScore, ...] | None:
    """Return the score of each facet; None for an object that says nothing of any of them."""
    inner = document.get("facets", document)
    if isinstance(inner, list):
        inner = _once([(str(_first(item, _NAME_KEYS)), item) for item in inner if isinstance(item, dict)])
    if not isinstance(inner, dict) or not any(facet in inner for facet in facets):
        return None
    return tuple(_scored(facet, inner) for facet in facets)


def _scored(facet: str, found: Mapping[str, Any]) -> FacetScore:
    if facet not in found:
        return FacetScore(facet=facet, score=None, why="not in the reply")
    reply = found[facet]
    value = _first(reply, _SCORE_KEYS) if isinstance(reply, dict) else reply
    if isinstance(value, _Twice):
        return FacetScore(facet=facet, score=None, why="given twice, and not alike")
    score = _whole(value)
    if score is None:
        why = (
            "has no score" if value is None else f"{_shown(value)} is no whole number from {SCORES[0]} to {SCORES[-1]}"
        )
        return FacetScore(facet=facet, score=None, why=why)
    return FacetScore(facet=facet, score=score, why=_why(reply) if isinstance(reply, dict) else "")


def _whole(value: object) -> int | None:
    if isinstance(value, str):
        match = _OF_FIVE.fullmatch(value.casefold()) or _WHOLE.fullmatch(value)
        return int(match[1]) if match else None
    if isinstance(value, bool) or not isinstance(value, int | float) or value not in SCORES:
        return None
    return int(value)


def _first(document: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((document[name] for name in keys if document.get(name) is not None), None)


def _why(document: Mapping[str, Any]) -> str:
    reason = _first(document, _WHY_KEYS)
    return one_line(reason, WHY_CHARACTERS) if isinstance(reason, str) else ""


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return one_line(json.dumps(value, ensure_ascii=False), SHOWN_CHARACTERS)


_FOLDER = Path(__file__).parent
TEMPLATE: Final = (_FOLDER / "judge_template.txt").read_text(encoding="utf-8")
PAIR_TEMPLATE: Final = (_FOLDER / "judge_pair_template.txt").read_text(encoding="utf-8")

_PLACES: dict[Literal["A", "B", "neither"], Literal["first", "second", "neither"]] = {
    "A": "first",
    "B": "second",
    "neither": "neither",
}


@dataclass(frozen=True)
class AnswerQuestion:
    """How well an answer does what its rubric says. The second reading has the rubric in reverse order."""

    answer: DistinctAnswer
    reading: int

    @property
    def key(self) -> tuple[object, ...]:
        """What is asked; a verdict has the same key."""
        return ("answer", self.answer.prompt.id, self.answer.output, self.reading)

    @property
    def text(self) -> str:
        """What the judge is sent."""
        facets = self.answer.prompt.facets if self.reading == 1 else self.answer.prompt.facets[::-1]
        # The form is no JSON itself: a judge that only repeats it gives no score.
        form = ", ".join(f'{json.dumps(facet.id)}: {{"why": "one short sentence", "score": N}}' for facet in facets)
        return Template(TEMPLATE).substitute(
            fence=fence(self.answer.prompt.transcript, self.answer.text),
            prompt=self.answer.prompt.transcript,
            answer=self.answer.text,
            rubric=_rubric(facets),
            form=form,
        )

    def verdict(self, reply: str | None, problem: str | None) -> Verdict:
        """Return the verdict that a reply is. `problem` is why there is none, or why it may not be whole."""
        asked = [facet.id for facet in self.answer.prompt.facets]
        if reply is None:
            facets = tuple(FacetScore(facet=name, score=None, why="no verdict") for name in asked)
            found = problem
        else:
            scores = read_scores(reply, asked)
            facets, found = scores.facets, _with(scores.problem, problem)
        return Verdict(
            kind="answer",
            prompt=self.answer.prompt.id,
            output=self.answer.output,
            reading=1 if self.reading == 1 else 2,
            facets=facets,
            reply=kept(reply) if found is not None else None,
            problem=found,
        )


@dataclass(frozen=True)
class PairQuestion:
    """Which of two answers to a prompt is better, with `first` shown before `second`."""

    first: DistinctAnswer
    second: DistinctAnswer

    @property
    def key(self) -> tuple[object, ...]:
        """What is asked; a verdict has the same key."""
        return ("pair", self.first.prompt.id, self.first.output, self.second.output)

    @property
    def text(self) -> str:
        """What the judge is sent."""
        prompt = self.first.prompt
        return Template(PAIR_TEMPLATE).substitute(
            fence=fence(prompt.transcript, self.first.text, self.second.text),
            prompt=prompt.transcript,
            first=self.first.text,
            second=self.second.text,
            rubric=_rubric(prompt.facets),
        )

    def verdict(self, reply: str | None, problem: str | None) -> PairVerdict:
        """Return the verdict that a reply is. `problem` is why there is none, or why it may not be whole."""
        preference = Preference(None, "", None) if reply is None else read_preference(reply)
        found = problem if reply is None else _with(preference.problem, problem)
        return PairVerdict(
            kind="pair",
            prompt=self.first.prompt.id,
            first=self.first.output,
            second=self.second.output,
            better=None if preference.better is None else _PLACES[preference.better],
            why=preference.why,
            reply=kept(reply) if found is not None else None,
            problem=found,
        )


Question = AnswerQuestion | PairQuestion


def questions(result: Result, repeats: int, pair_count: int, seed: int) -> tuple[Question, ...]:
    """Return all that a judge is asked of a run, in order: each distinct answer, then what measures its bias.

    `repeats` answers are judged a second time, `pair_count` pairs of answers are compared in both orders; both are
    seeded samples, of which a larger one holds the smaller one.
    """
    found = answers(result)
    again = spread(found, repeats, seed) if repeats else ()
    compared = pairs(found, pair_count, seed)
    return (
        *(AnswerQuestion(answer, 1) for answer in found),
        *(AnswerQuestion(answer, 2) for answer in again),
        *(question for one, other in compared for question in (PairQuestion(one, other), PairQuestion(other, one))),
    )


def template_sha256(template: str) -> str:
    """Return the SHA-256 of a template, in hexadecimal."""
    return hashlib.sha256(template.encode("utf-8")).hexdigest()


def fence(*texts: str) -> str:
    """Return a word that none of the texts has, so that none of them can close the fence around it."""
    digest = hashlib.sha256("\x00".join(texts).encode("utf-8", "replace")).hexdigest()
    length = 8
    while any(digest[:length] in text for text in texts):
        digest, length = hashlib.sha256(digest.encode("ascii")).hexdigest(), min(length + 1, 64)
    return f"text-{digest[:length]}"


def _rubric(facets: Sequence[FacetRecord]) -> str:
    return "\n".join(f"{facet.id}: {' '.join(facet.says.split())}" for facet in facets)


def _with(problem: str | None, cause: str | None) -> str | None:
    return f"{problem}; {cause}" if problem is not None and cause is not None else problem


ENDINGS = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Asking:
    """Which judge is asked what: `config` has one model. `retry` asks again what has no score yet."""

    config: Config
    repeats: int
    pairs: int
    seed: int
    retry: bool


def judge_config(name: str, variables: Mapping[str, str]) -> Config:
    """Return the config of a judge: a file, one that ships, or an alias that is asked with the settings of `judge`.

    An alias is one of Foundry Local's catalogue, or of the endpoint that FOUNDRY_LOCAL_ENDPOINT names. The variables
    that change a run (BENCH_...) are passed over. Raises UsageError unless it is exactly one model.
    """
    given = {variable: value for variable, value in variables.items() if not variable.startswith("BENCH_")}
    # The dot of an alias such as qwen2.5-14b begins no ending.
    of_file = Path(name).is_file() or Path(name).suffix in ENDINGS or (CONFIG_DIR / f"{name}.yaml").is_file()
    path = find_config(name if of_file else "judge")
    config = load_config(path)
    if not of_file:
        remote = bool(given.get("FOUNDRY_LOCAL_ENDPOINT", "").strip())
        try:
            model = named_model(name, remote=remote)
        except ValidationError as error:
            shipped = ", ".join(sorted(one.stem for one in CONFIG_DIR.glob("*.yaml")))
            message = f"is neither a config file, a config that ships ({shipped}), nor an alias"
            raise UsageError(f"--judge: {name!r} {message}") from error
        config = config.model_copy(update={"models": (model,)})
    if len(config.models) != 1:
        found = ", ".join(one.name for one in config.models)
        message = f"a judge is exactly one model, found {len(config.models)} ({found}); keep one of them"
        raise ConfigError(path, [Mistake(None, "models", message)])
    if "prompt_cache" not in config.model_fields_set:
        # A judge is not timed: what all of its questions begin with need not be read anew each time.
        config = config.model_copy(update={"prompt_cache": "as-is"})
    return overridden(config, given).config


def header(result: Result, asking: Asking, identity: Identity, started_utc: datetime) -> JudgeHeader:
    """Return the header of a judgement: the judge, as far as its identity is known, and how it is asked."""
    (model,) = asking.config.models
    document: dict[str, Any] = resolved(asking.config)
    made = JudgeHeader(
        schema_version=1,
        run=result.run.id,
        judge=model.name,
        provider=model.provider,
        requested=model.requested,
        variant_id=identity.variant_id,
        variant_version=identity.variant_version,
        device=identity.device,
        execution_provider=identity.execution_provider,
        versions=dict(identity.versions),
        judges_itself=(),
        model=document["models"][0],
        generation=document["generation"],
        seed=asking.seed,
        template=TEMPLATE,
        template_sha256=template_sha256(TEMPLATE),
        pair_template=PAIR_TEMPLATE,
        pair_template_sha256=template_sha256(PAIR_TEMPLATE),
        started_utc=started_utc,
        tool_version=__version__,
    )
    same = tuple(judged.name for judged in result.models if judges_itself(made, judged))
    return made.model_copy(update={"judges_itself": same})


def refuse_changes(path: Path, old: JudgeHeader, new: JudgeHeader) -> None:
    """Raise UsageError unless a judgement can be gone on with.

    What is known of a loaded model alone may be missing in `new`.
    """
    asked = (
        ("run", old.run, new.run),
        ("judge", (old.judge, old.model), (new.judge, new.model)),
        ("generation settings", old.generation, new.generation),
        ("seed", old.seed, new.seed),
        (
            "prompt template",
            (old.template_sha256, old.pair_template_sha256),
            (new.template_sha256, new.pair_template_sha256),
        ),
    )
    versions = (
        ("model behind its name", old.variant_id, new.variant_id),
        ("version of the model", old.variant_version, new.variant_version),
    )
    changed = [name for name, before, after in asked if before != after]
    changed += [name for name, before, after in versions if None not in (before, after) and before != after]
    if changed:
        raise UsageError(
            f"{path}: cannot go on with this judgement: the {' and the '.join(changed)} changed since; "
            "undo that, delete the file to judge anew, or give the judge another name in its config"
        )


FAILURES_IN_A_ROW = 3
"""Questions without a reply, one after the other, after which the judge is down."""

ABOUT_THE_ANSWER: Final = frozenset(
    {
        "bad-request",
        "content-filter",
        "cut-off",
        "decode",
        "empty",
        "generate",
        "no-choices",
        "too-large",
        "too-long",
        "tool-calls",
    }
)
"""Failures that come again with the same question: an unscored verdict. After any other the question stays open."""


@dataclass(frozen=True)
class JudgingProgress:
    """How far a judge is: questions that are answered of all there are, and how many of them have no whole verdict."""

    stage: str
    done: int
    total: int
    unread: int


@dataclass(frozen=True)
class JudgedRun:
    """A judgement that has all of its verdicts, and how many of them are new."""

    path: Path
    judgement: Judgement
    asked: int


def judge(
    reviewed: Reviewed, asking: Asking, on_progress: Callable[[JudgingProgress], None], now: Callable[[], datetime]
) -> JudgedRun:
    """Ask a judge all that its file beside the result does not have yet, and return the whole of it.

    Raises UsageError where there is nothing to judge, or the file was made by another judge or in another way, and
    BenchError where the judge is down; its verdicts until then are kept.
    """
    (model,) = asking.config.models
    path = judgement_path(reviewed.path, model.name)
    asked = questions(reviewed.result, asking.repeats, asking.pairs, asking.seed)
    if not asked:
        raise UsageError(f"{reviewed.path}: there is no answer to a prompt with a rubric, and so nothing to judge")
    known = load_judgement(path) if has_header(path) else None
    if known is not None:
        refuse_changes(path, known.header, header(reviewed.result, asking, Identity(), now()))
    done = _done(known, asking.retry)
    left = tuple(question for question in asked if question.key not in done)
    if left:
        unread = sum(done.get(question.key, False) for question in asked)
        session = _Judging(reviewed, asking, path, left, len(asked), unread, known, on_progress, now, now())
        session.run()
    return JudgedRun(path, load_judgement(path), len(left))


@dataclass
class _Judging:
    """The asking of what is left, and the file that it is written to."""

    reviewed: Reviewed
    asking: Asking
    path: Path
    left: tuple[Question, ...]
    total: int
    unread: int
    known: Judgement | None
    on_progress: Callable[[JudgingProgress], None]
    now: Callable[[], datetime]
    started_utc: datetime
    file: JudgementFile | None = None
    identity: Identity | None = None
    answered: int = 0
    in_a_row: int = 0
    last: Failure | None = None

    def run(self) -> None:
        """Ask, and write each verdict as it comes. Raises BenchError where something is left to be asked."""
        (model,) = self.asking.config.models
        steps = tuple(Step(position, 1, _as_prompt(position, question)) for position, question in enumerate(self.left))
        try:
            heard = supervise(Job(model, self.asking.config, steps), self._listen)
        except KeyboardInterrupt as interrupt:
            raise BenchError(f"stopped: {self._so_far()}") from interrupt
        finally:
            self._end()
        if heard.loaded is None:
            why = heard.skipped or (f"({heard.failure.kind}): {heard.failure.message}" if heard.failure else "")
            raise BenchError(f"the judge {model.name} cannot be asked {why}")
        if heard.failure is not None:
            raise self._down(heard.failure)
        if self.answered < len(self.left) and self.last is not None:
            raise self._down(self.last)

    def _listen(self, heard: Heard, report: Report | None) -> None:
        if isinstance(report, Loaded):
            self._begin(report.identity)
        if isinstance(report, Finished):
            self.identity = report.identity
        if isinstance(report, MeasuredSample):
            self._take(report)
        done = self.total - len(self.left) + self.answered
        self.on_progress(JudgingProgress(heard.doing, done, self.total, self.unread))

    def _begin(self, identity: Identity) -> None:
        self.identity = identity
        made = header(self.reviewed.result, self.asking, identity, self.started_utc)
        if self.known is not None:
            refuse_changes(self.path, self.known.header, made)
        self.file = JudgementFile(self.path)
        if self.known is None:
            self.file.append(made)

    def _take(self, measured: MeasuredSample) -> None:
        sample = measured.sample
        failure = sample.failure
        if failure is not None and failure.kind not in ABOUT_THE_ANSWER:
            self.last = failure
            self.in_a_row += 1
            if self.in_a_row == FAILURES_IN_A_ROW:
                raise self._down(failure)
            return
        self.in_a_row = 0
        problem = None if failure is None else f"{failure.kind}: {failure.message}"
        if sample.finish_reason == "length":
            limit = self.asking.config.generation.max_output_tokens
            problem = f"cut off after {limit} tokens (generation.max_output_tokens)"
        verdict = self.left[sample.position].verdict(measured.text, problem)
        assert self.file is not None
        self.file.append(verdict)
        self.answered += 1
        self.unread += verdict.problem is not None

    def _end(self) -> None:
        if self.file is None:
            return
        try:
            if self.answered and self.identity is not None:
                self.file.append(
                    Sitting(
                        kind="sitting",
                        started_utc=self.started_utc,
                        finished_utc=self.now(),
                        asked=self.answered,
                        tool_version=__version__,
                        variant_id=self.identity.variant_id,
                        variant_version=self.identity.variant_version,
                        versions=dict(self.identity.versions),
                    )
                )
        finally:
            self.file.close()

    def _down(self, failure: Failure) -> BenchError:
        name = self.asking.config.models[0].name
        return BenchError(f"the judge {name} is down ({failure.kind}): {failure.message}; {self._so_far()}")

    def _so_far(self) -> str:
        done = self.total - len(self.left) + self.answered
        if not done:
            return "it gave no verdict"
        return f"{done} of {self.total} verdicts are in {self.path}; give the same command again for the others"


def _as_prompt(position: int, question: Question) -> PromptRecord:
    return PromptRecord(
        id=f"question-{position}",
        title="",
        category="",
        system=None,
        turns=(),
        text=question.text,
        max_output_tokens=None,
        facets=(),
    )


def _done(known: Judgement | None, retry: bool) -> dict[tuple[object, ...], bool]:
    """Return what is not asked again, and whether its verdict is not whole."""
    if known is None:
        return {}
    verdicts: tuple[Verdict | PairVerdict, ...] = (*known.verdicts, *known.pairs)
    return {key(one): one.problem is not None for one in verdicts if not (retry and one.problem)}
