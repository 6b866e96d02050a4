"""What answers take: energy for each, and what it costs at the prices of the run's configuration."""

from dataclasses import dataclass
from typing import Final

from bench.metrics.timing import NANOSECONDS_PER_SECOND, good_samples
from bench.schema.model_run import ModelRun
from bench.schema.result import Result

JOULES_PER_KWH: Final = 3_600_000
SECONDS_PER_YEAR: Final = 365.25 * 24 * 3600

ENERGY_SOURCES: dict[str, str] = {
    "rapl": "measured by the processor (RAPL)",
    "nvml": "measured by the GPU (NVML)",
    "powermetrics": "measured by the system (powermetrics)",
    "estimate": "estimate: a stated wattage times the time",
}
"""Every source of an energy, in words."""


@dataclass(frozen=True)
class Prices:
    """What a configuration says of prices; None for what it leaves out."""

    per_kwh: float | None
    currency: str | None
    device: float | None
    device_life_years: float | None


def prices(result: Result) -> Prices:
    """Return the prices of a run's configuration."""
    known = result.config.part("energy")
    currency = known.get("currency")
    return Prices(
        per_kwh=_number(known.get("price_per_kwh")),
        currency=currency if isinstance(currency, str) else None,
        device=_number(known.get("device_price")),
        device_life_years=_number(known.get("device_life_years")),
    )


def is_estimate(model: ModelRun) -> bool:
    """Return whether the model's energy, and so its cost, is an estimate and was not measured."""
    return model.energy is not None and model.energy.source == "estimate"


def energy_per_answer_j(model: ModelRun) -> float | None:
    """Return joules / good samples; the energy of failed requests is part of what the good ones took."""
    answers = len(good_samples(model))
    return model.energy.joules / answers if model.energy is not None and answers else None


def energy_per_1000_tokens_j(model: ModelRun) -> float | None:
    """Return joules / output tokens * 1,000; None where the tokens of a good sample were not counted."""
    if model.energy is None:
        return None
    counts = [sample.output_tokens for sample in good_samples(model)]
    tokens = sum([count or 0 for count in counts])
    if not tokens or not all(counts):
        return None
    return model.energy.joules / tokens * 1_000


def cost_per_1000_answers(result: Result, model: ModelRun) -> float | None:
    """Return what 1,000 answers cost in the currency of the config: energy, and the device's share where it is stated.

    The device's price is spread over its life as if it answered all the time: a device that mostly waits costs more.
    """
    stated = prices(result)
    answers = len(good_samples(model))
    if model.energy is None or not answers or stated.per_kwh is None:
        return None
    cost = model.energy.joules / JOULES_PER_KWH * stated.per_kwh
    if stated.device is not None and stated.device_life_years:
        duration_s = model.energy.duration_ns / NANOSECONDS_PER_SECOND
        cost += stated.device * duration_s / (stated.device_life_years * SECONDS_PER_YEAR)
    return cost / answers * 1_000


def why_no_cost(result: Result, model: ModelRun) -> str:
    """Return why there is no cost for a model."""
    if prices(result).per_kwh is None:
        return "the config has no price of a kWh (energy.price_per_kwh)"
    if model.energy is None:
        return model.unmeasured["energy"]
    return "no good sample"


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
