"""What the runner measured of a model: raw facts, in the form in which a result file keeps them.

Stamps are whole nanoseconds of the monotonic clock, as offsets. Nothing here is a statistic.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from bench.schema.fields import Bytes, Nanoseconds, Parameters, Record, TokenCount
from bench.schema.load import LengthCell, LoadLevel
from bench.schema.machine import Energy, MachineWatch, MemoryWatch, StampClock
from bench.schema.sample import Failure, Sample

OWN_SESSION = "a session of its own for each request"
"""What keeps a model in this machine's Foundry Local runtime from finding a prompt in a cache."""


PromptCacheMode = Literal["cold", "warm", "as-is"]
"""How the prompt cache of a runtime was kept while it was measured."""

INSTRUMENT = "test instrument, do not ship"
"""What is said of a model whose card marks it as an instrument, wherever it is named."""


class Runtime(Record):
    """What serves the models of an endpoint, as it was recognised."""

    name: str = Field(min_length=1, description="Foundry Local, llama.cpp, Ollama, ... or unknown")
    version: str | None = Field(description="as it says itself; null where it does not")


class ModelRun(Record):
    """One model of a run: what it is, what it took to hold it, and its samples.

    A quantity that is null has its reason in `unmeasured`, under the name of its field.
    """

    name: str = Field(min_length=1, description="the model's name in the config: unique in a run, stable over runs")
    provider: str = Field(description="foundry, openai, ...")
    skipped: str | None = Field(description="why the model was not tried at all, as a device that is not there")
    requested: str = Field(description="what the config asked for: alias, variant id, directory or endpoint model")
    variant_id: str | None = Field(description="what the runtime resolved it to")
    variant_version: str | None = Field(description="version of that variant")
    device: str | None = Field(description="CPU, GPU, NPU, as the runtime says")
    execution_provider: str | None = Field(description="as the runtime says")
    runtime: Runtime | None = Field(description="what serves an endpoint; null for a model in a process of ours")
    transport: Literal["in-process", "direct", "package"] | None = Field(
        description="what carried requests: the runtime in this process, our own HTTP, or the openai package's"
    )
    prompt_cache: PromptCacheMode = Field(
        description="cold: no measured request found its prompt in a cache; warm: each did; as-is: left to the runtime"
    )
    prompt_cache_by: str | None = Field(description="what sees to that, or why nothing can; null where nobody asked")
    stamp_clock: StampClock | None = Field(description="null where the kernel's stamps were not taken")
    instrument: bool = Field(description="a test instrument, as its card says: not to be shipped")
    origin: str | None = Field(description="what the model was made of and its checksum, as its card says")
    parameters: Parameters | None = Field(description="number of weights")
    precision: str | None = Field(description="fp32, fp16, int8, int4, ...")
    licence: str | None = Field(description="SPDX expression where it is one, else the name the publisher gives")
    licence_url: str | None = Field(description="where the licence can be read, or null")
    publisher: str | None = Field(description="who publishes the model")
    context_length: TokenCount | None = Field(description="tokens that prompt and answer may have together")
    capabilities: tuple[str, ...] = Field(description="chat, tools, reasoning, ... as declared")
    footprint_bytes: Bytes | None = Field(description="bytes on disk of all that the model needs")
    cold_load_ns: Nanoseconds | None = Field(description="asking for the model on disk, to ready")
    reloads_ns: tuple[Nanoseconds, ...] = Field(description="further cold loads, each in a fresh process")
    memory_before_bytes: Bytes | None = Field(description="resident memory of the holding process before the load")
    memory_loaded_bytes: Bytes | None = Field(
        description="the same, after the load; behind an endpoint after its first answer"
    )
    memory_peak_bytes: Bytes | None = Field(description="the highest while loading and answering")
    memory_unique_bytes: Bytes | None = Field(description="of the loaded memory, what this process shares with nobody")
    gpu_memory_peak_bytes: Bytes | None = Field(description="the highest memory of the process on the GPUs")
    memory_watch: MemoryWatch | None = Field(description="how memory was sampled; null where it was not")
    machine_watch: MachineWatch | None = Field(description="how steady the machine was; null where nobody looked")
    energy: Energy | None = Field(description="what the answers took from the mains or the battery")
    unmeasured: dict[str, str] = Field(description="for each null quantity above, why")
    failure: Failure | None = Field(description="why the model gave up; null if it went through")
    warmup: tuple[Sample, ...] = Field(description="requests before measuring; in no statistic")
    samples: tuple[Sample, ...] = Field(description="measured requests, one after the other, in order of sending")
    load: tuple[LoadLevel, ...] = Field(description="levels of load, in the order in which they were measured")
    lengths: tuple[LengthCell, ...] = Field(description="the matrix of lengths of prompt and answer, row by row")

    @model_validator(mode="after")
    def _null_has_a_reason(self) -> Self:
        for field in (*MEASURED_FIELDS, "energy"):
            if getattr(self, field) is None and field not in self.unmeasured:
                raise ValueError(f"{field} is null, and unmeasured does not say why")
        return self


DECLARED_FIELDS = ("parameters", "precision", "licence", "context_length", "footprint_bytes")
"""Fields of a ModelRun that say what the model is: where its runtime does not, a config may declare them."""

MEASURED_FIELDS = (
    *DECLARED_FIELDS,
    "cold_load_ns",
    "memory_before_bytes",
    "memory_loaded_bytes",
    "memory_peak_bytes",
    "memory_unique_bytes",
    "gpu_memory_peak_bytes",
)
"""Fields of a ModelRun that a page shows: each is a value, or null with a reason in `unmeasured`."""
