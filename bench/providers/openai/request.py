"""The body of a request to an endpoint: what is always asked for, what a config makes of it, and what was refused."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bench.providers.protocol import Request, messages
from bench.providers.registry import NEEDED, SENT, RequestSettings

LIMIT: Final = "max_tokens"
LONGER_NAME: Final = "max_completion_tokens"
"""What newer endpoints call max_tokens."""

REFUSES: Final = re.compile(
    r"not? support|unsupported|unknown|unrecogni[sz]ed|unexpected|unavailable|not (?:permitted|allowed|available|valid)"
    r"|(?:extra|additional) (?:inputs|fields|properties)|extra_forbidden|forbidden",
    re.IGNORECASE,
)
"""Words with which a server refuses a key, whatever its value."""


def body(
    model: str, request: Request, settings: RequestSettings, more: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """Return the body of a request as an endpoint gets it.

    `more` are keys that the program adds to it; a config's own of the same name come before them.
    """
    usual: dict[str, Any] = {
        "temperature": request.temperature,
        "max_tokens": request.max_output_tokens,
        "seed": request.seed,
    }
    if request.top_p is not None:
        usual["top_p"] = request.top_p
    if request.stream:
        usual["stream_options"] = {"include_usage": True}
    kept = {settings.rename.get(key, key): value for key, value in usual.items() if key not in settings.omit}
    needed = {"model": model, "messages": messages(request), "stream": request.stream}
    return {**needed, **kept, **(more or {}), **settings.body}


def line_to_write(said: str, settings: RequestSettings) -> str | None:
    """Return what to write in a config where an endpoint's words name keys of the request that it does not take.

    Of each clause the first key counts: what follows is often a list of those that are allowed. None where no key is
    named that could be left out.
    """
    # A config's own keys stand in front: they replaced what is sent otherwise.
    ours = {settings.rename.get(key, key): key for key in SENT if key not in settings.omit}
    named = [key for clause in said.split("; ") if (key := _first_of({*settings.body, *ours}, clause))]
    if not named:
        return None
    refused = list(dict.fromkeys(named))
    if own := [key for key in refused if key in settings.body]:
        return f"take {', '.join(own)} out of request.body of this model"
    if own := [ours[key] for key in refused if ours[key] != key]:
        return f"take {', '.join(own)} out of request.rename of this model"
    renamed = {LIMIT: LONGER_NAME} if LIMIT in refused and LONGER_NAME in said else {}
    omitted = [key for key in refused if key not in renamed]
    line = f"write {as_line(omitted, renamed, settings)} under this model in the config"
    setting = SENT[refused[0]]
    return line if setting is None or renamed or REFUSES.search(said) else f"change {setting}, or {line}"


def as_line(omitted: Sequence[str], renamed: Mapping[str, str], settings: RequestSettings) -> str:
    """Return the line of a config that leaves out and renames keys as well as those that it does already."""
    parts = []
    if omitted:
        parts.append(f"omit: [{', '.join([*settings.omit, *omitted])}]")
    if renamed:
        names = {**settings.rename, **renamed}
        parts.append(f"rename: {{{', '.join(f'{key}: {name}' for key, name in names.items())}}}")
    return f"request: {{{', '.join(parts)}}}"


def _first_of(keys: set[str], clause: str) -> str | None:
    found = [
        (match.start(), key)
        for key in keys
        if key not in NEEDED and (match := re.search(rf"(?<![\w]){re.escape(key)}(?![\w])", clause))
    ]
    return min(found)[1] if found else None
