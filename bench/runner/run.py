"""A run: each model in a child process of its own, one after the other, and whatever happens is recorded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.config import Config
from bench.model_settings import CustomModel, EndpointModel, FoundryModel
from bench.rubric import PromptSetRecord
from bench.runner.child import Job, Loaded, Report
from bench.runner.energy import metering
from bench.runner.journal import Journal, Recovered
from bench.runner.measure import Measured
from bench.runner.observe import Observer, Power
from bench.runner.outcome import model_run
from bench.runner.plan import Step, plan
from bench.runner.record import ModelRun
from bench.runner.supervise import Heard, supervise

IDLE_S = 2.0
"""How long the idle machine's power is measured before the first model, where it has a counter."""

Model = FoundryModel | EndpointModel | CustomModel


@dataclass(frozen=True)
class Progress:
    """Where a run stands: `done` of `total` requests of a model, what it is doing, and how fast its last answer was."""

    model: str
    stage: str
    done: int
    total: int
    tokens_per_s: float | None


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
    on_progress: Callable[[Progress], None]
    elapsed_ns: Callable[[], int]
    power: Power


def run(
    config: Config,
    prompt_set: PromptSetRecord,
    journal: Journal,
    kept: Recovered,
    on_progress: Callable[[Progress], None],
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
    outputs = {
        measured.sample.output: measured.text
        for samples in kept.samples.values()
        for measured in samples
        if measured.sample.output is not None and measured.text is not None
    }
    ordered = tuple(models[model.name] for model in config.models if model.name in models)
    return Ran(ordered, dict(sorted(outputs.items())), kept.versions, stopped)


def unfinished_models(config: Config, kept: Recovered) -> dict[str, ModelRun]:
    """Return a record of each model that has samples and was never finished, by name."""
    found = {}
    for model in config.models:
        samples = kept.samples.get(model.name, [])
        if samples and model.name not in kept.models:
            heard = Heard(loaded=kept.loaded.get(model.name))
            found[model.name] = model_run(
                model, heard, Observer.nothing_seen(), samples, kept.loads_ns.get(model.name, [])
            )
    return found


def _one(under_way: _Run, model: Model) -> ModelRun:
    config, kept = under_way.config, under_way.kept
    earlier = kept.samples.setdefault(model.name, [])
    answered = {one.sample.position for one in earlier if one.sample.round > 0}
    steps = plan(under_way.prompt_set.prompts, config.rounds, config.warmup, config.order_seed)
    left = tuple(step for step in steps if step.round == 0 or step.position not in answered)
    offset_ns = max((one.sample.start_ns + (one.sample.end_ns or 0) for one in earlier), default=0)
    loads_ns = kept.loads_ns.setdefault(model.name, [])
    with Observer(config, model, under_way.power) as observer:
        heard = supervise(
            Job(model, config, left, offset_ns), _listener(under_way, model, observer, len(answered), steps)
        )
        seen = observer.seen(heard)
    if heard.loaded is not None and heard.loaded.remote is None and heard.failure is None:
        for _ in range(config.loads - 1):
            again = supervise(Job(model, config, ()), _listener(under_way, model, None, len(steps), steps))
            if again.loaded is None:
                break
    record = model_run(model, heard, seen, earlier, loads_ns)
    under_way.journal.finished(record)
    kept.models[model.name] = record
    return record


def _listener(
    under_way: _Run, model: Model, observer: Observer | None, answered: int, steps: Sequence[Step]
) -> Callable[[Heard, Report | None], None]:
    kept = under_way.kept
    speed: float | None = None

    def listen(heard: Heard, report: Report | None) -> None:
        nonlocal speed
        if observer is not None:
            observer.notice(heard, report)
        if isinstance(report, Loaded):
            kept.versions.update(report.identity.versions)
            kept.loaded[model.name] = report
            kept.loads_ns.setdefault(model.name, []).append(report.cold_load_ns)
            under_way.journal.loaded(model.name, report)
        if isinstance(report, Measured):
            kept.samples.setdefault(model.name, []).append(report)
            under_way.journal.measured(model.name, report, under_way.elapsed_ns())
            speed = _tokens_per_s(report) or speed
        stage = heard.doing
        if heard.ended:
            stage = "failed" if heard.failure else "skipped" if heard.skipped else "done"
        elif observer is None:
            stage = "loading again"
        done = answered + len(heard.measured) if observer is not None else len(steps)
        current = speed if stage == "answering" else None
        under_way.on_progress(Progress(model.name, stage, min(done, len(steps)), len(steps), current))

    return listen


def _tokens_per_s(measured: Measured) -> float | None:
    sample = measured.sample
    if not sample.output_tokens or not sample.end_ns:
        return None
    return sample.output_tokens / (sample.end_ns / 1e9)
