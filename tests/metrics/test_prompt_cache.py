"""What prompt caches did to TTFT and prefill: counted by the runtime, or seen in the times alone."""

from collections.abc import Sequence

import numpy as np
import pytest

from bench.analysis.measurements import WHOLE, measure
from bench.analysis.summary import summarise_model
from bench.metrics.prompt_cache import ALL, CHANCE, NOT_ASKED_FOR, NOT_WARM, SEEN, SOME, WITHHELD, finding
from bench.schema.model_run import ModelRun, PromptCacheMode
from bench.schema.sample import Sample
from tests.builders import MILLISECOND_NS as MS
from tests.builders import model_run, result, sample


def asked(
    ttft_ms: Sequence[Sequence[float]],
    mode: PromptCacheMode = "as-is",
    *,
    cached: Sequence[int | None] | None = None,
    token_ms: Sequence[float] | None = None,
    warmup: int = 0,
    transport: str = "direct",
) -> ModelRun:
    """Return a model whose n-th prompt was asked once a round, with these TTFT; prompts have 40 tokens.

    `cached` has what came out of the cache in each round, `token_ms` the time of a token there. Of the rounds, `warmup`
    are not measured.
    """
    rounds = len(ttft_ms[0])
    made: list[Sample] = []
    for number in range(rounds):
        for place, values in enumerate(ttft_ms):
            first_ns = round(values[number] * MS)
            token_ns = round((token_ms[number] if token_ms else 10) * MS)
            made.append(
                sample(
                    prompt=f"p{place}",
                    round=max(0, number + 1 - warmup),
                    # Nought is the first request after the load.
                    position=1 + len(made),
                    chunk_ns=(first_ns, first_ns + 10 * token_ns),
                    end_ns=first_ns + 10 * token_ns,
                    prompt_tokens=40,
                    output_tokens=11,
                    cached_prompt_tokens=cached[number] if cached else None,
                )
            )
    return model_run(
        provider="openai",
        transport=transport,
        prompt_cache=mode,
        samples=tuple(one for one in made if one.round),
        warmup=tuple(one for one in made if not one.round),
    )


@pytest.mark.parametrize(
    ("mode", "cached", "state", "share", "doubt"),
    [
        ("cold", [0, 0, 0], "cold", 0.0, None),
        ("as-is", [0, 0, 0], "cold", 0.0, None),
        # The beginning of a chat template, which all prompts share.
        ("cold", [4, 4, 4], "cold", 0.1, None),
        ("as-is", [0, 38, 38], "mixed", 76 / 120, SOME),
        ("as-is", [38, 38, 38], "warm", 0.95, ALL),
        ("cold", [38, 38, 38], "warm", 0.95, ALL + NOT_ASKED_FOR),
        ("cold", [0, 38, 38], "mixed", 76 / 120, SOME + NOT_ASKED_FOR),
        ("warm", [38, 38, 38], "warm", 0.95, None),
        # A cache of blocks of 16 tokens.
        ("warm", [32, 32, 32], "warm", 0.8, None),
        ("warm", [0, 0, 0], "cold", 0.0, NOT_WARM),
        ("warm", [0, 38, 38], "mixed", 76 / 120, SOME),
        ("as-is", [None, 0, 0], "cold", 0.0, None),
    ],
)
def test_what_the_runtime_counts_says_how_the_prompts_were_read(
    mode: PromptCacheMode, cached: list[int | None], state: str, share: float, doubt: str | None
) -> None:
    found = finding(asked([[100, 100, 100]] * 2, mode, cached=cached))

    assert (found.state, found.doubt) == (state, doubt)
    assert found.share == pytest.approx(share)


def test_cold_and_warm_ttft_are_both_known_where_the_runtime_counts() -> None:
    model = asked([[500, 40, 41], [700, 50, 52]], cached=[0, 38, 39])
    summary = summarise_model(result([model]), model)

    # The medians of 500 and 700, and of 40, 41, 50 and 52.
    assert summary.value("cold_ttft_s") == pytest.approx(0.6)
    assert summary.value("warm_ttft_s") == pytest.approx(0.0455)
    assert summary.value("cached_share") == pytest.approx(154 / 240)
    assert summary.value("ttft_s") == pytest.approx(0.051)


