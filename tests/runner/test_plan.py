"""The order of requests."""

from bench.runner.plan import plan
from tests.builders import prompt

PROMPTS = tuple(prompt(id=name) for name in "abcd")


def test_each_round_asks_each_prompt_once_in_an_order_of_its_own() -> None:
    steps = plan(PROMPTS, rounds=3, warmup=0, seed=42)

    orders = [[step.prompt.id for step in steps if step.round == number] for number in (1, 2, 3)]
    assert [sorted(order) for order in orders] == [["a", "b", "c", "d"]] * 3
    assert len({tuple(order) for order in orders}) > 1
    assert [step.position for step in steps] == list(range(12))
    assert [step.round for step in steps] == [1] * 4 + [2] * 4 + [3] * 4


def test_warm_up_comes_first_as_round_nought() -> None:
    steps = plan(PROMPTS, rounds=1, warmup=5, seed=42)

    assert [(step.round, step.prompt.id) for step in steps[:5]] == [(0, name) for name in "abcda"]
    assert all(step.round == 1 for step in steps[5:])


def test_the_order_hangs_on_the_seed_alone() -> None:
    first = plan(PROMPTS, rounds=5, warmup=1, seed=1)

    assert first == plan(PROMPTS, rounds=5, warmup=1, seed=1)
    assert first != plan(PROMPTS, rounds=5, warmup=1, seed=2)
