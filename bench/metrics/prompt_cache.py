"""What a prompt cache did to TTFT and prefill: as the runtime counts it, else as it shows in the times themselves.

A runtime that keeps prompts answers one sooner when it comes again. Where it does not count what it kept, the first
sight of each prompt is held against its later ones. Without a cache each of a prompt's n requests is as likely as any
other to be the slowest, so the first is it with probability 1/n. A cache is found where so many prompts had their first
sight as the slowest that chance alone gives it in CHANCE of such runs at most, and where the median first sight took
FASTER times as long as the median later one, when what the machine did to the time of a token meanwhile is taken out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Final, Literal

from bench.metrics.timing import MODELS_KEPT, Recorded, tpot_s, ttft_s
from bench.schema.fields import ByIdentity
from bench.schema.model_run import ModelRun, PromptCacheMode
from bench.schema.sample import Sample

COLD_SHARE: Final = 0.1
"""Share of a prompt's tokens that may come out of a cache while it counts as read: a chat template begins all alike."""

WARM_SHARE: Final = 0.5
"""Share from which on it counts as kept: some caches keep whole blocks of tokens alone, and never the last one."""

AS_A_RULE: Final = 0.95
"""Share of the requests that makes a model's prompts cold, or warm, as a whole."""

FASTER: Final = 1.25
"""How many times as long a prompt's first sight takes where a cache is found."""

CHANCE: Final = 0.01
"""How often chance alone may look like a cache."""

CacheState = Literal["cold", "warm", "mixed", "unknown"]
"""Whether prompts were read, came out of a cache, did so in part, or nobody can tell."""


@dataclass(frozen=True)
class PromptCacheFinding:
    """What the prompt cache did in the measured requests of a model.

    `share` is that of the prompts' tokens that came out of it, over the `counted` requests of which the runtime says
    it. `slower` is how many times as long a prompt's first sight took as its later ones, None where nobody looked.
    `doubt` says why TTFT and prefill are not what they are called, None where they are. The two TTFT are medians of
    the requests of which it is known that their prompt was read, or kept.
    """

    state: CacheState
    share: float | None
    counted: int
    slower: float | None
    doubt: str | None
    cold_ttft_s: float | None
    warm_ttft_s: float | None


SOME: Final = "prompts came out of the runtime’s prompt cache in part, as it counts"
ALL: Final = "the prompts came out of the runtime’s prompt cache, as it counts"
SEEN: Final = "prompts had their first text sooner when they came again: the runtime keeps them, and does not count it"
NOT_ASKED_FOR: Final = ", although each request asked for none"
NOT_WARM: Final = "although they had been sent before, the prompts did not come out of the prompt cache, as it counts"

WITHHELD: Final = "prompts that come out of a cache are not read"
"""Why there is no prefill speed."""


def finding(model: ModelRun) -> PromptCacheFinding:
    """Return what the prompt cache did to a model's measured requests."""
    return _finding(
        ByIdentity(model.samples), ByIdentity(model.warmup), model.prompt_cache, model.transport == "in-process"
    )


def no_prefill(model: ModelRun) -> str | None:
    """Return why a model has no prefill speed, None where it has one as far as its prompt cache is concerned."""
    return WITHHELD if finding(model).state in ("warm", "mixed") else None


@lru_cache(maxsize=MODELS_KEPT)
def _finding(samples: Recorded, warmup: Recorded, mode: PromptCacheMode, in_process: bool) -> PromptCacheFinding:
    good = [sample for sample in samples.value if sample.failure is None]
    shares = [(sample, share) for sample in good if (share := _share(sample)) is not None]
    if shares:
        return _counted(shares, mode)
    # A session of its own for each request holds nothing to look for.
    look = None if mode == "cold" and in_process else _look(warmup.value, good)
    slower = None if look is None else look.slower
    if mode == "warm":
        return PromptCacheFinding("warm", None, 0, slower, None, None, _middle(good))
    if look is None or not look.found:
        if mode == "as-is" and look is None:
            return PromptCacheFinding("unknown", None, 0, None, None, None, None)
        return PromptCacheFinding("cold", None, 0, slower, None, _middle(good), None)
    doubt = SEEN + (NOT_ASKED_FOR if mode == "cold" else "")
    first = {id(sight) for sights in look.sights for sight in sights[:1]}
    return PromptCacheFinding(
        state="mixed" if any(id(sample) in first for sample in good) else "warm",
        share=None,
        counted=0,
        slower=look.slower,
        doubt=doubt,
        cold_ttft_s=_middle(sample for sample in good if id(sample) in first),
        warm_ttft_s=_middle(sight for sights in look.sights for sight in sights[1:]),
    )


