"""Ledgers of many runs on many machines, made out of one real run: seeded, with level shifts, every file valid.

A run is the source with other timings: the machine's speed, the levels of its history, noise of the run, of each sample
and of each gap. Texts, grades and prompts stay. A run depends on the seed, the number of machines and its own number
alone, so a ledger of 300 runs is the beginning of one of 1,000.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.schema.result import Result
from bench.store.files import dump, load

Document = dict[str, Any]
Floats = NDArray[np.float64]

BEGIN: Final = datetime(2024, 1, 1, 8, tzinfo=UTC)
APART: Final = timedelta(hours=3, minutes=7)
"""When the first run began, and how long after one run the next begins, on another machine where there is one."""

SHIFT_PROBABILITY: Final = 1 / 25
"""How often a run of a machine begins a new level."""

SHIFT_RATIOS: Final = (0.08, 0.25)
"""How far a new level is from the one before, either way."""

ALL_MODELS: Final = 0.5
"""Share of the shifts that all models of the machine have in common, with a new version of the runtime."""

SPEEDS: Final = (0.5, 2.0)
"""Of the machines, as times that what was measured takes there."""

RUN_NOISE: Final = 0.015
SAMPLE_NOISE: Final = 0.03
GAP_NOISE: Final = 0.05
MEMORY_NOISE: Final = 0.004
LOAD_NOISE: Final = 0.05
"""Standard deviations of the logarithm, from one run, sample or gap to another."""

UNSTEADY_PROBABILITY: Final = 0.03
UNSTEADY_RATIO: Final = 1.25
"""How often a machine becomes slower while a model is measured, and by how much its probe takes longer then."""

CPUS: Final = (
    ("AMD EPYC", 2, 24),
    ("Intel(R) Xeon(R) Processor", 2, 16),
    ("Intel(R) Core(TM) i5-1340P", 12, 16),
    ("AMD Ryzen 7 7840U", 8, 32),
    ("Intel(R) N100", 4, 8),
    ("Cortex-A76", 4, 8),
)
"""Name of the processor, its cores, and memory in GB."""

_MEMORY_FIELDS = ("memory_before_bytes", "memory_loaded_bytes", "memory_peak_bytes", "memory_unique_bytes")


@dataclass(frozen=True)
class Maker:
    """Makes the runs of one ledger: the same for the same source, seed and number of machines."""

    source: Path
    seed: int
    machines: int

    @property
    def key(self) -> str:
        """What tells the files of this maker from those of others: the source, this module and what it is given."""
        content = self.source.read_bytes() + Path(__file__).read_bytes()
        return f"{self.seed}-{self.machines}-{hashlib.sha256(content).hexdigest()[:10]}"

    def result(self, number: int) -> Result:
        """Return the run of that number, from 0; machines take turns."""
        return Result.model_validate_json(json.dumps(self.document(number)))

    def document(self, number: int) -> Document:
        """Return the run of that number as the JSON object of its file."""
        source = _source(self.source)
        machine, place = number % self.machines, number // self.machines
        random = np.random.default_rng([self.seed, self.machines, number])
        levels, runtime = _levels(self.seed, machine, place + 1, len(source["models"]))
        speed = float(np.exp(np.random.default_rng([self.seed, machine]).uniform(*np.log(SPEEDS))))
        factors = speed * levels * np.exp(random.normal(0.0, RUN_NOISE, len(levels)))
        models = [
            _model(model, float(factor), speed, random) for model, factor in zip(source["models"], factors, strict=True)
        ]
        began = BEGIN + number * APART
        took = _moment(source["run"]["finished_utc"]) - _moment(source["run"]["started_utc"])
        run = source["run"] | {
            "id": self.run_id(number),
            "started_utc": _text(began),
            "finished_utc": _text(began + timedelta(seconds=round(took.total_seconds() * float(factors.mean())))),
            "resumed_utc": [],
            "commit": self._commit(number),
        }
        return source | {"run": run, "machine": _machine(source["machine"], machine, runtime), "models": models}

    def run_id(self, number: int) -> str:
        """Return the id of the run of that number."""
        config = _source(self.source)["config"]["name"]
        began = BEGIN + number * APART
        return f"{_machine_name(number % self.machines)}/{began:%Y%m%dT%H%M%SZ}-{self._commit(number)}-{config}"

    def _commit(self, number: int) -> str:
        return hashlib.sha256(f"{self.seed} {number}".encode()).hexdigest()[:10]


def newest_run(results_dir: Path, config: str = "default") -> Path:
    """Return the newest result file of a config below a folder. Raises FileNotFoundError where there is none."""
    found = sorted(results_dir.glob(f"*/*-{config}.json"), key=lambda path: path.name)
    if not found:
        raise FileNotFoundError(f"{results_dir}: no run of the config {config}")
    return found[-1]


def write_runs(
    maker: Maker, results_dir: Path, runs: int, jobs: int, written: Callable[[int], None] = lambda _: None
) -> tuple[Path, ...]:
    """Write the first runs of a maker below a folder, but for those that are there, and return their files, in order.

    `jobs` processes work on it; `written` is told how many more are there each time that some are.
    """
    paths = [results_dir / f"{maker.run_id(number)}.json" for number in range(runs)]
    missing = [number for number, path in enumerate(paths) if not path.is_file()]
    written(runs - len(missing))
    some = [missing[first : first + 20] for first in range(0, len(missing), 20)]
    if len(some) == 1 or jobs == 1:
        for numbers in some:
            written(_write(maker, results_dir, numbers))
    else:
        with ProcessPoolExecutor(jobs) as pool:
            for done in as_completed([pool.submit(_write, maker, results_dir, numbers) for numbers in some]):
                written(done.result())
    return tuple(paths)


def _write(maker: Maker, results_dir: Path, numbers: Sequence[int]) -> int:
    for number in numbers:
        result = maker.result(number)
        path = results_dir / f"{result.run.id}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        # A benchmark that is stopped leaves no half file for the next one.
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(dump(result), encoding="utf-8")
        os.replace(unfinished, path)
    return len(numbers)


@lru_cache(maxsize=1)
def _source(path: Path) -> Document:
    return load(path).model_dump(mode="json")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _machine_name(machine: int) -> str:
    return f"edge-{machine + 1:02}"


def _machine(source: Document, machine: int, runtime: int) -> Document:
    cpu, cores, memory_gb = CPUS[machine % len(CPUS)]
    return source | {
        "name": _machine_name(machine),
        "cpu": cpu,
        "physical_cores": cores,
        "logical_cores": cores,
        "memory_bytes": memory_gb * 2**30,
        "versions": source["versions"] | {"onnxruntime": f"1.{runtime}.0"},
    }


def _levels(seed: int, machine: int, runs: int, models: int) -> tuple[Floats, int]:
    """Return the level of each model in the last of so many runs of a machine, and the runtime's minor version."""
    random = np.random.default_rng([seed, machine, 1])
    levels = np.zeros(models)
    runtime = 20
    # One draw a run, used or not, so that the beginning of a history does not hang on its length.
    for shifts, ratio, up, common, chosen in random.random((runs, 5))[1:]:
        if shifts >= SHIFT_PROBABILITY:
            continue
        step = np.log1p(SHIFT_RATIOS[0] + ratio * (SHIFT_RATIOS[1] - SHIFT_RATIOS[0])) * (1 if up < 0.5 else -1)
        if common < ALL_MODELS:
            levels += step
            runtime += 1
        else:
            levels[int(chosen * models)] += step
    return np.exp(levels), runtime


