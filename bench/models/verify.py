"""Whether the models of a config are ready for a run: each is looked for and asked, and nothing is measured."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import psutil

from bench.config.settings import Config
from bench.errors import BenchError, CatalogueUnreachable, ProviderError, UsageError
from bench.models.cache_folder import cached, free_bytes
from bench.models.catalogue import catalogue
from bench.models.variant import Variant, named, nearest, one_of
from bench.providers.model_directory import check_directory, footprint_bytes
from bench.providers.openai.client import client, secrets_of
from bench.providers.openai.failures import failure
from bench.providers.openai.listed import fitting
from bench.providers.openai.request import LIMIT, LONGER_NAME, as_line
from bench.providers.openai.served import model_file
from bench.providers.registry import EndpointModel, FoundryModel, ModelSettings, kind_of
from bench.runner.child import Job
from bench.runner.measure import MeasuredSample
from bench.runner.messages import Report
from bench.runner.plan import Step
from bench.runner.supervise import Heard, supervise
from bench.schema.prompts import PromptRecord
from bench.schema.sample import Sample

Check = Literal[
    "catalogue",
    "cache",
    "directory",
    "file",
    "memory",
    "disk",
    "endpoint",
    "listed",
    "answers",
    "streams",
    "usage",
    "parameters",
    "prompt cache",
]
Mark = Literal["ok", "note", "fail", "untried"]
"""Well; worth knowing, and the run goes all the same; the run would fail; nothing is known of it."""

TEST_CHAT = (
    "Summarise this meeting in one sentence. Anna opened the meeting at nine and went through the open points. "
    "Ben reported that the new kiosk boots in twenty seconds and that the old screens are sold. Carla asked who pays "
    "for the cables; nobody knew, and Anna will ask the supplier before Friday. Ben wants a second test device for the "
    "workshop in March. Carla has the budget for one, not for two. Everybody agreed to meet again on Monday at ten, "
    "in the small room, with the figures of the first week."
)
"""What each model is asked; it is long enough that reading it again takes a time that can be told from none."""

PAIRS = 2
"""How many prompts are asked twice in a row: one alone could meet a busy moment of the machine."""

PAIR_TOKENS = 16
"""How long their answers are: the first text is all that counts."""

AGAIN = 0.5
"""A prompt comes out of a cache whose first text comes within this share of the time that it took when it was new."""

TOLD_APART_NS = 20_000_000
"""A first text that comes sooner than this says nothing of a cache."""

PROBE_TOKENS = 8
"""How long the answers are that show whether a parameter is taken."""


@dataclass(frozen=True)
class Finding:
    """One look at a model: what was found, and what to do next where something is to be done.

    Each of `amounts` has its place in braces in `found`, as a value and its base unit; without any, braces are text.
    """

    check: Check
    mark: Mark
    found: str
    next: str = ""
    amounts: Mapping[str, tuple[float, str]] = field(default_factory=dict)


NOT_ASKED = Finding("answers", "untried", "not asked: see above")


@dataclass(frozen=True)
class VerifiedModel:
    """All findings of one model, in the order of the checklist."""

    name: str
    findings: tuple[Finding, ...]

    @property
    def ready(self) -> bool:
        """Whether nothing was found on which a run would fail."""
        return all(one.mark != "fail" for one in self.findings)


def verify(config: Config) -> Iterator[VerifiedModel]:
    """Look at each model of a config in its order. Nothing is downloaded, and no model stays in memory."""
    shelf = _Shelf(config)
    for model in config.models:
        if isinstance(model, EndpointModel) and not model.is_started:
            try:
                secrets = secrets_of(model)
            except ProviderError as error:
                yield VerifiedModel(model.name, (_told("endpoint", error.message), NOT_ASKED))
                continue
            with client(model.address, secrets, config.timeouts.connect_s) as asking:
                yield VerifiedModel(model.name, tuple(_of_endpoint(model, config, asking)))
        else:
            before = _before_asking(model, config, shelf)
            yield VerifiedModel(model.name, (*before, *_asked_after(before, model, config)))


def _of_endpoint(model: EndpointModel, config: Config, asking: Any) -> list[Finding]:
    listed, at = _listed(model, asking)
    if listed.check == "endpoint":
        return [listed, NOT_ASKED]
    asked = _ask(model, config)
    if asked.good and listed.mark == "fail":
        # Some endpoints know more names than they list.
        listed = Finding("listed", "note", listed.found, "it answers all the same")
    findings = _findings(asked, streams=config.stream)
    # What the endpoint refuses can be why it did not answer.
    return [listed, *findings[:3], _parameters(model, at, config, asking), *findings[3:]]


def _asked_after(before: Sequence[Finding], model: ModelSettings, config: Config) -> list[Finding]:
    if any(one.mark == "fail" for one in before):
        return [NOT_ASKED]
    return _findings(_ask(model, config), streams=config.stream and kind_of(model).streams)


def _findings(asked: "_Asked", *, streams: bool) -> list[Finding]:
    answers = _answers(asked)
    return [answers, _streams(asked, streams=streams), _usage(asked), _prompt_cache(asked)] if asked.good else [answers]


class _Shelf:
    """The catalogue and the cache, each looked at once and only when a model is looked for there."""

    def __init__(self, config: Config) -> None:
        self._runtime = config.foundry
        self._listed: tuple[Variant, ...] | None = None
        self._why = ""

    @property
    def cached(self) -> tuple[Variant, ...]:
        return cached(self._runtime.cache_folder)

    def listed(self) -> tuple[Variant, ...] | str:
        """Return the catalogue, or why it cannot be read."""
        if self._listed is None and not self._why:
            try:
                self._listed = catalogue(self._runtime)
            except CatalogueUnreachable as error:
                self._why = error.reason
            except UsageError as error:
                self._why = str(error)
        return self._why if self._listed is None else self._listed


def _before_asking(model: ModelSettings, config: Config, shelf: _Shelf) -> list[Finding]:
    if isinstance(model, FoundryModel):
        return _on_disk(model, config, shelf)
    if isinstance(model, EndpointModel) and model.model_file is not None:
        # Its server is started for the test chat.
        try:
            found = model_file(model.model_file)
        except ProviderError as error:
            return [_told("file", error.message)]
        return [Finding("file", "ok", f"there is {model.model_file.name}"), _memory(found.footprint_bytes)]
    return []


def _on_disk(model: FoundryModel, config: Config, shelf: _Shelf) -> list[Finding]:
    if model.path is not None:
        try:
            check_directory(model.path)
        except ProviderError as error:
            return [_told("directory", error.message)]
        directory = Finding("directory", "ok", f"there is {model.path.name}")
        return [directory, _memory(footprint_bytes(model.path))]
    listed = shelf.listed()
    place = shelf.cached if isinstance(listed, str) else listed
    try:
        variant = one_of(named(place, model.requested, "the catalogue"), _device(model), model.requested)
    except UsageError as error:
        if isinstance(listed, str):
            found = f"{listed}, and the cache has no {model.requested}"
            return [Finding("catalogue", "fail", found, "check the network")]
        return [Finding("catalogue", "fail", str(error), "bench models list")]
    if isinstance(listed, str):
        findings = [Finding("catalogue", "note", listed, "the model of the cache is taken")]
    else:
        findings = [Finding("catalogue", "ok", variant.id)]
    return [*findings, *_stored(variant, config)]


def _device(model: FoundryModel) -> str | None:
    return model.device if isinstance(model.device, str) else None


def _stored(variant: Variant, config: Config) -> list[Finding]:
    if variant.directory is not None:
        size_bytes = footprint_bytes(variant.directory)
        place = Finding("cache", "ok", "{size} on the disk", amounts={"size": (size_bytes, "bytes")})
        return [place, _memory(size_bytes)]
    findings = [Finding("cache", "fail", "not there", f"bench models download {variant.id}")]
    if variant.size_bytes is None:
        return findings
    free = free_bytes(config.foundry.cache_folder)
    amounts = {"size": (variant.size_bytes, "bytes"), "free": (free, "bytes")}
    if variant.size_bytes > free:
        disk = Finding("disk", "fail", "{size} are needed, {free} are free", "make room: bench models remove", amounts)
    else:
        disk = Finding("disk", "ok", "{size} of {free} that are free", amounts=amounts)
    return [*findings, disk, _memory(variant.size_bytes)]


def _memory(size_bytes: int) -> Finding:
    """Return whether weights of a size have room: they are in memory as they are on the disk, at the least."""
    memory = psutil.virtual_memory()
    amounts = {
        "size": (size_bytes, "bytes"),
        "free": (memory.available, "bytes"),
        "all": (memory.total, "bytes"),
    }
    if size_bytes > memory.total:
        found = "{size} of weights, and the machine has {all} of memory"
        return Finding("memory", "fail", found, "take a smaller variant: bench models list", amounts)
    if size_bytes > memory.available:
        return Finding("memory", "note", "{size} of weights, and {free} are free", "stop other programs", amounts)
    return Finding("memory", "ok", "{size} of weights, {free} are free", amounts=amounts)


def _listed(model: EndpointModel, asking: Any) -> tuple[Finding, str]:
    """Return whether an endpoint lists a model, and the name by which it does."""
    import openai

    name, where = model.model, model.address
    try:
        ids = [str(entry.id) for entry in asking.models.list()]
    except (openai.APIStatusError, ValueError, AttributeError, TypeError):
        return Finding("listed", "note", f"{where} has no list of models", "the test chat decides"), name
    except (openai.OpenAIError, OSError) as error:
        return _told("endpoint", _said(error, model)), name
    # A Foundry Local service lists the ids of variants.
    variants = fitting(name, ids)
    if len(variants) == 1:
        as_another = "" if variants[0] == name else f" as {variants[0]}"
        return Finding("listed", "ok", f"{where} lists it{as_another}"), variants[0]
    near = variants or nearest(name, ids) or ids[:3]
    told = f"; nearest: {', '.join(near)}" if near else ", nor anything else"
    return Finding("listed", "fail", f"{where} does not list it{told}", "name one of the list in the config"), name


@dataclass
class _Asked:
    """What a model said: to the test chat, and then to each of a few prompts twice in a row."""

    heard: Heard | None = None
    samples: list[Sample] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return bool(self.samples) and self.samples[0].failure is None


def _ask(model: ModelSettings, config: Config) -> _Asked:
    # Prompts that nobody has asked before, in an earlier verification either.
    texts = [f"Note {os.urandom(4).hex()}. {TEST_CHAT}" for _ in range(1 + PAIRS)]
    limit = min(PAIR_TOKENS, config.generation.max_output_tokens)
    prompts = [_prompt(texts[0], None), *(_prompt(text, limit) for text in texts[1:] for _ in range(2))]
    steps = tuple(Step(position, 1, prompt) for position, prompt in enumerate(prompts))
    found = _Asked()

    def listen(heard: Heard, report: Report | None) -> None:
        found.heard = heard
        if isinstance(report, MeasuredSample):
            found.samples.append(report.sample)
            if not found.good:
                # What fails at once is not asked again.
                raise _Enough

    only = config.foundry.model_copy(update={"download": False})
    with suppress(_Enough):
        supervise(Job(model, config.model_copy(update={"foundry": only}), steps), listen)
    return found


class _Enough(Exception):
    pass


def _prompt(text: str, max_output_tokens: int | None) -> PromptRecord:
    return PromptRecord(
        id="test-chat",
        title="Test chat",
        category="test",
        system=None,
        turns=(),
        text=text,
        max_output_tokens=max_output_tokens,
        facets=(),
    )


def _answers(asked: _Asked) -> Finding:
    heard = asked.heard
    if heard is not None and heard.skipped is not None:
        return Finding("answers", "note", heard.skipped, "a run skips it")
    failure = asked.samples[0].failure if asked.samples else heard.failure if heard is not None else None
    if failure is not None:
        return _told("answers", failure.message)
    identity = heard.identity if heard is not None else None
    known = f" as {identity.variant_id}" if identity is not None and identity.variant_id is not None else ""
    return Finding("answers", "ok", f"to a test chat{known}")


def _told(check: Check, message: str) -> Finding:
    """Return a failure's message as a finding: what is to be done stands behind its semicolon."""
    found, _, advice = message.partition("; ")
    return Finding(check, "fail", found, advice)


