"""What a metric is: its name, its unit, which way is better, and how to get it from what was recorded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from bench.runner.record import ModelRun
from bench.runner.sample import Sample


@dataclass(frozen=True)
class Metric:
    """What is measured, in words: how it is called, its unit, and which way is better.

    `symbol` is the short form for a table's header. `undefined` says when there is no value, for a reader. A unit of
    'money' stands for the currency of a run's config.
    `needs_stream` marks what only a streamed answer shows. A `scope` of 'sample' has one value for each request, 'gap'
    several for each request, 'model' one for each model of a run.
    """

    scope: ClassVar[Literal["sample", "gap", "model"]] = "model"

    id: str
    label: str
    symbol: str
    unit: Literal["s", "s/token", "tokens/s", "bytes", "score", "J", "count", "share", "money"]
    better: Literal["lower", "higher"]
    definition: str
    undefined: str
    needs_stream: bool


@dataclass(frozen=True)
class SampleMetric(Metric):
    """A metric with one value for each request; `value` is None for a failed sample and where it is undefined."""

    scope: ClassVar[Literal["sample", "gap", "model"]] = "sample"

    value: Callable[[Sample], float | None]


@dataclass(frozen=True)
class GapMetric(Metric):
    """A metric with several values for each request, in order of arrival; `values` is empty for a failed sample."""

    scope: ClassVar[Literal["sample", "gap", "model"]] = "gap"

    values: Callable[[Sample], tuple[float, ...]]


@dataclass(frozen=True)
class ModelMetric(Metric):
    """A metric with one value for each model; `field` is a recorded field that it needs, whose null has a reason."""

    value: Callable[[ModelRun], float | None]
    field: str | None
