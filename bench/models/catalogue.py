"""The catalogue of Foundry Local: which models there are for this machine's devices."""

import re

from bench.errors import CatalogueUnreachable, UsageError
from bench.models.cache_folder import cached
from bench.models.runtime_process import Asked, Listed, RuntimeRefused, asking, plain
from bench.models.variant import Variant
from bench.providers.registry import FoundryRuntime

ANSWER_S = 120.0
"""How long the catalogue may take. The runtime asks it four times, and gives up after some five seconds."""

PUBLIC = "https://api.catalog.azureml.ms"
"""Where the runtime asks unless a config says otherwise."""

_FAILED = re.compile(r"^\[error\] failed to fetch catalog from \S+: (.+)$", re.MULTILINE)


def catalogue(runtime: FoundryRuntime) -> tuple[Variant, ...]:
    """Return all variants of the catalogue by alias, for each alias the one first that it stands for.

    Raises CatalogueUnreachable, with what works without it, where it cannot be read or read whole, and UsageError
    where the runtime does not start or the catalogue has nothing for this machine.
    """
    place = runtime.catalogue_url or PUBLIC
    with asking(Asked(runtime)) as answers:
        answer = answers.next(ANSWER_S)
        printed = answers.printed()
    if answer is None:
        raise _unreachable(runtime, f"it has not answered for {ANSWER_S:g} s")
    if isinstance(answer, RuntimeRefused):
        raise UsageError(f"the catalogue {place} cannot be asked: {answer.reason}")
    failed = _FAILED.search(printed)
    if failed is not None:
        # The runtime then lists what it remembers: what of that is still there nobody knows.
        raise _unreachable(runtime, plain(failed[1]))
    if not isinstance(answer, Listed) or not answer.variants:
        raise UsageError(f"the catalogue {place} has no model for the devices of this machine")
    return answer.variants


def _unreachable(runtime: FoundryRuntime, reason: str) -> CatalogueUnreachable:
    there = len(cached(runtime.cache_folder))
    works = f"bench models list --cached ({there} in the cache), and models in a directory (path: in a config)"
    return CatalogueUnreachable(runtime.catalogue_url or PUBLIC, reason, works)
