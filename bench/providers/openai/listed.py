"""Which of the models that an endpoint lists a config means: never one whose name only begins alike."""

import difflib
import re
from collections.abc import Callable, Sequence
from typing import Final

from bench.errors import ProviderError

VARIANT: Final = re.compile(
    r"instruct|it|chat|generic|cpu|gpu|npu|cuda|qnn|openvino|vitis|vitisai|tensorrt|trtrtx|webgpu|dml|directml|rocm"
    r"|vulkan|metal|onnx|gguf|mlx|ggml|ud|dynamic|imatrix|awq|gptq|exl2|bnb|nf4|hf|latest"
    r"|i?q\d(_[a-z\d]+)*|tq\d_\d|mxfp4|nvfp4|w\d+a\d+|[234568]bits?|bpw|int[48]|u?int4|b?f(p|loat)?(16|32)|fp8",
    re.IGNORECASE,
)
"""One part of what may follow a model's name in a variant's: how it was tuned to chat, what it runs on, its precision.
Sizes and words such as coder, mini or reasoning make another model."""

SHOWN: Final = 5
"""How many of the listed models a message names."""


def fitting(asked: str, ids: Sequence[str]) -> tuple[str, ...]:
    """Return the listed models that `asked` can mean, at the first degree of likeness at which there are some.

    That is the one of this very name; else those that differ in case; in their publisher or folder; in a version; at
    last, in what VARIANT says.
    """
    for alike in _DEGREES:
        if found := tuple(name for name in dict.fromkeys(ids) if alike(asked, name)):
            return found
    return ()


def resolved(asked: str, ids: Sequence[str], where: str, *, unlisted: bool) -> str:
    """Return the only listed model that `asked` can mean.

    Where the endpoint lists nothing, or `unlisted` lets a name pass that is not in the list, it is `asked` itself.
    Raises ProviderError of kind 'not-found' where several fit as well, or none does.
    """
    found = fitting(asked, ids)
    if len(found) > 1:
        several = f"{where} lists several variants of {asked!r}: {', '.join(found)}"
        raise ProviderError("not-found", f"{several}; set model to one of them")
    if found:
        return found[0]
    if not ids or unlisted:
        return asked
    advice = "set model to one of them, or unlisted: true if it takes other names as well"
    raise ProviderError("not-found", f"{where} lists no model {asked!r}; it has {_nearest(asked, ids)}; {advice}")


def _same(asked: str, name: str) -> bool:
    return asked == name


def _same_letters(asked: str, name: str) -> bool:
    return asked.casefold() == name.casefold()


def _same_but_publisher(asked: str, name: str) -> bool:
    """Return whether one of the two has the publisher or folder that the other leaves out."""
    one, other = asked.casefold(), name.casefold()
    return _bare(other) == one or _bare(one) == other


def _same_but_version(asked: str, name: str) -> bool:
    rest = _rest(asked, name)
    return rest is not None and re.fullmatch(r":(latest|\d+)", rest) is not None


def _variant(asked: str, name: str) -> bool:
    rest = _rest(asked, name)
    if rest is None or rest[:1] not in ("-", ":", "_", ".", "@"):
        return False
    described = re.sub(r":\d+$", "", rest)[1:]
    return all(VARIANT.fullmatch(part) for part in re.split(r"[-:.@]", described))


def _rest(asked: str, name: str) -> str | None:
    """Return what a listed name has after the one that was asked for, a publisher of only one aside; None: another."""
    one, other = asked.casefold(), name.casefold()
    for wanted, listed in ((one, other), (one, _bare(other)), (_bare(one), other)):
        if listed.startswith(wanted) and listed != wanted:
            return listed[len(wanted) :]
    return None


def _bare(name: str) -> str:
    return re.sub(r".*[/\\]", "", name)


_DEGREES: Final[tuple[Callable[[str, str], bool], ...]] = (
    _same,
    _same_letters,
    _same_but_publisher,
    _same_but_version,
    _variant,
)


def _nearest(asked: str, ids: Sequence[str]) -> str:
    """Return listed names for a message, the nearest first, and how many more there are."""

    def distance(name: str) -> float:
        return -difflib.SequenceMatcher(None, asked.casefold(), name.casefold()).ratio()

    near = sorted(dict.fromkeys(ids), key=distance)
    more = f" and {len(near) - SHOWN} more" if len(near) > SHOWN else ""
    return ", ".join(near[:SHOWN]) + more
