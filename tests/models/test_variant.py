"""Which variants are meant by a name, a filter or a device."""

import pytest

from bench.errors import UsageError
from bench.models.variant import Variant, Wanted, named, one_of

CPU = Variant(
    "phi-4-mini", "Phi-4-mini-generic-cpu:5", device="CPU", licence="MIT", task="chat-completion", size_bytes=4_000
)
GPU = Variant("phi-4-mini", "Phi-4-mini-cuda-gpu:5", device="GPU", licence="MIT", size_bytes=3_000, chosen=True)
QWEN = Variant("qwen2.5-0.5b", "qwen2.5-0.5b-generic-cpu:4", title="Qwen 2.5", device="CPU", licence="apache-2.0")
ALL = (GPU, CPU, QWEN)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), ALL),
        (Wanted(text="QWEN 2"), (QWEN,)),
        (Wanted(text="cuda"), (GPU,)),
        (Wanted(device="cpu"), (CPU, QWEN)),
        (Wanted(licence="mit"), (GPU, CPU)),
        (Wanted(task="chat"), (CPU,)),
        (Wanted(max_size_bytes=3_000), (GPU,)),
        (Wanted(device="cpu", licence="apache"), (QWEN,)),
    ],
)
def test_a_filter_finds_what_fits_and_a_size_that_is_not_known_fits_no_limit(
    wanted: Wanted, found: tuple[Variant, ...]
) -> None:
    assert tuple(one for one in ALL if wanted.fits(one)) == found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("phi-4-mini", (GPU, CPU)),
        ("Phi-4-Mini", (GPU, CPU)),
        ("Phi-4-mini-generic-cpu:5", (CPU,)),
        ("phi-4-mini-GENERIC-cpu:5", (CPU,)),
    ],
)
def test_a_name_is_an_alias_or_an_id(name: str, found: tuple[Variant, ...]) -> None:
    assert named(ALL, name, "the catalogue") == found


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("qwen2.5", "the catalogue has no model 'qwen2.5'; nearest: qwen2.5-0.5b"),
        ("fi-4-mini", "the catalogue has no model 'fi-4-mini'; nearest: phi-4-mini"),
        ("cuda-gpu", "the catalogue has no model 'cuda-gpu'; nearest: Phi-4-mini-cuda-gpu:5"),
        ("llama", "the catalogue has no model 'llama'"),
    ],
)
def test_an_unknown_name_gets_the_nearest_ones(name: str, message: str) -> None:
    with pytest.raises(UsageError) as unknown:
        named(ALL, name, "the catalogue")

    assert str(unknown.value) == message


def test_an_alias_stands_for_the_chosen_variant_or_that_of_a_device() -> None:
    assert one_of((CPU, GPU), None, "phi-4-mini") == GPU
    assert one_of((GPU, CPU), "cpu", "phi-4-mini") == CPU
    with pytest.raises(UsageError) as missing:
        one_of((GPU, CPU), "npu", "phi-4-mini")
    assert str(missing.value) == "phi-4-mini has no variant for the NPU of this machine; it has CPU, GPU"
