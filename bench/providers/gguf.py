"""What a GGUF file says of its model, read from its header alone, with a bound for every length.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The weights are not touched, so that the largest
file takes well below a second, and one that is cut short or hostile gives one error.
"""

import math
import os
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from bench.errors import GgufError
from bench.schema.fields import MOST_EXACT, MOST_TOKENS

HEADER_MOST_BYTES: Final = 64 * 2**20
"""A header with the largest vocabularies there are has some 15 MB."""

VALUES_MOST: Final = 10_000
"""Real files have some 50."""

TEXT_MOST_BYTES: Final = 2**20
"""A longer text than any chat template is passed over."""

DIMENSIONS_MOST: Final = 4
"""As in ggml itself."""

VERSIONS: Final = (2, 3)

_SCALARS: Final = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
"""Type of a value -> how it lies in the file."""

_TEXT: Final = 8
_ARRAY: Final = 9

WEIGHTS: Final = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 40),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
}
"""Type of a tensor -> its name, the weights of a block and the bytes of one."""

FILE_TYPES: Final = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4_MOE",
    39: "NVFP4",
    40: "Q1_0",
}
"""`general.file_type` -> the name by which people know the mix of types."""


@dataclass(frozen=True)
class Gguf:
    """What a GGUF file says of its model, as far as it does.

    `parameters` are the weights of all its tensors, None where the model is split over several files (`parts`).
    `quantisation` is the file's own name for it (`Q4_K_M`), else the type of most weights.
    """

    size_bytes: int
    architecture: str
    name: str | None
    publisher: str | None
    licence: str | None
    parameters: int | None
    quantisation: str | None
    context_length: int | None
    layers: int | None
    parts: int
    has_tokenizer: bool
    has_chat_template: bool


def read_gguf(path: Path) -> Gguf:
    """Return what the header of a GGUF file says. Raises GgufError for no such file, no GGUF, one that is cut short."""
    try:
        with path.open("rb") as file:
            return _read(_Header(path, file))
    except OSError as error:
        raise GgufError(path, f"cannot be read: {error.strerror}") from error


def _read(header: "_Header") -> Gguf:
    if header.take(4) != b"GGUF":
        raise header.wrong("is no GGUF file: it does not begin with 'GGUF'")
    version = header.number("<I")
    if version not in VERSIONS:
        raise header.wrong(
            f"has GGUF version {version:,}; versions {VERSIONS[0]} and {VERSIONS[1]}, little-endian, can be read"
        )
    tensors, values = header.number("<Q"), header.number("<Q")
    if values > VALUES_MOST:
        raise header.wrong(f"has {values:,} values in its header, of {VALUES_MOST:,} at the most: it is damaged")
    said: dict[str, object] = {}
    for _ in range(values):
        key = header.text() or ""
        said[key] = header.value(header.number("<I"))
    weights, weights_bytes = _tensors(header, tensors)
    needed_bytes = header.aligned(said) + weights_bytes
    if header.size_bytes < needed_bytes:
        told = f"it has {header.size_bytes:,} of the {needed_bytes:,} bytes that its header tells of"
        raise header.wrong(f"is cut short: {told}; fetch it again")
    architecture = _text(said.get("general.architecture"))
    if architecture is None:
        raise header.wrong("does not say its architecture (general.architecture)")
    parts = _whole(said.get("split.count"), MOST_EXACT) or 1
    file_type = said.get("general.file_type")
    named = FILE_TYPES.get(file_type) if isinstance(file_type, int) else None
    return Gguf(
        size_bytes=header.size_bytes,
        architecture=architecture,
        name=_text(said.get("general.name")),
        publisher=_text(said.get("general.organization")) or _text(said.get("general.author")),
        licence=_text(said.get("general.license")),
        parameters=_whole(weights.total(), MOST_EXACT) if parts == 1 else None,
        quantisation=named or (weights.most_common(1)[0][0] if weights else None),
        context_length=_whole(said.get(f"{architecture}.context_length"), MOST_TOKENS),
        layers=_whole(said.get(f"{architecture}.block_count"), MOST_EXACT),
        parts=parts,
        has_tokenizer="tokenizer.ggml.tokens" in said,
        has_chat_template=any(_text(value) for key, value in said.items() if key.startswith("tokenizer.chat_template")),
    )


def _tensors(header: "_Header", count: int) -> tuple[Counter[str], int]:
    """Return the weights of each type, and the bytes from the first tensor's place to the last one's end."""
    weights: Counter[str] = Counter()
    end_bytes = 0
    for _ in range(count):
        header.text()
        dimensions = header.number("<I")
        size = math.prod(header.number("<Q") for _ in range(min(dimensions, DIMENSIONS_MOST)))
        kind, offset = header.number("<I"), header.number("<Q")
        if dimensions > DIMENSIONS_MOST or size > MOST_EXACT or offset > MOST_EXACT:
            raise header.wrong("has a tensor beyond all bounds in its header: it is damaged; fetch it again")
        # Of a type that is newer than this table the size is not known, and a cut not seen.
        name, block, block_bytes = WEIGHTS.get(kind, ("unknown", 1, 0))
        weights[name] += size
        end_bytes = max(end_bytes, offset + -(-size // block) * block_bytes)
    return weights, end_bytes


class _Header:
    """A header, read from its beginning to its end; what lies beyond the file or the bound is an error."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._at = 0
        self.size_bytes = os.fstat(file.fileno()).st_size

    def wrong(self, reason: str) -> GgufError:
        return GgufError(self._path, reason)

    def aligned(self, said: dict[str, object]) -> int:
        """Return where the tensors begin, for one who has read all that is before them."""
        alignment = _whole(said.get("general.alignment"), 2**20) or 32
        return -(-self._at // alignment) * alignment

    def take(self, length: int) -> bytes:
        """Return so many bytes; asked for only where they can be there, or a wrong length would take all memory."""
        self._at += length
        if self._at > HEADER_MOST_BYTES and self.size_bytes > HEADER_MOST_BYTES:
            raise self.wrong(f"has a header of more than {HEADER_MOST_BYTES:,} bytes: it is damaged; fetch it again")
        found = self._file.read(length) if self._at <= self.size_bytes else b""
        if len(found) < length:
            raise self.wrong(f"is cut short within its header, at {self.size_bytes:,} bytes; fetch it again")
        return found

    def number(self, form: str) -> int:
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def text(self) -> str | None:
        """Return a text, None for one that is too long to be of use or no UTF-8."""
        found = self.take(self.number("<Q"))
        try:
            return found.decode() if len(found) <= TEXT_MOST_BYTES else None
        except UnicodeDecodeError:
            return None

    def value(self, kind: int) -> object:
        """Return a scalar or a text; what is in an array is passed over."""
        if kind == _TEXT:
            return self.text()
        if kind == _ARRAY:
            inner, count = self.number("<I"), self.number("<Q")
            if inner == _TEXT:
                for _ in range(count):
                    self.take(self.number("<Q"))
            else:
                self.take(count * struct.calcsize(self._form(inner)))
            return ()
        form = self._form(kind)
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def _form(self, kind: int) -> str:
        if kind not in _SCALARS:
            raise self.wrong(f"has a value of the unknown type {kind}: it is damaged, or newer than this program")
        return _SCALARS[kind]


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _whole(value: object, most: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most else None
