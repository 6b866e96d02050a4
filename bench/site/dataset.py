"""The ledger as the pages need it: the newest run of each prompt set on a machine, of each model, and their looks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from bench.analysis.changes import Shifts, shifts
from bench.analysis.condensed import condensed
from bench.analysis.contexts import context_key
from bench.analysis.ranking import told_apart_by_cache
from bench.analysis.summary import ModelSummary, RunSummary, summarise
from bench.metrics.client_error import TIMES_THE_ERROR, resolvable, smallest_resolvable_s
from bench.metrics.registry import metric
from bench.metrics.resources import is_estimate, prices
from bench.report import format as form
from bench.report.palette import Mark, marks
from bench.report.tables import Cell, CellValue, Column, number_column
from bench.report.text import anchor, relative, shortened
from bench.schema.model_run import INSTRUMENT
from bench.schema.result import Result
from bench.site.estimates import Drift, Estimates, KnownSeries
from bench.site.sections.raters import RatersByRun
from bench.site.urls import metric_page, model_page
from bench.store.cache import Cache
from bench.store.files import Ledger, Refused
from bench.store.reviews import Reviews

LAST_RUNS = 8
"""Whole runs that are kept in memory beside those of boards."""


@dataclass(frozen=True)
class Board:
    """The newest run of a prompt set on a machine: what the comparing pages show for it.

    `place` is that of its prompt set among the `sets` of the machine, the newest first.
    """

    summary: RunSummary
    place: int = 0
    sets: int = 1

    @property
    def result(self) -> Result:
        """The run itself."""
        return self.summary.result

    @property
    def machine(self) -> str:
        """Name of the machine."""
        return self.result.machine.name

    @property
    def prompt_set(self) -> str:
        """Id of the prompt set."""
        return self.result.prompt_set.id

    @property
    def heading(self) -> str:
        """The head of its section: the machine, and the prompt set where the machine has several."""
        if self.sets == 1:
            return self.machine
        return f"{self.machine} · {shortened(self.result.prompt_set.title, 60)}"

    @property
    def anchor(self) -> str:
        """The id of its section on a page."""
        # No name has two dots in a row: no other machine's section can have this id.
        of_set = f"..{anchor(self.prompt_set)}" if self.place else ""
        return f"machine-{anchor(self.machine)}{of_set}"

    @property
    def answering(self) -> tuple[ModelSummary, ...]:
        """The models with at least one good sample."""
        return tuple(one for one in self.summary.models if one.good_samples)

    @property
    def contenders(self) -> tuple[ModelSummary, ...]:
        """Those of the answering that can be chosen: no test instruments."""
        return tuple(one for one in self.answering if not one.model.instrument)

    @property
    def rounds(self) -> int:
        """The number of rounds that were measured."""
        return max((sample.round for one in self.summary.models for sample in one.model.samples), default=0)

    @property
    def context(self) -> str:
        """Machine, device, rounds and date in one line: the caption of each figure and table."""
        return context(self.result, [one.model.device for one in self.summary.models], self.rounds)


class WholeRuns:
    """Whole runs by id, with their samples: those of boards are kept, of the others the last few.

    A run that was not kept is read from its file again.
    """

    def __init__(self, read: Callable[[str], Result]) -> None:
        self._read = read
        self._kept: dict[str, RunSummary] = {}
        self._last: dict[str, RunSummary] = {}

    def keep(self, run_id: str) -> RunSummary:
        """Return a run, and keep it from now on."""
        if run_id not in self._kept:
            last = self._last.pop(run_id) if run_id in self._last else None
            self._kept[run_id] = summarise(self._read(run_id)) if last is None else last
        return self._kept[run_id]

    def of(self, run_id: str) -> RunSummary:
        """Return a run; raises what reading its file raises."""
        if run_id in self._kept:
            return self._kept[run_id]
        found = self._last.pop(run_id) if run_id in self._last else summarise(self._read(run_id))
        # Put in again: the one that was asked for longest ago is the first to go.
        self._last[run_id] = found
        if len(self._last) > LAST_RUNS:
            del self._last[next(iter(self._last))]
        return found


@dataclass(frozen=True)
class Site:
    """Everything that the pages are made from. `reviews` has what judges and people said, by run id.

    `summaries` are condensed runs, oldest first: they have no samples. `boards` have whole ones, and so has `whole`.
    `asked` are the prompts of all boards: those that have a page.
    """

    refused: tuple[Refused, ...]
    marks: dict[str, Mark]
    boards: tuple[Board, ...]
    summaries: tuple[RunSummary, ...]
    whole: WholeRuns
    reviews: Mapping[str, Reviews] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()
    series: KnownSeries = field(default_factory=KnownSeries)

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """The condensed runs themselves, oldest first."""
        return tuple(one.result for one in self.summaries)

    @cached_property
    def runs(self) -> dict[str, dict[str, tuple[ModelSummary, ...]]]:
        """Model -> machine -> its runs there, oldest first; models by first appearance, the newest machine first."""
        found: dict[str, dict[str, list[ModelSummary]]] = {name: {} for name in self.marks}
        for summary in self.summaries:
            for one in summary.models:
                machines = found[one.model.name]
                # Taken out and put back: the machine of the newest run comes last.
                of_machine = machines.pop(summary.result.machine.name, [])
                of_machine.append(one)
                machines[summary.result.machine.name] = of_machine
        return {
            name: {machine: tuple(runs) for machine, runs in reversed(machines.items())}
            for name, machines in found.items()
        }

    @cached_property
    def estimates(self) -> Estimates:
        """The intervals and ranks of the models of any run, each worked out when it is first asked for."""
        return Estimates()

    @cached_property
    def drift(self) -> Drift:
        """What models said otherwise than in another round, or in the run before."""
        return Drift(self.summaries, lambda run_id: self.whole.of(run_id).result)

    @cached_property
    def raters(self) -> RatersByRun:
        """What judges and people said of any run, and how far they agree."""
        return RatersByRun(self.reviews, lambda run_id: self.whole.of(run_id).result)

    @cached_property
    def by_run(self) -> dict[str, RunSummary]:
        """Run id -> the condensed run."""
        return {one.result.run.id: one for one in self.summaries}

    @cached_property
    def shifts(self) -> Shifts:
        """Every level shift of every model."""
        return shifts(self.summaries, self.series)

    def of_machine(self, machine: str) -> "Site":
        """Return what there is of one machine: whatever is made from it depends on no other machine's runs."""
        if machine not in self._machines:
            summaries = tuple(one for one in self.summaries if one.result.machine.name == machine)
            ids = {one.result.run.id for one in summaries}
            self._machines[machine] = replace(
                self,
                refused=(),
                boards=tuple(board for board in self.boards if board.machine == machine),
                summaries=summaries,
                reviews={run_id: one for run_id, one in self.reviews.items() if run_id in ids},
            )
        return self._machines[machine]

    @cached_property
    def _machines(self) -> dict[str, "Site"]:
        return {}

    def whole_model(self, one: ModelSummary) -> ModelSummary:
        """Return a model of a condensed run with its samples."""
        run = self.whole.of(one.result.run.id)
        return next(model for model in run.models if model.model.name == one.model.name)

    def newest(self, name: str) -> ModelSummary:
        """Return the newest run of a model on any machine; one in which it was skipped only where there is no other."""
        machines = self.runs[name]
        found = (_newest(runs) for runs in machines.values())
        return self.whole_model(
            next((one for one in found if one.model.skipped is None), next(iter(machines.values()))[-1])
        )

    def newest_on(self, name: str, machine: str) -> ModelSummary:
        """Return the newest run of a model on a machine; one in which it was skipped only where there is no other."""
        return self.whole_model(_newest(self.runs[name][machine]))

    def history(self, name: str, machine: str, prompt_set: str | None = None) -> tuple[ModelSummary, ...]:
        """Return the runs of a model on a machine that can be compared with the newest good one, oldest first.

        That is the newest of a prompt set where its id is given. The runs are condensed.
        """
        runs = [one for one in self.runs[name][machine] if prompt_set in (None, one.result.prompt_set.id)]
        good = [one for one in runs if one.good_samples] or list(runs)
        newest = context_key(good[-1].result, good[-1].model)
        return tuple(one for one in runs if context_key(one.result, one.model) == newest)


