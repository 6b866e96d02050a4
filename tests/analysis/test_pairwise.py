"""Two sides that took turns, worked out by hand."""

from collections.abc import Mapping, Sequence
from math import exp, log, sqrt

import numpy as np
import pytest

from bench.analysis.pairwise import Crossed, Paired, crossed, paired
from bench.schema.model_run import ModelRun
from bench.stats.equivalence import More
from tests.builders import failed_sample, model_run, samples


def side(latencies_s: Mapping[str, Sequence[float]]) -> ModelRun:
    """Return a side of a session whose prompts took so long, block by block."""
    asked = [samples(latencies, prompt=name) for name, latencies in latencies_s.items()]
    return model_run(samples=tuple(one for some in asked for one in some))


def scaled(factors: Sequence[Sequence[float]]) -> ModelRun:
    """Return a side in which prompt p0 takes 1 s, p1 2 s and so on, each times its factor; a row is a block."""
    columns = list(zip(*factors, strict=True))
    return side({f"p{place}": [(place + 1) * factor for factor in column] for place, column in enumerate(columns)})


def plain(blocks: int, prompts: int) -> ModelRun:
    return scaled([[1.0] * prompts] * blocks)


def test_a_table_by_hand() -> None:
    # Rows with means of 1, 2 and 3, no prompt unlike another: a variance of 1 among three rows. Student's t of 2
    # degrees is 4.3027.
    found = crossed(np.array([[1.0] * 5, [2.0] * 5, [3.0] * 5]))

    half = 4.30265 * sqrt(1 / 3)
    assert isinstance(found, Crossed)
    assert (found.value, found.about, found.why) == (2, "prompts like these", None)
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half), rel=1e-5)
    assert (found.rows, found.reach) == pytest.approx((1 / 3, 4.30265), rel=1e-5)


def test_rows_and_columns_that_differ_add_up() -> None:
    # Rows are 0, 1, 2 and columns 0 to 4 on top: variances of 1 / 3 and 2.5 / 5, and nothing is left over.
    found = crossed(np.array([[row + column for column in range(5)] for row in range(3)], dtype=np.float64))

    assert isinstance(found, Crossed)
    assert found.high - found.value == pytest.approx(sqrt(4.30265**2 / 3 + 2.77645**2 / 2), rel=1e-5)


def test_few_prompts_stand_for_themselves() -> None:
    found = crossed(np.array([[row + 9.0 * column for column in range(4)] for row in range(3)]))

    assert isinstance(found, Crossed)
    assert (found.about, found.why) == ("these prompts", "4 prompts; prompts like these need 5")
    assert found.high - found.value == pytest.approx(4.30265 * sqrt(1 / 3), rel=1e-5)


def test_two_pairs_have_no_interval() -> None:
    assert crossed(np.zeros((2, 9))) == "2 pairs of blocks; an interval needs 3"
    assert crossed(np.zeros((1, 9))) == "1 pair of blocks; an interval needs 3"


def test_b_takes_a_tenth_longer() -> None:
    found = paired(plain(4, 6), scaled([[1.1] * 6] * 4), "e2e_s")

    assert found.ratio.value == pytest.approx(1.1)
    assert found.ratio.interval is not None
    assert (found.ratio.interval.low, found.ratio.interval.high) == pytest.approx((1.1, 1.1))
    assert (found.verdict, found.pairs, found.prompts) == ("worse", 4, ("p0", "p1", "p2", "p3", "p4", "p5"))
    assert (found.above, found.below) == (6, 0)
    assert (found.left_out, found.more) == ((), None)


def test_a_machine_that_slows_down_does_so_for_both() -> None:
    # Each block takes twice as long as the one before, on both sides.
    drift = [[2.0**block] * 5 for block in range(4)]
    quicker = [[0.8 * factor for factor in row] for row in drift]
    found = paired(scaled(drift), scaled(quicker), "e2e_s")

    assert found.ratio.value == pytest.approx(0.8)
    assert found.verdict == "better"
    assert paired(scaled(drift), scaled(drift), "e2e_s").verdict == "same"


def test_more_is_better_for_a_speed() -> None:
    # The tokens come in the second half of a request.
    assert paired(plain(3, 5), scaled([[0.5] * 5] * 3), "decode_tokens_per_s").verdict == "better"


def test_pairs_that_disagree_leave_it_open_and_say_how_many_more_would_do() -> None:
    # The ratios of the pairs are 1.2, 1.0 and 1.2.
    found = paired(plain(3, 5), scaled([[1.2] * 5, [1.0] * 5, [1.2] * 5]), "e2e_s")

    logs = np.log([1.2, 1.0, 1.2])
    assert found.verdict == "unresolved"
    assert found.ratio.value == pytest.approx(exp(logs.mean()))
    # Half the interval is 4.3027 standard errors, and must become the change itself.
    needed = (4.30265 * logs.std(ddof=1) / logs.mean()) ** 2
    assert found.more == More(int(np.ceil(needed)) - 3, None)


def test_with_two_pairs_there_is_a_ratio_and_no_verdict() -> None:
    found = paired(plain(2, 5), scaled([[1.5] * 5] * 2), "e2e_s")

    why = "2 pairs of blocks; an interval needs 3"
    assert found.ratio.value == pytest.approx(1.5)
    assert (found.ratio.interval, found.verdict, found.why, found.more) == (None, "unresolved", why, More(None, why))


def test_a_prompt_that_failed_in_a_block_is_left_out() -> None:
    a, b = plain(3, 3), plain(3, 3)
    failed = tuple(
        failed_sample(prompt="p1", round=2) if (one.prompt, one.round) == ("p1", 2) else one for one in b.samples
    )
    found = paired(a, b.model_copy(update={"samples": failed}), "e2e_s")

    assert (found.prompts, found.left_out, found.pairs) == (("p0", "p2"), ("p1",), 3)


def test_a_block_that_one_side_never_had_is_no_pair() -> None:
    found = paired(plain(4, 5), plain(3, 5), "e2e_s")

    assert (found.pairs, found.left_out, found.verdict) == (3, (), "same")


def test_nothing_on_one_side_leaves_nothing_to_say() -> None:
    nothing = model_run(samples=())

    assert paired(plain(3, 2), nothing, "e2e_s") == Paired(
        metric_id="e2e_s",
        ratio=paired(nothing, nothing, "e2e_s").ratio,
        pairs=0,
        prompts=(),
        left_out=("p0", "p1"),
        above=0,
        below=0,
        verdict="missing",
        why="no prompt has a value on both sides",
        more=None,
    )


def test_a_metric_that_samples_do_not_have_is_refused() -> None:
    with pytest.raises(KeyError):
        paired(plain(3, 2), plain(3, 2), "score")


@pytest.mark.parametrize(("pairs", "prompts"), [(3, 14), (5, 5), (10, 14)])
@pytest.mark.parametrize(("by_pair", "by_prompt"), [(0.0, 0.0), (0.03, 0.0), (0.03, 0.05)])
def test_the_interval_holds_the_truth(pairs: int, prompts: int, by_pair: float, by_prompt: float) -> None:
    rng = np.random.default_rng(20260105)
    held = 0
    for _ in range(2_000):
        table = (
            log(1.1)
            + rng.normal(0, by_pair, (pairs, 1))
            + rng.normal(0, by_prompt, prompts)
            + rng.normal(0, 0.05, (pairs, prompts))
        )
        found = crossed(table)
        assert isinstance(found, Crossed)
        held += found.low <= log(1.1) <= found.high

    assert 0.94 <= held / 2_000 <= 0.985
