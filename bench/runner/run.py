"""A run: each model in a child process of its own, one after the other, and whatever happens is recorded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.config.settings import Config
from bench.providers.registry import ModelSettings
from bench.runner.child import Beyond, Job
from bench.runner.journal import Journal, Recovered
from bench.runner.load.lengths import repeats_of
from bench.runner.load.levels import reached
from bench.runner.machine.energy import metering
from bench.runner.measure import MeasuredSample
from bench.runner.messages import CellMeasured, LevelMeasured, Loaded, PromptsDone, Report, Underway
from bench.runner.observer import Observer, Power, model_run
from bench.runner.plan import Step, plan, warmup_requests
from bench.runner.supervise import Heard, supervise
from bench.schema.model_run import ModelRun
from bench.schema.prompts import PromptSetRecord

IDLE_S = 2.0
"""How long the idle machine's power is measured before the first model, where it has a counter."""


@dataclass(frozen=True)
class RunProgress:
    """Where a run stands: `done` of `total` requests of a model, what it is doing, and how fast its last answer was.

    The requests are those that are asked one after the other; `under_way` is the level or cell after them, or None.
    `round` is that of the request which is under way, 0 for a warm-up; None where none of them is.
    """

    model: str
    stage: str
    done: int
    total: int
    tokens_per_s: float | None
    under_way: Underway | None = None
    round: int | None = None


@dataclass(frozen=True)
class Ran:
    """What a run gave: the models in the order of the config, each distinct text, and versions of what took part.

    `stopped` says that somebody stopped it before its end.
    """

    models: tuple[ModelRun, ...]
    outputs: Mapping[str, str]
    versions: Mapping[str, str]
    stopped: bool


class Stopped(Exception):
    """Somebody asked the run to stop."""


@dataclass
class _Run:
    """What is under way: everything that the steps of a run share."""

    config: Config
    prompt_set: PromptSetRecord
    journal: Journal
    kept: Recovered
    on_progress: Callable[[RunProgress], None]
    elapsed_ns: Callable[[], int]
    power: Power


def run(
    config: Config,
    prompt_set: PromptSetRecord,
    journal: Journal,
    kept: Recovered,
    on_progress: Callable[[RunProgress], None],
    elapsed_ns: Callable[[], int],
) -> Ran:
    """Run every model of a config over the prompts, from where `kept` leaves off, and return what was measured.

    A model that fails is recorded with its failure, and the next one has its turn. `on_progress` may raise Stopped, as
    may a signal handler: the run then ends with what there is. `elapsed_ns` counts from the start of the run.
    """
    models: dict[str, ModelRun] = dict(kept.models)
    stopped = False
    try:
        with metering(config.energy.watts) as meter:
            power = Power(meter, meter.idle_watts(IDLE_S))
            under_way = _Run(config, prompt_set, journal, kept, on_progress, elapsed_ns, power)
            for model in config.models:
                if model.name not in models:
                    models[model.name] = _one(under_way, model)
    except Stopped:
        stopped = True
        models |= unfinished_models(config, kept)
    ordered = tuple(models[model.name] for model in config.models if model.name in models)
    return Ran(ordered, dict(sorted(kept.outputs.items())), kept.versions, stopped)


def unfinished_models(config: Config, kept: Recovered) -> dict[str, ModelRun]:
    """Return a record of each model that has samples and was never finished, by name."""
    found = {}
    for model in config.models:
        if kept.samples.get(model.name) and model.name not in kept.models:
            heard = Heard(loaded=kept.loaded.get(model.name))
            seen = kept.seen.get(model.name) or Observer.nothing_seen()
            found[model.name] = model_run(model, heard, seen, kept)
    return found


