"""What is said of all samples at once is what is said of each, to the last bit."""

import random

import pytest

from bench.analysis.summary import prompt_distributions, summarise_model
from bench.metrics.registry import measured_in, sample_metric
from bench.metrics.timing import (
    e2e_s,
    good_samples,
    sample_arrays,
    shared_reads_share,
    stalls_in_all,
    tpot_s,
    ttft_s,
)
from bench.schema.sample import Failure, Sample
from bench.stats.distribution import distribution
from tests.builders import model_run, prompt, result, sample

OF_SAMPLES = measured_in("whole", "sample", "gap")
PROMPTS = ("p1", "p2", "p3")
LONGEST_NS = 2**53 - 1


def anything(rng: random.Random) -> Sample:
    """Return a sample as a record allows it: failed or good, streamed or not, stamps at one instant or far apart."""
    few = rng.choice([0, 1, 2, 3, 4, rng.randrange(5, 40)])
    widest = rng.choice([1, 3, 50_000_000, 900_000_000, LONGEST_NS])
    chunk_ns = tuple(sorted(rng.randrange(widest) for _ in range(few)))
    if chunk_ns and rng.random() < 0.2:
        chunk_ns = (chunk_ns[0],) * len(chunk_ns)
    last = chunk_ns[-1] if chunk_ns else 0
    failed = rng.random() < 0.2
    return sample(
        prompt=rng.choice(PROMPTS),
        chunk_ns=chunk_ns,
        first_chunk_tokens=rng.choice([None, None, 2, 10, rng.randrange(1_000_000_000)]),
        first_answer_chunk=rng.choice([None, rng.randrange(len(chunk_ns))]) if chunk_ns else None,
        shared_reads=rng.randrange(3),
        sent_ns=rng.choice([None, 0, rng.randrange(1_000_000)]),
        end_ns=rng.choice([last, min(last + rng.randrange(1_000_000), LONGEST_NS)]),
        prompt_tokens=rng.choice([None, 0, 1, rng.randrange(1_000_000_000)]),
        output_tokens=rng.choice([None, 0, 1, 2, 3, rng.randrange(1_000_000_000)]),
        failure=Failure(kind="timeout", message="too slow") if failed else None,
    )


@pytest.mark.parametrize("seed", range(60))
def test_every_metric_over_all_samples_is_that_of_each(seed: int) -> None:
    rng = random.Random(seed)
    model = model_run(samples=tuple(anything(rng) for _ in range(rng.choice([0, 1, 2, 40]))))
    good = good_samples(model)
    summary = summarise_model(result([model]), model)

    for metric in OF_SAMPLES:
        each = [metric.all_values((one,)) for one in good]

        assert [some.tolist() for some in metric.sample_values(model.samples).by_sample()] == each
        assert summary.distributions[metric.id] == distribution(metric.all_values(good), metric.scope)
    for metric_id, of_one in (("ttft_s", ttft_s), ("tpot_s", tpot_s), ("e2e_s", e2e_s)):
        assert sample_metric(metric_id).value_of_each(model.samples) == [of_one(one) for one in model.samples]


@pytest.mark.parametrize("seed", range(10))
def test_a_prompt_has_the_values_of_its_own_samples(seed: int) -> None:
    rng = random.Random(seed)
    model = model_run(samples=tuple(anything(rng) for _ in range(30)))
    run = result([model], prompts=[prompt(id=one) for one in ("never asked", *PROMPTS)])

    for metric in OF_SAMPLES:
        found = prompt_distributions(run, model, metric.id)

        assert [*found] == ["never asked", *PROMPTS]
        for of_prompt, values in found.items():
            asked = tuple(one for one in model.samples if one.prompt == of_prompt)
            assert values == distribution(metric.all_values(asked), metric.scope)


@pytest.mark.parametrize("seed", range(10))
def test_what_is_counted_over_all_gaps_is_the_sum_of_the_samples(seed: int) -> None:
    rng = random.Random(seed)
    model = model_run(samples=tuple(anything(rng) for _ in range(seed)))
    counts = sample_metric("request_stalls_count").all_values(model.samples)
    gaps = sum(max(0, len(one.chunk_ns) - 1) for one in good_samples(model))

    assert stalls_in_all(model) == (sum(counts) if counts else None)
    assert shared_reads_share(model) == (sum(one.shared_reads for one in good_samples(model)) / gaps if gaps else None)


def test_the_samples_of_a_copy_are_its_own() -> None:
    model = model_run(samples=(sample(output_tokens=3), sample(output_tokens=5)))
    one = model.model_copy(update={"samples": model.samples[:1]})

    assert sample_arrays(model).output_tokens.tolist() == [3, 5]
    assert sample_arrays(one).output_tokens.tolist() == [3]