def test_there_is_no_prefill_speed_of_prompts_that_are_not_read() -> None:
    mixed, cold = asked([[500, 40]] * 3, cached=[0, 38]), asked([[500, 500]] * 3, "cold", cached=[0, 0])

    for model, value, why in ((mixed, None, WITHHELD), (cold, 80.0, None)):
        summary = summarise_model(result([model]), model)
        assert summary.value("prefill_tokens_per_s") == value
        assert summary.why_undefined("prefill_tokens_per_s") == why
        assert bool(measure(result([model]), model, WHOLE, "prefill_tokens_per_s").by_prompt) is (value is not None)


def test_a_cache_that_is_not_counted_shows_in_the_first_sight_of_each_prompt() -> None:
    found = finding(asked([[500 + place, 40 + place, 41 + place] for place in range(8)]))

    assert (found.state, found.doubt, found.share) == ("mixed", SEEN, None)
    # In the middle are the fourth and the fifth: 503 / 43.5 and 504 / 44.5.
    assert found.slower == pytest.approx(11.4445, abs=1e-4)
    # The medians of 500 to 507, and of the 16 later ones.
    assert found.cold_ttft_s == pytest.approx(0.5035)
    assert found.warm_ttft_s == pytest.approx(0.044)


def test_first_sights_that_were_a_warm_up_leave_warm_ones_alone() -> None:
    found = finding(asked([[500, 40, 41]] * 8, warmup=1))

    assert (found.state, found.doubt) == ("warm", SEEN)
    assert found.cold_ttft_s is None
    assert found.warm_ttft_s == pytest.approx(0.0405)


def test_a_request_that_asks_for_no_cache_and_gets_it_all_the_same_is_told() -> None:
    assert finding(asked([[500, 40, 41]] * 8, "cold")).doubt == SEEN + NOT_ASKED_FOR


@pytest.mark.parametrize(
    ("ttft_ms", "state"),
    [
        # Nothing shows; the first sights are slower, but by too little; or the later ones are.
        ([[100, 101, 99, 100]] * 8, "cold"),
        ([[110, 100, 100, 100]] * 8, "cold"),
        ([[50, 100, 100, 100]] * 8, "cold"),
        # Of 2 rounds it takes 7 prompts to tell, of 5 rounds 3.
        ([[500, 40]] * 6, "unknown"),
        ([[500, 40]] * 7, "mixed"),
        ([[500, 40, 40, 40, 40]] * 2, "unknown"),
        ([[500, 40, 40, 40, 40]] * 3, "mixed"),
        ([[500]] * 20, "unknown"),
    ],
)
def test_what_is_seen_needs_size_and_numbers(ttft_ms: list[list[float]], state: str) -> None:
    assert finding(asked(ttft_ms)).state == state


def test_a_machine_that_was_slow_at_first_is_no_cache() -> None:
    slow_at_first = finding(asked([[200, 100, 100]] * 8, token_ms=[20, 10, 10]))
    with_a_cache = finding(asked([[1000, 100, 100]] * 8, token_ms=[20, 10, 10]))

    assert (slow_at_first.state, slow_at_first.slower) == ("cold", 1.0)
    assert (with_a_cache.state, with_a_cache.slower) == ("mixed", 5.0)


def test_the_first_request_after_the_load_is_no_first_sight() -> None:
    model = asked([[100, 100, 100]] * 3)
    first = model.samples[0].model_copy(update={"position": 0, "chunk_ns": (9_000 * MS, 9_100 * MS), "end_ns": 10**10})

    assert finding(model.model_copy(update={"samples": (first, *model.samples[1:])})).state == "unknown"


def test_a_session_for_each_request_needs_no_look() -> None:
    found = finding(asked([[500, 40, 41]] * 8, "cold", transport="in-process"))

    assert (found.state, found.slower, found.doubt) == ("cold", None, None)


def test_a_cache_is_hardly_ever_seen_where_there_is_none() -> None:
    rng = np.random.default_rng(1)
    runs = 300
    seen = [finding(asked((100 * np.exp(rng.normal(0, 0.3, (16, 3)))).tolist())).state != "cold" for _ in range(runs)]

    assert sum(seen) <= 2 * CHANCE * runs