def _share(sample: Sample) -> float | None:
    if sample.cached_prompt_tokens is None or not sample.prompt_tokens:
        return None
    return sample.cached_prompt_tokens / sample.prompt_tokens


def _counted(shares: Sequence[tuple[Sample, float]], mode: PromptCacheMode) -> PromptCacheFinding:
    cold = [sample for sample, share in shares if share <= COLD_SHARE]
    warm = [sample for sample, share in shares if share >= WARM_SHARE]
    state: CacheState = "mixed"
    if len(cold) >= AS_A_RULE * len(shares):
        state = "cold"
    elif len(warm) >= AS_A_RULE * len(shares):
        state = "warm"
    doubt = None
    if state == "mixed" or (state == "warm" and mode != "warm"):
        doubt = (SOME if state == "mixed" else ALL) + (NOT_ASKED_FOR if mode == "cold" else "")
    elif state == "cold" and mode == "warm":
        doubt = NOT_WARM
    tokens = sum(sample.prompt_tokens or 0 for sample, _ in shares)
    return PromptCacheFinding(
        state=state,
        share=sum(sample.cached_prompt_tokens or 0 for sample, _ in shares) / tokens,
        counted=len(shares),
        slower=None,
        doubt=doubt,
        cold_ttft_s=_middle(cold),
        warm_ttft_s=_middle(warm),
    )


@dataclass(frozen=True)
class _Look:
    """The good requests of each prompt that came more than once, in order, and whether their times show a cache."""

    sights: tuple[tuple[Sample, ...], ...]
    slower: float
    found: bool


def _look(warmup: Sequence[Sample], good: Sequence[Sample]) -> _Look | None:
    """Hold the first sight of each prompt against its later ones; None where too few came again to tell."""
    of_prompt: dict[str, list[Sample]] = {}
    for sample in (*warmup, *good):
        of_prompt.setdefault(sample.prompt, []).append(sample)
    sights = tuple(
        timed
        for asked in of_prompt.values()
        # The first request of all is slow for reasons of its own, and one that failed may have left its prompt behind.
        if asked[0].position != 0 and asked[0].failure is None
        if len(timed := tuple(one for one in asked if ttft_s(one))) > 1
    )
    if _chance([1 / len(asked) for asked in sights], len(sights)) > CHANCE:
        return None
    slower = median(_slower([ttft_s(one) for one in asked]) or 1.0 for asked in sights)
    token = [ratio for asked in sights if (ratio := _slower([tpot_s(one) for one in asked])) is not None]
    slower /= max(1.0, median(token)) if token else 1.0
    slowest = sum((ttft_s(asked[0]) or 0.0) > max(ttft_s(one) or 0.0 for one in asked[1:]) for asked in sights)
    chance = _chance([1 / len(asked) for asked in sights], slowest)
    return _Look(sights, slower, slower >= FASTER and chance <= CHANCE)


def _slower(values: Sequence[float | None]) -> float | None:
    """Return the first value as a multiple of the median of the others; None where one is missing."""
    known = [value for value in values if value]
    return known[0] / median(known[1:]) if len(known) == len(values) else None


def _chance(shares: Sequence[float], least: int) -> float:
    """Return the probability that at least so many of some independent events happen, given that of each."""
    exactly = [1.0]
    for share in shares:
        exactly = [
            (exactly[count] if count < len(exactly) else 0.0) * (1 - share)
            + (exactly[count - 1] * share if count else 0.0)
            for count in range(len(exactly) + 1)
        ]
    return sum(exactly[least:])


def _middle(samples: Iterable[Sample]) -> float | None:
    known = [value for sample in samples if (value := ttft_s(sample)) is not None]
    return median(known) if known else None