def _streams(asked: _Asked, *, streams: bool) -> Finding:
    last = asked.samples[0]
    if not streams:
        return Finding("streams", "note", "whole answers are asked for: no TTFT")
    pieces = len(last.chunk_ns)
    tokens = "" if last.output_tokens is None else f" for {last.output_tokens} tokens"
    if pieces <= 1 and last.output_tokens != 1:
        advice = "its TTFT would be that of the whole answer: set stream: false"
        return Finding("streams", "note", f"the whole answer in one piece{tokens}", advice)
    return Finding("streams", "ok", f"{pieces} pieces{tokens}")


def _usage(asked: _Asked) -> Finding:
    last = asked.samples[0]
    if last.tokens_source == "usage":
        return Finding("usage", "ok", f"{last.prompt_tokens} tokens read, {last.output_tokens} written")
    if last.tokens_source == "tokenizer":
        return Finding("usage", "ok", "counted with the model's own tokenizer")
    return Finding("usage", "note", "nobody counts tokens: there will be no tokens/s")


CACHED = "a repeated prompt has the TTFT of the cache"


def _prompt_cache(asked: _Asked) -> Finding:
    """Return whether a prompt that was asked before is read again: as the model says itself, else by its first text."""
    pairs = list(zip(asked.samples[1::2], asked.samples[2::2], strict=False))
    told = [(again.cached_prompt_tokens, again.prompt_tokens) for _, again in pairs]
    counted = [(cached, read) for cached, read in told if cached is not None]
    most, read = max(counted, key=lambda one: one[0], default=(0, None))
    if most:
        found = f"{most} of {read} tokens of a repeated prompt come out of it, as it says"
        return Finding("prompt cache", "note", found, CACHED)
    identity = asked.heard.identity if asked.heard is not None else None
    if identity is not None and identity.prompt_cache == "cold":
        return Finding("prompt cache", "ok", identity.prompt_cache_by or "none is asked for")
    if counted:
        return Finding("prompt cache", "ok", "a repeated prompt is read again, as it says")
    times_ns = [(new.chunk_ns[0], again.chunk_ns[0]) for new, again in pairs if new.chunk_ns and again.chunk_ns]
    if len(times_ns) < PAIRS or min(new for new, _ in times_ns) < TOLD_APART_NS:
        return Finding("prompt cache", "untried", "a first text comes too soon, or not by itself, to tell")
    new_ns, again_ns = max(times_ns, key=lambda one: one[1] / one[0])
    amounts = {"new": (new_ns / 1e9, "s"), "again": (again_ns / 1e9, "s")}
    found = "a repeated prompt has its first text after {again}, when it was new after {new}"
    if again_ns < AGAIN * new_ns:
        return Finding("prompt cache", "note", found, CACHED, amounts)
    return Finding("prompt cache", "ok", found, amounts=amounts)