def site(ledger: Ledger, reviews: Mapping[str, Reviews] | None = None) -> Site:
    """Return the ledger arranged for the pages, the machine of the newest run first, and its newest prompt set.

    What has runs of test instruments alone comes after what has others.

    `reviews` has those of a run by its id; files of theirs that were refused come after the ledger's own.
    """
    results = {result.run.id: result for result in ledger.results}
    runs = [condensed(summarise(result)) for result in ledger.results]
    return arranged(runs, results.__getitem__, ledger.refused, reviews)


def arranged(
    runs: Iterable[RunSummary],
    read: Callable[[str], Result],
    refused: Sequence[Refused],
    reviews: Mapping[str, Reviews] | None = None,
    cache: Cache | None = None,
) -> Site:
    """Return condensed runs, given oldest first, arranged for the pages as `site` does; `read` reads a whole one.

    `cache` keeps the shifts of their series.
    """
    summaries = tuple(runs)
    whole = WholeRuns(read)
    boards = _boards(summaries, whole)
    return Site(
        refused=(*refused, *(refused for one in (reviews or {}).values() for refused in one.refused)),
        marks=marks([one.result for one in summaries]),
        boards=boards,
        summaries=summaries,
        whole=whole,
        reviews=reviews or {},
        series=KnownSeries(cache),
        asked=frozenset(prompt.id for board in boards for prompt in board.result.prompt_set.prompts),
    )


