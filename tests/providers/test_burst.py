"""Pieces that a runtime in this process handed over in one go."""

from bench.providers.foundry import TOGETHER_NS, in_one_go
from bench.providers.protocol import Arrived


def test_pieces_that_wait_for_each_other_share_the_first_one_s_time() -> None:
    # The first three waited for the runtime's thread; the fourth came by itself, and the fifth with it.
    items = [Arrived(1_000_000, "a"), Arrived(1_001_000, "b"), Arrived(1_019_000, "c")]
    items += [Arrived(1_119_000, "d"), Arrived(1_121_000, "e")]

    events = list(in_one_go(items))

    assert events == [Arrived(1_000_000, ("a", "b", "c")), Arrived(1_119_000, ("d", "e"))]


def test_pieces_that_came_apart_stay_apart() -> None:
    items = [Arrived(0, "a"), Arrived(TOGETHER_NS, "b"), Arrived(2 * TOGETHER_NS, "c")]

    assert list(in_one_go(items)) == [
        Arrived(0, ("a",)),
        Arrived(TOGETHER_NS, ("b",)),
        Arrived(2 * TOGETHER_NS, ("c",)),
    ]


def test_an_answer_without_pieces_has_no_events() -> None:
    assert list(in_one_go([])) == []
