"""Leaderboards that admit ties."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from bench.analysis.ranking import Ranked, ranks
from bench.schema.model_run import ModelRun
from bench.schema.result import Grade, Result
from tests import builders
from tests.builders import MILLISECOND_NS as MS
from tests.builders import failed_model, grade, model_run, prompt, result, sample, samples

PROMPTS = tuple(f"p{number:02}" for number in range(12))


def timed(name: str, level_s: float, noise: float, seed: int, rounds: int = 5, **fields: Any) -> ModelRun:
    """Return a model whose latencies vary log-normally about a level, longer from prompt to prompt."""
    rng = np.random.default_rng(seed)
    asked = [
        samples(level_s * (1 + place / 10) * np.exp(rng.normal(0, noise, rounds)), prompt=of_prompt)
        for place, of_prompt in enumerate(PROMPTS)
    ]
    return model_run(name=name, samples=tuple(one for some in asked for one in some), **fields)


def places(ranked: Sequence[Ranked]) -> list[tuple[str, int | None, int | None, tuple[str, ...]]]:
    return [(one.model, one.rank, one.last, one.tied_with) for one in ranked]


def test_models_that_differ_have_ranks_of_their_own() -> None:
    run = result([timed("slow", 2.0, 0.02, 1), timed("fast", 1.0, 0.02, 2), timed("middle", 1.5, 0.02, 3)])

    assert places(ranks([run], "e2e_s", seed=1)) == [("fast", 1, 1, ()), ("middle", 2, 2, ()), ("slow", 3, 3, ())]
    assert [one.model for one in ranks([run], "decode_tokens_per_s", seed=1)] == ["fast", "middle", "slow"]


def test_models_within_the_floor_share_a_rank_however_well_they_are_known() -> None:
    run = result([timed("a", 1.0, 0.001, 1), timed("b", 1.03, 0.001, 2), timed("c", 1.2, 0.001, 3)])

    assert places(ranks([run], "e2e_s", seed=1)) == [("a", 1, 2, ("b",)), ("b", 1, 2, ("a",)), ("c", 3, 3, ())]
    assert [one.rank for one in ranks([run], "e2e_s", seed=1, floor=0.01)] == [1, 2, 3]


def test_models_that_nobody_can_tell_apart_share_a_rank() -> None:
    run = result([timed("a", 1.0, 0.6, 1, rounds=2), timed("b", 1.1, 0.6, 2, rounds=2)])

    assert {one.rank for one in ranks([run], "e2e_s", seed=1)} == {1}
    assert {one.last for one in ranks([run], "e2e_s", seed=1)} == {2}


def test_a_noisy_model_may_have_a_better_rank_than_a_steady_one_before_it() -> None:
    # A is really better than B; nobody knows of C, whose median lies behind both.
    run = result([timed("A", 1.0, 0.005, 1), timed("B", 1.1, 0.005, 2), timed("C", 1.15, 0.9, 6, rounds=3)])
    found = ranks([run], "e2e_s", seed=1)

    assert places(found) == [("A", 1, 2, ("C",)), ("C", 1, 3, ("A", "B")), ("B", 2, 3, ("C",))]
    values = {one.model: one.estimate.value or 0.0 for one in found}
    assert values["A"] < values["B"] < values["C"]


def test_alike_models_are_told_apart_in_few_leaderboards() -> None:
    # Ten equal models, 45 pairs: each pair by itself at 95% would part some in almost every leaderboard.
    apart = 0
    for repeat in range(12):
        models = [timed(f"m{number}", 1.0, 0.3, 100 * repeat + number, rounds=1) for number in range(10)]
        apart += any(one.last != 10 or one.rank != 1 for one in ranks([result(models)], "e2e_s", seed=repeat))

    assert apart <= 1


def test_models_are_compared_on_the_prompts_that_both_answered() -> None:
    # B is as fast as A, and has no answer to the six prompts that take longest: its median is lower for that alone.
    whole = timed("A", 1.0, 0.01, 1)
    half = timed("B", 1.0, 0.01, 2)
    some = tuple(one for one in half.samples if one.prompt in PROMPTS[:6])
    run = result([whole, half.model_copy(update={"samples": some})], prompts=[prompt(id=name) for name in PROMPTS])
    found = ranks([run], "e2e_s", seed=1)

    assert [one.model for one in found] == ["B", "A"]
    assert [one.rank for one in found] == [1, 1]


def test_models_that_differ_one_way_by_prompt_and_the_other_way_over_all_are_tied() -> None:
    # B takes longer for ten of twelve prompts, and a little less for the two in whose middle the median lies.
    levels = {
        "A": [100] * 5 + [1000, 1010] + [1020] * 5,
        "B": [180] * 5 + [960, 970] + [1640] * 5,
    }
    models = [
        model_run(
            name=name,
            samples=tuple(
                sample(prompt=one, round=number, chunk_ns=(level * MS,))
                for number in range(1, 4)
                for one, level in zip(PROMPTS, of_model, strict=True)
            ),
        )
        for name, of_model in levels.items()
    ]

    assert places(ranks([result(models)], "ttft_s", seed=1)) == [("B", 1, 2, ("A",)), ("A", 1, 2, ("B",))]


def scored(name: str, earned: Sequence[float]) -> tuple[ModelRun, list[Grade]]:
    answers = [f"{name}-{of_prompt}" for of_prompt in PROMPTS]
    model = model_run(
        name=name,
        samples=tuple(sample(prompt=one, output=text) for one, text in zip(PROMPTS, answers, strict=True)),
    )
    grades = [
        grade({"f1": credit}, prompt=one, output=text)
        for one, text, credit in zip(PROMPTS, answers, earned, strict=True)
    ]
    return model, grades


def test_scores_have_a_floor_in_points() -> None:
    # Credits of 0.5 and 0.52 for each prompt: scores of 3 and 3.08.
    low, high, best = scored("low", [0.5] * 12), scored("high", [0.52] * 12), scored("best", [0.6] * 12)
    run = result([low[0], high[0], best[0]], grades=(*low[1], *high[1], *best[1]))

    assert places(ranks([run], "score", seed=1)) == [
        ("best", 1, 1, ()),
        ("high", 2, 3, ("low",)),
        ("low", 2, 3, ("high",)),
    ]
    assert [one.rank for one in ranks([run], "score", seed=1, score_floor=0.05)] == [1, 2, 3]


def test_what_is_read_once_is_told_apart_by_the_floor_alone() -> None:
    sizes = {"a": 100, "b": 104, "c": 107}
    run = result([model_run(name=name, memory_peak_bytes=size) for name, size in sizes.items()])

    assert places(ranks([run], "memory_peak_bytes", seed=1)) == [
        ("a", 1, 2, ("b",)),
        ("b", 1, 3, ("a", "c")),
        ("c", 2, 3, ("b",)),
    ]


def test_without_repetition_models_are_tied_and_it_says_why() -> None:
    run = result([model_run(name="a", cold_load_ns=40 * MS), model_run(name="b", cold_load_ns=90 * MS)])
    found = ranks([run], "cold_load_s", seed=1)

    assert [(one.rank, one.last) for one in found] == [(1, 2), (1, 2)]
    assert {one.why for one in found} == {"1 and 1 loads; an interval needs 5 on each side"}


def test_models_without_a_value_come_last_and_have_no_rank() -> None:
    skipped = failed_model(name="absent", skipped="no GPU on this machine")
    run = result([failed_model(name="broken"), skipped, model_run(name="whole")])
    found = ranks([run], "e2e_s", seed=1)

    assert [(one.model, one.rank, one.last, one.why) for one in found] == [
        ("whole", 1, 1, None),
        ("broken", None, None, "no good sample"),
        ("absent", None, None, "no GPU on this machine"),
    ]


def test_models_of_several_runs_are_ranked_together() -> None:
    runs = [result([timed("a", 2.0, 0.01, 1)]), result([timed("b", 1.0, 0.01, 2)])]

    assert [one.model for one in ranks(runs, "e2e_s", seed=1)] == ["b", "a"]
    assert ranks([], "e2e_s", seed=1) == ()


def test_what_cannot_be_ranked_together_is_refused() -> None:
    other = result([model_run(name="b")], prompt_set=builders.prompt_set(sha256="6" * 64))

    with pytest.raises(ValueError, match=r"^models that answered different prompt sets have no ranks$"):
        ranks([result(), other], "e2e_s", seed=1)
    with pytest.raises(ValueError, match=r"^model 'tiny' is there twice$"):
        ranks([result(), result()], "e2e_s", seed=1)
    with pytest.raises(KeyError):
        ranks([result()], "speed", seed=1)


def test_the_seed_fixes_the_ranks() -> None:
    run: Result = result([timed(f"m{number}", 1 + number / 20, 0.1, number) for number in range(4)])

    assert ranks([run], "e2e_s", seed=1) == ranks([run], "e2e_s", seed=1)


def counted(name: str, level_s: float, cached: int, seed: int, **fields: Any) -> ModelRun:
    """Return such a model whose runtime says how many of the 10 tokens of each prompt came out of its cache."""
    made = timed(name, level_s, 0.02, seed, provider="openai", transport="direct", **fields)
    told = {"prompt_tokens": 10, "cached_prompt_tokens": cached}
    return made.model_copy(update={"samples": tuple(one.model_copy(update=told) for one in made.samples)})


def test_a_cold_and_a_warm_ttft_are_not_ranked_together() -> None:
    run = result(
        [
            counted("cold", 2.0, 0, 1, prompt_cache="cold"),
            counted("colder", 4.0, 0, 2, prompt_cache="cold"),
            counted("warm", 0.1, 9, 3, prompt_cache="warm"),
            counted("left", 0.2, 9, 4, prompt_cache="as-is"),
        ]
    )

    found = {one.model: (one.rank, one.why) for one in ranks([run], "ttft_s", seed=1)}

    assert found == {
        "cold": (1, None),
        "colder": (2, None),
        "warm": (None, "its prompts came out of a prompt cache, and those of the others were read"),
        "left": (None, "the prompts came out of the runtime’s prompt cache, as it counts"),
    }
    # What a cache does not make shorter alone is ranked as ever.
    assert None not in {one.rank for one in ranks([run], "decode_tokens_per_s", seed=1)}


def test_warm_ones_among_themselves_have_ranks() -> None:
    run = result([counted(name, level_s, 9, 1, prompt_cache="warm") for name, level_s in (("a", 0.1), ("b", 0.2))])

    assert [(one.model, one.rank) for one in ranks([run], "ttft_s", seed=1)] == [("a", 1), ("b", 2)]
