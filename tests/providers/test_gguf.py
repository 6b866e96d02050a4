"""What a GGUF file says of its model, and what one that is cut short or hostile gets."""

import struct
from pathlib import Path

import pytest

from bench.errors import GgufError
from bench.providers.gguf import HEADER_MOST_BYTES, Gguf, read_gguf
from tests.gguf_files import CHAT, gguf, text, write_gguf


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(GgufError) as caught:
        read_gguf(path)
    assert str(caught.value) == f"{path}: {caught.value.reason}"
    return caught.value.reason


def test_a_file_says_what_its_model_is(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf")

    assert read_gguf(path) == Gguf(
        size_bytes=path.stat().st_size,
        architecture="llama",
        name="Tiny Chat",
        publisher="The Makers",
        licence="apache-2.0",
        # 64 x 3 of the embedding, 64 of the norm.
        parameters=256,
        quantisation="Q4_1",
        context_length=512,
        layers=2,
        parts=1,
        has_tokenizer=True,
        has_chat_template=True,
    )


def test_what_a_file_does_not_say_is_none(tmp_path: Path) -> None:
    path = tmp_path / "bare.gguf"
    path.write_bytes(gguf({"general.architecture": "llama"}, (), version=2))

    said = read_gguf(path)

    assert (said.name, said.publisher, said.licence, said.context_length, said.layers) == (None,) * 5
    assert (said.parameters, said.quantisation) == (0, None)
    assert (said.has_tokenizer, said.has_chat_template) == (False, False)


def test_a_quantisation_that_is_not_named_is_the_type_of_most_weights(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", drop="general.file_type")

    # 192 weights of Q4_1 against 64 of F32.
    assert read_gguf(path).quantisation == "Q4_1"


def test_one_part_of_a_model_does_not_say_its_parameters(tmp_path: Path) -> None:
    said = read_gguf(write_gguf(tmp_path / "tiny-00001-of-00003.gguf", split__count=3))

    assert (said.parts, said.parameters) == (3, None)


def test_a_file_cut_anywhere_is_told_as_cut_short(tmp_path: Path) -> None:
    whole, path = gguf(), tmp_path / "tiny.gguf"
    # 6 x 20 bytes, filled up to 128, and 64 x 4: the end needs no filling.
    header = len(whole) - 128 - 256

    for end in range(0, header - 31, 7):
        assert refused(path, whole[:end]) == f"is cut short within its header, at {end} bytes; fetch it again"
    for end in (header, len(whole) // 2 + header // 2, len(whole) - 1):
        told = f"it has {end:,} of the {len(whole):,} bytes that its header tells of"
        assert refused(path, whole[:end]) == f"is cut short: {told}; fetch it again"


BEGIN = b"GGUF" + struct.pack("<I", 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\3\4 a zip archive", "is no GGUF file: it does not begin with 'GGUF'"),
        (gguf(version=1), "has GGUF version 1; versions 2 and 3, little-endian, can be read"),
        (
            b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
            "has GGUF version 50,331,648; versions 2 and 3, little-endian, can be read",
        ),
        (
            BEGIN + struct.pack("<QQ", 0, 10_001),
            "has 10,001 values in its header, of 10,000 at the most: it is damaged",
        ),
        (gguf({"general.name": "x"}), "does not say its architecture (general.architecture)"),
        (
            BEGIN + struct.pack("<QQ", 0, 1) + text("a") + struct.pack("<I", 77),
            "has a value of the unknown type 77: it is damaged, or newer than this program",
        ),
        (
            BEGIN + struct.pack("<QQ", 0, 1) + text("a") + struct.pack("<IIQ", 9, 9, 1),
            "has a value of the unknown type 9: it is damaged, or newer than this program",
        ),
        (
            gguf(CHAT, [("w", (2**40, 2**40), 99)]),
            "has a tensor beyond all bounds in its header: it is damaged; fetch it again",
        ),
        (
            BEGIN + struct.pack("<QQ", 1, 0) + text("w") + struct.pack("<I4Q", 2**31, 1, 1, 1, 1) + bytes(12),
            "has a tensor beyond all bounds in its header: it is damaged; fetch it again",
        ),
    ],
)
def test_what_is_no_header_is_told(tmp_path: Path, content: bytes, reason: str) -> None:
    assert refused(tmp_path / "odd.gguf", content) == reason


@pytest.mark.parametrize("length", [2**40, 2**64 - 1])
@pytest.mark.parametrize(
    "before",
    [
        struct.pack("<QQ", 0, 1),
        struct.pack("<QQ", 0, 1) + text("a") + struct.pack("<I", 8),
        struct.pack("<QQ", 0, 1) + text("a") + struct.pack("<II", 9, 8),
        struct.pack("<QQ", 0, 1) + text("a") + struct.pack("<II", 9, 12),
        b"",
    ],
    ids=["key", "text", "texts", "numbers", "tensors"],
)
def test_a_length_beyond_the_file_takes_no_memory(tmp_path: Path, before: bytes, length: int) -> None:
    reason = refused(tmp_path / "odd.gguf", BEGIN + before + struct.pack("<Q", length) + bytes(40))

    assert reason.startswith("is cut short within its header")


def test_a_header_beyond_the_bound_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "odd.gguf"
    with path.open("wb") as file:
        file.write(BEGIN + struct.pack("<QQ", 0, 1) + text("a") + struct.pack("<IQ", 8, HEADER_MOST_BYTES))
        file.truncate(2 * HEADER_MOST_BYTES)

    with pytest.raises(GgufError, match=r"odd\.gguf: has a header of more than 67,108,864 bytes: it is damaged"):
        read_gguf(path)


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(GgufError, match=r"none\.gguf: cannot be read: No such file or directory"):
        read_gguf(tmp_path / "none.gguf")