def _model(source: Document, factor: float, speed: float, random: Generator) -> Document:
    """Return a model with each time that many times as long."""
    memory = float(np.exp(random.normal(0.0, MEMORY_NOISE)))
    load = factor * float(np.exp(random.normal(0.0, LOAD_NOISE)))
    requests = [*source["warmup"], *source["samples"]]
    measured = _requests(requests, factor, random)
    return source | {
        **{field: round(source[field] * memory) for field in _MEMORY_FIELDS if source[field] is not None},
        "cold_load_ns": None if source["cold_load_ns"] is None else round(source["cold_load_ns"] * load),
        "reloads_ns": [round(each * load) for each in source["reloads_ns"]],
        "machine_watch": None if source["machine_watch"] is None else _watch(source["machine_watch"], speed, random),
        "warmup": measured[: len(source["warmup"])],
        "samples": measured[len(source["warmup"]) :],
    }


def _requests(sources: Sequence[Document], factor: float, random: Generator) -> list[Document]:
    """Return requests with longer gaps, in their order; the pause before each is as long as it was."""
    made = []
    ended_ns = source_ended_ns = 0
    factors = factor * np.exp(random.normal(0.0, SAMPLE_NOISE, len(sources)))
    for source, slower in zip(sources, factors, strict=True):
        start_ns = ended_ns + max(source["start_ns"] - source_ended_ns, 0)
        stamps = np.array([*source["chunk_ns"], *([] if source["end_ns"] is None else [source["end_ns"]])], dtype=float)
        gaps = np.diff(stamps, prepend=0.0) * slower * np.exp(random.normal(0.0, GAP_NOISE, len(stamps)))
        offsets = np.rint(np.cumsum(gaps)).astype(np.int64).tolist()
        made.append(
            source
            | {
                "start_ns": start_ns,
                "chunk_ns": offsets[: len(source["chunk_ns"])],
                "end_ns": None if source["end_ns"] is None else offsets[-1],
            }
        )
        ended_ns = start_ns + (offsets[-1] if offsets else 0)
        source_ended_ns = source["start_ns"] + (int(stamps[-1]) if len(stamps) else 0)
    return made


def _watch(source: Document, speed: float, random: Generator) -> Document:
    unsteady = UNSTEADY_RATIO if random.random() < UNSTEADY_PROBABILITY else 1.0
    late = np.array(source["late_ns"]) * np.exp(random.normal(0.0, 0.2, len(source["late_ns"])))
    probes = {
        when: source[when]
        | {
            field: round(source[when][field] * speed * slower * float(np.exp(random.normal(0.0, RUN_NOISE / 2))))
            for field in ("compute_ns", "memory_ns")
        }
        for when, slower in (("before", 1.0), ("after", unsteady))
    }
    return source | probes | {"late_ns": np.rint(late).astype(np.int64).tolist()}
