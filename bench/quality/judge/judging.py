"""A second model judges the answers of a run: which judge, asked how, each verdict kept as it comes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from bench import __version__
from bench.config.overrides import overridden
from bench.config.settings import CONFIG_DIR, Config, find_config, load_config, resolved
from bench.errors import BenchError, ConfigError, Mistake, UsageError
from bench.providers.protocol import Identity
from bench.providers.registry import named_model
from bench.quality.judge.questions import PAIR_TEMPLATE, TEMPLATE, Question, questions, template_sha256
from bench.runner.child import Job
from bench.runner.measure import MeasuredSample
from bench.runner.messages import Finished, Loaded, Report
from bench.runner.plan import Step
from bench.runner.supervise import Heard, supervise
from bench.schema.prompts import PromptRecord
from bench.schema.result import Result
from bench.schema.review import JudgeHeader, Judgement, PairVerdict, Sitting, Verdict
from bench.schema.sample import Failure
from bench.store.reviews import JudgementFile, Reviewed, has_header, judgement_path, judges_itself, key, load_judgement

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
        session = _Session(reviewed, asking, path, left, len(asked), unread, known, on_progress, now, now())
        session.run()
    return JudgedRun(path, load_judgement(path), len(left))


@dataclass
class _Session:
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