def _newest(runs: Sequence[ModelSummary]) -> ModelSummary:
    return next((one for one in reversed(runs) if one.model.skipped is None), runs[-1])


def _boards(summaries: Sequence[RunSummary], whole: WholeRuns) -> tuple[Board, ...]:
    newest: dict[str, dict[str, RunSummary]] = {}
    in_time = sorted(summaries, key=lambda one: (one.result.run.started_utc, one.result.run.id), reverse=True)
    for one in in_time:
        shown = newest.setdefault(one.result.machine.name, {})
        held = shown.setdefault(one.result.prompt_set.id, one)
        # What ran in turns with another config, or is of test instruments alone, stands for a set only where nothing
        # else does.
        if _standing(one) < _standing(held):
            shown[one.result.prompt_set.id] = one
    ordered = [sorted(shown.values(), key=_of_instruments) for shown in newest.values()]
    return tuple(
        Board(whole.keep(one.result.run.id), place, len(shown))
        for shown in sorted(ordered, key=lambda shown: _of_instruments(shown[0]))
        for place, one in enumerate(shown)
    )


def _standing(summary: RunSummary) -> tuple[bool, bool]:
    return _of_instruments(summary), summary.result.run.pairing is not None


def _of_instruments(summary: RunSummary) -> bool:
    """Return whether all models of a run are test instruments."""
    return all(one.model.instrument for one in summary.models)


def context(result: Result, devices: Sequence[str | None], rounds: int) -> str:
    """Return where and how a run was made, in one line."""
    prompts = form.count(len(result.prompt_set.prompts), "prompt")
    return placed(result, devices, f"{form.count(rounds, 'round')} of {prompts}")


def placed(result: Result, devices: Sequence[str | None], how: str, when: str = "") -> str:
    """Return the machine, the devices, how it was measured and when, in one line; when the run began, unless told."""
    named = list(dict.fromkeys(device for device in devices if device)) or ["device unknown"]
    parts = (
        f"{result.machine.name} ({result.machine.cpu}, {form.with_unit(result.machine.memory_bytes, 'bytes')})",
        " and ".join(named),
        how,
        when or form.minute(result.run.started_utc),
    )
    return " · ".join(parts)


