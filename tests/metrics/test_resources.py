"""Energy and cost, worked out by hand."""

from typing import Any

import pytest

from bench.metrics.resources import (
    cost_per_1000_answers,
    energy_per_1000_tokens_j,
    energy_per_answer_j,
    is_estimate,
    prices,
    why_no_cost,
)
from bench.schema.machine import Energy
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from tests import builders
from tests.builders import failed_sample, model_run, sample

SECOND_NS = 1_000_000_000


def energy(**fields: Any) -> Energy:
    defaults: dict[str, Any] = {"source": "rapl", "joules": 360.0, "idle_watts": 4.0, "duration_ns": 30 * SECOND_NS}
    return Energy(**(defaults | fields))


def model() -> ModelRun:
    """Return a model that took 360 J and 30 s for 4 good answers of 30 tokens, and one that failed."""
    good = [sample(position=place, output_tokens=30) for place in range(4)]
    return model_run(energy=energy(), samples=(*good, failed_sample(position=4)))


def run(**stated: Any) -> Result:
    config = builders.config()
    resolved = config.resolved | ({"energy": stated} if stated else {})
    return builders.result([model()], config=config.model_copy(update={"resolved": resolved}))


def test_energy_is_shared_by_the_good_answers() -> None:
    assert energy_per_answer_j(model()) == 90
    assert energy_per_1000_tokens_j(model()) == 3_000


def test_energy_needs_answers_and_counted_tokens() -> None:
    assert energy_per_answer_j(model_run()) is None
    assert energy_per_answer_j(model_run(energy=energy(), samples=(failed_sample(),))) is None
    uncounted = model_run(energy=energy(), samples=(sample(), sample(output_tokens=None)))
    assert energy_per_1000_tokens_j(uncounted) is None


def test_only_a_stated_wattage_is_an_estimate() -> None:
    assert is_estimate(model_run(energy=energy(source="estimate")))
    assert not is_estimate(model())
    assert not is_estimate(model_run())


def test_the_cost_of_energy_by_hand() -> None:
    # 360 J are 0.0001 kWh: at 0.40 a kWh 0.00004 for 4 answers, 0.01 for 1,000.
    assert cost_per_1000_answers(run(price_per_kwh=0.4), model()) == pytest.approx(0.01)


def test_the_cost_of_the_device_by_hand() -> None:
    # 30 s of 4 years are 30 / 126,230,400 of 1,262.304, which is 0.0003 for 4 answers and 0.075 for 1,000.
    stated = run(price_per_kwh=0.4, device_price=1_262.304, device_life_years=4)

    assert cost_per_1000_answers(stated, model()) == pytest.approx(0.01 + 0.075)
    assert cost_per_1000_answers(run(price_per_kwh=0.4, device_price=900), model()) == pytest.approx(0.01)


def test_why_there_is_no_cost() -> None:
    no_energy = model_run(unmeasured={"energy": "the machine has no counter"})

    assert cost_per_1000_answers(run(), model()) is None
    assert why_no_cost(run(), model()) == "the config has no price of a kWh (energy.price_per_kwh)"
    assert why_no_cost(run(price_per_kwh=0.4), no_energy) == "the machine has no counter"
    assert why_no_cost(run(price_per_kwh=0.4), model_run(energy=energy(), samples=())) == "no good sample"


def test_prices_that_are_not_stated() -> None:
    assert prices(run()).currency is None
    assert prices(run(price_per_kwh=None, currency="EUR", watts=15)).per_kwh is None
    assert prices(run(price_per_kwh=0.3, currency="EUR")).currency == "EUR"
