"""May a model of this licence be used in a product? A first answer from a literal table, not legal advice."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from license_expression import ExpressionError, LicenseSymbol, LicenseWithExceptionSymbol, get_spdx_licensing

LicenceClass = Literal["yes", "conditions", "no", "unknown"]

LONGEST_NAME = 200
"""Characters beyond which a licence is a text and not a name."""

_NOTICE = "permissive: keep the copyright notice"
_ATTRIBUTION = "permissive: name the author"
_PUBLIC_DOMAIN = "no conditions"
_COPYLEFT = "copyleft: what is built from it must be passed on under the same licence, with its sources"
_WEAK_COPYLEFT = "weak copyleft: changed parts must be passed on under the same licence, with their sources"
_NETWORK_COPYLEFT = "network copyleft: applies to users of a service as well"
_SHARE_ALIKE = "share alike: changed versions must be passed on under the same licence"
_NO_DERIVATIVES = "changed versions, quantised ones perhaps among them, must not be passed on"
_NON_COMMERCIAL = "commercial use is not allowed"
_USE_RESTRICTIONS = "lists uses that are forbidden, and the list must be passed on"

SPDX: dict[str, tuple[LicenceClass, str]] = {
    "0BSD": ("yes", _PUBLIC_DOMAIN),
    "AFL-3.0": ("yes", _NOTICE),
    "AGPL-3.0-only": ("conditions", _NETWORK_COPYLEFT),
    "AGPL-3.0-or-later": ("conditions", _NETWORK_COPYLEFT),
    "Apache-2.0": ("yes", _NOTICE),
    "Artistic-2.0": ("conditions", "changed versions must be marked or renamed"),
    "BSD-2-Clause": ("yes", _NOTICE),
    "BSD-3-Clause": ("yes", _NOTICE),
    "BSD-3-Clause-Clear": ("yes", _NOTICE),
    "BSL-1.0": ("yes", _NOTICE),
    "BUSL-1.1": ("conditions", "use in production only as far as its grant says"),
    "CC-BY-3.0": ("yes", _ATTRIBUTION),
    "CC-BY-4.0": ("yes", _ATTRIBUTION),
    "CC-BY-NC-2.0": ("no", _NON_COMMERCIAL),
    "CC-BY-NC-3.0": ("no", _NON_COMMERCIAL),
    "CC-BY-NC-4.0": ("no", _NON_COMMERCIAL),
    "CC-BY-NC-ND-3.0": ("no", _NON_COMMERCIAL),
    "CC-BY-NC-ND-4.0": ("no", _NON_COMMERCIAL),
    "CC-BY-NC-SA-2.0": ("no", _NON_COMMERCIAL),
    "CC-BY-NC-SA-3.0": ("no", _NON_COMMERCIAL),
    "CC-BY-NC-SA-4.0": ("no", _NON_COMMERCIAL),
    "CC-BY-ND-4.0": ("conditions", _NO_DERIVATIVES),
    "CC-BY-SA-3.0": ("conditions", _SHARE_ALIKE),
    "CC-BY-SA-4.0": ("conditions", _SHARE_ALIKE),
    "CC0-1.0": ("yes", _PUBLIC_DOMAIN),
    "CDLA-Permissive-1.0": ("yes", _ATTRIBUTION),
    "CDLA-Permissive-2.0": ("yes", _NOTICE),
    "ECL-2.0": ("yes", _NOTICE),
    "EPL-2.0": ("conditions", _WEAK_COPYLEFT),
    "EUPL-1.2": ("conditions", _COPYLEFT),
    "GPL-2.0-only": ("conditions", _COPYLEFT),
    "GPL-2.0-or-later": ("conditions", _COPYLEFT),
    "GPL-3.0-only": ("conditions", _COPYLEFT),
    "GPL-3.0-or-later": ("conditions", _COPYLEFT),
    "ISC": ("yes", _NOTICE),
    "LGPL-2.1-only": ("conditions", _WEAK_COPYLEFT),
    "LGPL-2.1-or-later": ("conditions", _WEAK_COPYLEFT),
    "LGPL-3.0-only": ("conditions", _WEAK_COPYLEFT),
    "LGPL-3.0-or-later": ("conditions", _WEAK_COPYLEFT),
    "MIT": ("yes", _NOTICE),
    "MIT-0": ("yes", _PUBLIC_DOMAIN),
    "MPL-2.0": ("conditions", _WEAK_COPYLEFT),
    "MS-PL": ("yes", _NOTICE),
    "ODC-By-1.0": ("yes", _ATTRIBUTION),
    "Unlicense": ("yes", _PUBLIC_DOMAIN),
    "WTFPL": ("yes", _PUBLIC_DOMAIN),
    "Zlib": ("yes", _NOTICE),
}
"""SPDX identifier -> whether commercial use is allowed, and the reason or the condition."""

NAMES: tuple[tuple[str, LicenceClass, str], ...] = (
    (r"apache(-?2)?", "yes", _NOTICE),
    (r"(new-|modified-|simplified-)?bsd(-family)?", "yes", _NOTICE),
    (r"openmdw(-1\.0)?", "yes", _NOTICE),
    (r"gpl|gnu-gpl.*|gnu-general-public.*", "conditions", _COPYLEFT),
    (r"(tongyi-)?(qwen|qianwen).*-research.*", "no", "research only: commercial use needs a licence of its own"),
    (
        r"(mistral.*|mrl|mnpl).*(research|non-production).*|mrl|mnpl",
        "no",
        "research only: commercial use needs another",
    ),
    (r"(microsoft|ms|msr)-research.*|msr-la.*", "no", "research only"),
    (r"(.*-)?(nc|non-?commercial|research-only)(-.*)?", "no", _NON_COMMERCIAL),
    (r"gemma.*", "conditions", f"Gemma terms of use: {_USE_RESTRICTIONS}"),
    (
        r"(meta-)?llama-?[234].*",
        "conditions",
        "Llama community licence: up to 700 million monthly users, forbidden uses, and 'Built with Llama' or the like",
    ),
    (
        r"(tongyi-)?(qwen|qianwen).*",
        "conditions",
        "Qwen licence: up to 100 million monthly users, and 'Built with Qwen' for models made with it",
    ),
    (r"deepseek.*", "conditions", f"DeepSeek model licence: {_USE_RESTRICTIONS}"),
    (r"(.*-)?openrail.*|.*bloom-rail.*", "conditions", f"responsible AI licence: {_USE_RESTRICTIONS}"),
    (r"stability(-?ai)?(-ai)?-community.*", "conditions", "free up to 1 million dollars of revenue a year"),
    (r"falcon.*", "conditions", f"Falcon licence: {_USE_RESTRICTIONS}"),
)
"""Names that publishers write instead of an SPDX identifier, as patterns of the whole name; the first that fits counts.