def measured(summary: ModelSummary, metric_id: str) -> CellValue:
    """Return a metric of a model, or what kind of thing is missing and why."""
    value = summary.value(metric_id)
    if value is not None:
        return judged(summary, metric_id, value)
    if summary.model.skipped is not None:
        return CellValue(None, "skipped", summary.model.skipped)
    why = summary.why_undefined(metric_id) or ""
    chosen = metric(metric_id.partition(".")[0])
    if summary.model.transport == "in-process" and chosen.of_client:
        return CellValue(None, "absent", why)
    if summary.distributions.get(chosen.id) is not None:
        return CellValue(None, "few", why)
    from_samples = chosen.of_samples or chosen.id == "score"
    if from_samples and not summary.good_samples:
        return CellValue(None, "failed", failure_text(summary))
    return CellValue(None, "none", why)


def judged(summary: ModelSummary, metric_id: str, value: float) -> CellValue:
    """Return a value of a metric with what must be said beside it: not resolvable, out of a cache, or an estimate."""
    chosen = metric(metric_id.partition(".")[0])
    plain = CellValue(
        value,
        unit=currency([summary]) if chosen.unit == "money" else chosen.unit,
        eligible=not summary.model.instrument,
    )
    if not resolvable(metric_id, value, summary.client_error):
        limit = form.with_unit(smallest_resolvable_s(metric_id, summary.client_error), "s")
        why = f"below {limit}, which is {form.in_words(TIMES_THE_ERROR)} times the client’s own error on this machine"
        return replace(plain, kind="coarse", why=why, small="not resolvable")
    if chosen.of_prefill and summary.prompt_cache.doubt is not None:
        return replace(plain, kind="coarse", why=summary.prompt_cache.doubt, small="prompt cache")
    if chosen.of_prefill and summary.prompt_cache.state == "warm":
        return replace(plain, small="warm")
    if chosen.from_energy and is_estimate(summary.model):
        why = "estimated from a wattage that the config states, not measured"
        return replace(plain, why=why, small="estimate")
    return plain


def metric_column(summaries: Sequence[ModelSummary], metric_id: str, label: str, compared: bool = True) -> Column:
    """Return the column of one metric, a row for each model, with the best marked where they can be compared."""
    chosen = metric(metric_id.partition(".")[0])
    known = {one.model.name: one.prompt_cache for one in summaries if one.value(metric_id) is not None}
    apart = told_apart_by_cache(metric_id, known)
    values = [
        replace(shown, eligible=False) if one.model.name in apart else shown
        for one, shown in ((summary, measured(summary, metric_id)) for summary in summaries)
    ]
    unit = currency(summaries) if chosen.unit == "money" else chosen.unit
    column = number_column(label, unit, values, chosen.better if compared else None)
    return replace(column, explained=metric_page(chosen.id))


def failure_text(summary: ModelSummary) -> str:
    """Return why a model gave nothing: it was skipped, its own failure, or the kinds of its samples' failures."""
    if summary.model.skipped is not None:
        return f"skipped: {summary.model.skipped}"
    if summary.model.failure is not None:
        return f"{summary.model.failure.kind}: {summary.model.failure.message}"
    if summary.failure_kinds:
        kinds = ", ".join(f"{kind} ({count})" for kind, count in summary.failure_kinds.items())
        return f"every sample failed: {kinds}"
    return "no sample was taken"


def currency(summaries: Sequence[ModelSummary]) -> str:
    """Return the currency in which models of one run are priced."""
    known = (prices(one.result).currency for one in summaries if one.value("cost_per_1000_answers") is not None)
    return next((currency for currency in known if currency), "currency not stated")


def model_cells(site: Site, summaries: Sequence[ModelSummary], here: str) -> list[Cell]:
    """Return the cells that name models in a table: mark, name, link, and what the model is in small type."""
    return [
        Cell(
            shortened(one.model.name, 60),
            small=what_it_is(one),
            href=relative(here, model_page(one.model.name)),
            mark=site.marks[one.model.name],
        )
        for one in summaries
    ]


def what_it_is(summary: ModelSummary) -> str:
    """Return size, precision and device of a model in a few words, after what must be known of a test instrument."""
    model = summary.model
    known = [
        INSTRUMENT if model.instrument else None,
        form.parameters(model.parameters) if model.parameters is not None else None,
        model.precision,
        model.device,
    ]
    return " · ".join(shortened(part, 30) for part in known if part)