def _parameters(model: EndpointModel, at: str, config: Config, asking: Any) -> Finding:
    """Return which of the parameters that a run sends an endpoint refuses, each tried by itself."""
    shape, generation = model.request, config.generation
    values: dict[str, object] = {"temperature": generation.temperature, "seed": generation.seed}
    if generation.top_p is not None:
        values["top_p"] = generation.top_p
    if config.stream:
        values["stream_options"] = {"include_usage": True}
    tried = {
        key: {shape.rename.get(key, key): value} | ({"stream": True} if key == "stream_options" else {})
        for key, value in values.items()
        if key not in shape.omit
    }
    limits = {shape.rename.get(LIMIT, LIMIT)} if {LIMIT} & {*shape.rename, *shape.omit} else {LIMIT, LONGER_NAME}
    bounds = [{} if LIMIT in shape.omit else {name: PROBE_TOKENS} for name in sorted(limits, reverse=True)]
    try:
        bound = next((given for given in bounds if _taken(asking, model, at, given)), None)
        if bound is None:
            return Finding("parameters", "untried", "a request without any of them is refused as well")
        renamed = {LIMIT: LONGER_NAME} if bound != bounds[0] else {}
        omitted = [key for key, given in tried.items() if not _taken(asking, model, at, {**bound, **given})]
    except BenchError as error:
        return Finding("parameters", "untried", str(error))
    if not renamed and not omitted:
        taken = [*([LIMIT] if LIMIT not in shape.omit else []), *tried]
        return Finding("parameters", "ok", f"takes {', '.join(taken)}")
    advice = f"{as_line(omitted, renamed, shape)} for the model"
    return Finding("parameters", "note", f"refuses {', '.join([*renamed, *omitted])}", advice)


def _taken(asking: Any, model: EndpointModel, at: str, given: Mapping[str, object]) -> bool:
    """Return whether an endpoint takes a request with these parameters; raises BenchError where it fails otherwise."""
    import openai

    messages = [{"role": "user", "content": "Say yes."}]
    try:
        stream = given.get("stream") is True
        body = {key: value for key, value in given.items() if key != "stream"} | model.request.body
        answer = asking.chat.completions.create(model=at, messages=messages, stream=stream, extra_body=body)
        if stream:
            for _ in answer:
                pass
    except (openai.BadRequestError, openai.UnprocessableEntityError):
        return False
    except (openai.OpenAIError, OSError, ValueError) as error:
        raise BenchError(_said(error, model)) from error
    return True


def _said(error: Exception, model: EndpointModel) -> str:
    """Return what an endpoint's failure says, without the key that it may repeat."""
    return secrets_of(model).hidden(failure(error, model.address).message)
