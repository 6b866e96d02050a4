"""Samples that come from another process: the same as they were sent, and no larger than they need to be."""

import pickle

import pytest

from bench.runner.measure import MeasuredSample
from bench.schema.sample import Failure, Sample
from tests.builders import sample


def sent(measured: MeasuredSample) -> MeasuredSample:
    received = pickle.loads(pickle.dumps(measured))
    assert isinstance(received, MeasuredSample)
    return received


@pytest.mark.parametrize(
    "measured",
    [
        MeasuredSample(sample(position=3), "a text of its own"),
        MeasuredSample(sample(output=None, end_ns=None, failure=Failure(kind="died", message="it died")), None),
    ],
    ids=["good", "failed"],
)
def test_what_is_received_is_what_was_sent(measured: MeasuredSample) -> None:
    received = sent(measured)

    assert received == measured
    assert received.sample.model_dump_json() == measured.sample.model_dump_json()
    assert received.sample.model_fields_set == set(Sample.model_fields)


def test_samples_of_the_same_text_hold_it_once() -> None:
    first, second = (sent(MeasuredSample(sample(position=place), "the same " * 100)) for place in range(2))

    assert first.text is second.text
    assert first.sample.output is second.sample.output
    assert first.sample.prompt is second.sample.prompt


def test_samples_have_the_names_of_their_fields_once() -> None:
    first, second = (sent(MeasuredSample(sample(position=place), "text")) for place in range(2))

    for one, other in zip(vars(first.sample), vars(second.sample), strict=True):
        assert one is other
