"""A server's own view of its time beside ours."""

import pytest

from bench.analysis.cross_check import cross_checks
from bench.schema.sample import ServerTimings
from tests.builders import MILLISECOND_NS as MS
from tests.builders import model_run, sample


def timings(prompt_ms: int | None, output_ms: int | None) -> ServerTimings:
    return ServerTimings(
        prompt_tokens=8,
        prompt_ns=None if prompt_ms is None else prompt_ms * MS,
        output_tokens=11,
        output_ns=None if output_ms is None else output_ms * MS,
    )


def test_both_views_of_prompt_and_answer() -> None:
    # Ours: TTFT of 100 ms, then 200 ms to the last chunk.
    chunks = {"chunk_ns": (100 * MS, 200 * MS, 300 * MS), "end_ns": 300 * MS}
    model = model_run(
        samples=tuple(
            sample(round=number, position=number, server=timings(prompt, 196), **chunks)
            for number, prompt in enumerate((50, 80, 90), start=1)
        )
    )

    prompt, answer = cross_checks(model)

    assert (prompt.part, prompt.ours_s, prompt.theirs_s, prompt.samples) == ("prompt", 0.1, 0.08, 3)
    assert prompt.apart == pytest.approx(0.25)
    assert prompt.differs
    assert (answer.part, answer.ours_s, answer.theirs_s) == ("answer", 0.2, 0.196)
    assert answer.apart == pytest.approx(0.0204, abs=1e-4)
    assert not answer.differs


def test_what_a_server_does_not_time_is_left_out() -> None:
    whole = sample(server=timings(50, None), chunk_ns=(100 * MS,), end_ns=100 * MS)

    assert [one.part for one in cross_checks(model_run(samples=(whole,)))] == ["prompt"]
    assert cross_checks(model_run()) == ()