def _one(under_way: _Run, model: ModelSettings) -> ModelRun:
    config, kept = under_way.config, under_way.kept
    prompts = under_way.prompt_set.prompts
    steps = plan(prompts, config.rounds, warmup_requests(config, model, len(prompts)), config.order_seed)
    answered = {one.sample.position for one in kept.samples.get(model.name, []) if one.sample.round > 0}
    left = tuple(step for step in steps if step.round == 0 or step.position not in answered)
    with Observer(config, model, under_way.power, resumed=bool(answered)) as observer:
        job = Job(model, config, left, _beyond(under_way, model), _offset_ns(kept, model.name))
        heard = supervise(job, _listener(under_way, model, observer, left, len(steps)))
        seen = kept.seen.get(model.name) or observer.seen(heard)
    if heard.loaded is not None and heard.loaded.remote is None and heard.failure is None:
        for number in range(2, config.loads + 1):
            again = supervise(Job(model, config, ()), _listener(under_way, model, None, (), len(steps)))
            if again.loaded is None and again.failure is not None:
                why = f"load {number} of {config.loads}: {again.failure.message}"
                heard.failure = again.failure.model_copy(update={"message": why})
                break
    record = model_run(model, heard, seen, kept)
    under_way.journal.finished(record)
    kept.models[model.name] = record
    return record


def _beyond(under_way: _Run, model: ModelSettings) -> Beyond | None:
    config, kept = under_way.config, under_way.kept
    if config.load is None and config.lengths is None:
        return None
    return Beyond(
        prompts=under_way.prompt_set.prompts,
        context_length=model.declared.context_length,
        repeats=repeats_of(kept.cells.get(model.name, [])),
        reached=tuple(reached(level) for level in kept.levels.get(model.name, [])),
    )


def _offset_ns(kept: Recovered, model: str) -> int:
    """Return where the stamps of a model go on: after the end of all that was measured of it."""
    samples = [one.sample for one in kept.samples.get(model, [])]
    samples += [sample for cell in kept.cells.get(model, []) for sample in cell.samples]
    ends = [sample.start_ns + (sample.end_ns or 0) for sample in samples]
    for level in kept.levels.get(model, []):
        ends += [level.start_ns + sample.start_ns + (sample.end_ns or 0) for sample in level.samples]
        ends.append(level.start_ns + level.window_end_ns)
    return max(ends, default=0)


def _listener(
    under_way: _Run, model: ModelSettings, observer: Observer | None, left: Sequence[Step], total: int
) -> Callable[[Heard, Report | None], None]:
    """Return the progress of a child that has `left` of the `total` requests of its model."""
    name = model.name
    speed: float | None = None

    def listen(heard: Heard, report: Report | None) -> None:
        nonlocal speed
        if observer is not None:
            observer.notice(heard, report)
        _keep(under_way, name, observer, report)
        speed = (_tokens_per_s(report) if isinstance(report, MeasuredSample) else None) or speed
        stage = heard.doing
        if heard.ended:
            stage = "failed" if heard.failure else "skipped" if heard.skipped else "done"
        elif observer is None:
            stage = "loading again"
        asked = left[heard.answered] if stage == "answering" and heard.answered < len(left) else None
        done = total - len(left) + heard.answered
        current = speed if stage == "answering" else None
        number = asked.round if asked is not None else None
        under_way.on_progress(RunProgress(name, stage, done, total, current, heard.under_way, number))

    return listen


def _keep(under_way: _Run, name: str, observer: Observer | None, report: Report | None) -> None:
    """Keep what was measured, and write it to the journal: in this order, since a Ctrl-C may come in between."""
    kept, journal = under_way.kept, under_way.journal
    match report:
        case Loaded():
            kept.versions.update(report.identity.versions)
            kept.loaded[name] = report
            kept.loads_ns.setdefault(name, []).append(report.cold_load_ns)
            journal.loaded(name, report)
        case MeasuredSample():
            kept.keep_sample(name, report)
            journal.measured(name, report, under_way.elapsed_ns())
        case PromptsDone() if observer is not None and observer.alone is not None and name not in kept.seen:
            kept.seen[name] = observer.alone
            journal.seen(name, observer.alone)
        case CellMeasured():
            kept.keep_cell(name, report)
            journal.cell(name, report, under_way.elapsed_ns())
        case LevelMeasured():
            peak_bytes = observer.take_peak_bytes() if observer is not None else None
            report = replace(report, level=report.level.model_copy(update={"memory_peak_bytes": peak_bytes}))
            kept.keep_level(name, report)
            journal.level(name, report, under_way.elapsed_ns())


def _tokens_per_s(measured: MeasuredSample) -> float | None:
    sample = measured.sample
    if not sample.output_tokens or not sample.end_ns:
        return None
    return sample.output_tokens / (sample.end_ns / 1e9)
