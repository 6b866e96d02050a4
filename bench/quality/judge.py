"""A second model judges the answers of a run: asked in a child process as models are, each verdict kept as it comes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from bench import __version__
from bench.errors import BenchError, UsageError
from bench.providers.protocol import Identity
from bench.quality.asking import Asking, header, refuse_changes
from bench.quality.judgement_file import JudgementFile, has_header, judgement_path, key, load_judgement
from bench.quality.questions import Question, questions
from bench.quality.review import Reviewed
from bench.quality.review_record import Judgement, PairVerdict, Sitting, Verdict
from bench.rubric import PromptRecord
from bench.runner.child import Job
from bench.runner.measure import Measured
from bench.runner.plan import Step
from bench.runner.reports import Finished, Loaded, Report
from bench.runner.sample import Failure
from bench.runner.supervise import Heard, supervise

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
class Standing:
    """How far a judge is: questions that are answered of all there are, and how many of them have no whole verdict."""

    stage: str
    done: int
    total: int
    unread: int


@dataclass(frozen=True)
class Judged:
    """A judgement that has all of its verdicts, and how many of them are new."""

    path: Path
    judgement: Judgement
    asked: int


def judge(
    reviewed: Reviewed, asking: Asking, on_progress: Callable[[Standing], None], now: Callable[[], datetime]
) -> Judged:
    """Ask a judge all that its file beside the result does not have yet, and return the whole of it.

    Raises UsageError where there is nothing to judge, or the file was made by another judge or in another way, and
    BenchError where the judge is down; what it said until then is kept.
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
        session = _Session(reviewed, asking, path, left, len(asked), unread, known, on_progress, now)
        session.run()
    return Judged(path, load_judgement(path), len(left))


class _Session:
    """The asking of what is left, and the file that it is written to."""

    def __init__(
        self,
        reviewed: Reviewed,
        asking: Asking,
        path: Path,
        left: tuple[Question, ...],
        total: int,
        unread: int,
        known: Judgement | None,
        on_progress: Callable[[Standing], None],
        now: Callable[[], datetime],
    ) -> None:
        self._reviewed = reviewed
        self._asking = asking
        self._name = asking.config.models[0].name
        self._path = path
        self._left = left
        self._total = total
        self._known = known
        self._on_progress = on_progress
        self._now = now
        self._started_utc = now()
        self._file: JudgementFile | None = None
        self._identity: Identity | None = None
        self._answered = 0
        self._unread = unread
        self._in_a_row = 0
        self._last: Failure | None = None

    def run(self) -> None:
        """Ask, and write each verdict as it comes. Raises BenchError where something is left to be asked."""
        (model,) = self._asking.config.models
        steps = tuple(Step(position, 1, _as_prompt(position, question)) for position, question in enumerate(self._left))
        try:
            heard = supervise(Job(model, self._asking.config, steps), self._listen)
        except KeyboardInterrupt as interrupt:
            raise BenchError(f"stopped: {self._so_far()}") from interrupt
        finally:
            self._end()
        if heard.loaded is None:
            why = heard.skipped or (f"({heard.failure.kind}): {heard.failure.message}" if heard.failure else "")
            raise BenchError(f"the judge {self._name} cannot be asked {why}")
        if heard.failure is not None:
            raise self._down(heard.failure)
        if self._answered < len(self._left) and self._last is not None:
            raise self._down(self._last)

    def _listen(self, heard: Heard, report: Report | None) -> None:
        if isinstance(report, Loaded):
            self._begin(report.identity)
        if isinstance(report, Finished):
            self._identity = report.identity
        if isinstance(report, Measured):
            self._take(report)
        done = self._total - len(self._left) + self._answered
        self._on_progress(Standing(heard.doing, done, self._total, self._unread))

    def _begin(self, identity: Identity) -> None:
        self._identity = identity
        made = header(self._reviewed.result, self._asking, identity, self._started_utc)
        if self._known is not None:
            refuse_changes(self._path, self._known.header, made)
        self._file = JudgementFile(self._path)
        if self._known is None:
            self._file.append(made)

    def _take(self, measured: Measured) -> None:
        sample = measured.sample
        failure = sample.failure
        if failure is not None and failure.kind not in ABOUT_THE_ANSWER:
            self._last = failure
            self._in_a_row += 1
            if self._in_a_row == FAILURES_IN_A_ROW:
                raise self._down(failure)
            return
        self._in_a_row = 0
        problem = None if failure is None else f"{failure.kind}: {failure.message}"
        if sample.finish_reason == "length":
            limit = self._asking.config.generation.max_output_tokens
            problem = f"cut off after {limit} tokens (generation.max_output_tokens)"
        verdict = self._left[sample.position].verdict(measured.text, problem)
        assert self._file is not None
        self._file.append(verdict)
        self._answered += 1
        self._unread += verdict.problem is not None

    def _end(self) -> None:
        if self._file is None:
            return
        try:
            if self._answered and self._identity is not None:
                self._file.append(
                    Sitting(
                        kind="sitting",
                        started_utc=self._started_utc,
                        finished_utc=self._now(),
                        asked=self._answered,
                        tool_version=__version__,
                        variant_id=self._identity.variant_id,
                        variant_version=self._identity.variant_version,
                        versions=dict(self._identity.versions),
                    )
                )
        finally:
            self._file.close()

    def _down(self, failure: Failure) -> BenchError:
        return BenchError(f"the judge {self._name} is down ({failure.kind}): {failure.message}; {self._so_far()}")

    def _so_far(self) -> str:
        done = self._total - len(self._left) + self._answered
        if not done:
            return "it gave no verdict"
        return f"{done} of {self._total} verdicts are in {self._path}; give the same command again for the others"


def _as_prompt(position: int, question: Question) -> PromptRecord:
    return PromptRecord(
        id=f"question-{position}", title="", category="", text=question.text, max_output_tokens=None, facets=()
    )


def _done(known: Judgement | None, retry: bool) -> dict[tuple[object, ...], bool]:
    """Return what is not asked again, and whether its verdict is not whole."""
    if known is None:
        return {}
    verdicts: tuple[Verdict | PairVerdict, ...] = (*known.verdicts, *known.pairs)
    return {key(one): one.problem is not None for one in verdicts if not (retry and one.problem)}