Names are compared in lower case, words joined by '-', without 'the', 'license', 'agreement' and 'version'.
"""

_FROM_WORST = ("no", "unknown", "conditions", "yes")
_FILLER = frozenset({"the", "license", "licence", "agreement", "version", "licenseref", "scancode"})
_LICENSING = get_spdx_licensing()


@dataclass(frozen=True)
class Licence:
    """Whether commercial use is allowed: 'yes', under 'conditions', 'no', or 'unknown'; and why, in one line.

    `why` may repeat the name that the publisher gave, unescaped.
    """

    use: LicenceClass
    why: str


@lru_cache(maxsize=1024)
def commercial_use(licence: str | None) -> Licence:
    """Return whether a licence allows commercial use: an SPDX expression, or a name as publishers write it.

    Of alternatives (OR) the best counts, of licences that apply together (AND) the worst; an exception (WITH) that SPDX
    knows only adds permissions. What the tables do not have is 'unknown', never a guess. This is a hint for a first
    look: read the licence before you ship.
    """
    if licence is None or not licence.strip():
        return Licence("unknown", "no licence is recorded")
    name = " ".join(licence.split())
    if len(name) > LONGEST_NAME:
        return Licence("unknown", "the licence is given as a text, not as a name: read it")
    expression = _parsed(name)
    if expression is not None and not isinstance(expression, LicenseSymbol):
        return _rated(expression)
    return _by_name(name)


def _by_name(name: str) -> Licence:
    words = re.sub(r"[^a-z0-9.]+", "-", name.casefold()).strip("-.").split("-")
    short = "-".join(word for word in words if word not in _FILLER)
    for candidate in (name, short):
        symbol = _parsed(candidate)
        if isinstance(symbol, LicenseSymbol) and symbol.key in SPDX:
            return Licence(*SPDX[symbol.key])
    for pattern, licence_class, why in NAMES:
        if re.fullmatch(pattern, short):
            return Licence(licence_class, why)
    return Licence("unknown", f"{name!r} is not in the table of licences: read it")


def _parsed(name: str) -> Any:
    # The library has no types: an expression is a symbol, a symbol with an exception, or an OR or AND of expressions.
    try:
        return _LICENSING.parse(name)
    except (ExpressionError, AssertionError, IndexError):
        # The library lets the last two through for misplaced brackets.
        return None


def _rated(expression: Any) -> Licence:
    if isinstance(expression, LicenseWithExceptionSymbol):
        if expression.exception_symbol.is_exception:
            return _by_name(expression.license_symbol.key)
        # A clause that is no SPDX exception may take permissions away, as the Commons Clause does.
        return Licence("unknown", f"{expression.exception_symbol.key!r} is no known exception: read it")
    if isinstance(expression, LicenseSymbol):
        return _by_name(expression.key)
    parts = [_rated(part) for part in expression.args]
    classes = sorted((part.use for part in parts), key=_FROM_WORST.index)
    chosen = classes[-1] if isinstance(expression, _LICENSING.OR) else classes[0]
    reasons = dict.fromkeys(part.why for part in parts if part.use == chosen)
    together = isinstance(expression, _LICENSING.AND)
    return Licence(chosen, "; ".join(reasons) if together else next(iter(reasons)))
