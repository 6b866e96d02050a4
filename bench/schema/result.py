"""The result file, schema version 4: one run, one file, raw facts only; and its JSON Schema, made from the types."""

import json
from typing import Annotated, Final, Literal, Self

from pydantic import Field, JsonValue, model_validator

from bench.schema.fields import FREE_JSON_SCHEMA, FreeJson, Record, Share, UtcTime
from bench.schema.machine import ClientCheck, Machine
from bench.schema.model_run import ModelRun
from bench.schema.prompts import PromptSetRecord

SCHEMA_VERSION: Final = 4


class Pairing(Record):
    """Two configs that took turns on one machine in one session; the other side has a result file of its own.

    `blocks` is the order in which they took turns: the n-th block of a side is round n of its samples.
    """

    side: Literal["A", "B"]
    other: str = Field(description="id of the other side's run")
    blocks: tuple[Literal["A", "B"], ...]


class RunInfo(Record):
    """Who ran it, when, and from which commit."""

    id: str = Field(description="<machine>/<utc>-<commit>-<config>; the file's path under results/ without .json")
    started_utc: UtcTime
    finished_utc: UtcTime
    resumed_utc: Annotated[tuple[UtcTime, ...], Field(strict=False)] = Field(
        description="when an interrupted run went on, in order"
    )
    status: Literal["complete", "partial"] = Field(description="partial: it was stopped, and has what there was")
    tool_version: str
    commit: str | None = Field(description="commit of the repository that holds the results; null outside git")
    dirty: bool = Field(description="whether that repository had uncommitted changes outside its results")
    pairing: Pairing | None = Field(description="null: the run had the machine to itself")


class ConfigRecord(Record):
    """The configuration as it was resolved, defaults and overrides included."""

    name: str = Field(description="file name without its ending")
    sha256: str = Field(description="of the resolved configuration")
    overrides: tuple[str, ...] = Field(description="environment variables and options that changed the file's values")
    resolved: FreeJson

    def part(self, *keys: str) -> dict[str, JsonValue]:
        """Return a part of the resolved configuration, as ('load', 'sweep'); empty where it has none."""
        found: JsonValue = self.resolved
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}


class FacetGrade(Record):
    """How far an answer meets one facet."""

    facet: str
    credit: Share | None = Field(description="1 met, 0 not met, between: in part; null: not evaluated")
    why: str = Field(description="the evidence, in one line")


class Grade(Record):
    """What one source says of one distinct answer to a prompt."""

    prompt: str
    output: str = Field(description="key of the text in outputs")
    source: Literal["program"]
    facets: tuple[FacetGrade, ...]


class Result(Record):
    """One run. `outputs` has each distinct text once, under the start of its SHA-256."""

    schema_version: Literal[4]
    run: RunInfo
    machine: Machine
    config: ConfigRecord
    prompt_set: PromptSetRecord
    client: tuple[ClientCheck, ...] = Field(description="the client's own error on this machine; empty: not checked")
    models: tuple[ModelRun, ...]
    grades: tuple[Grade, ...]
    outputs: dict[str, str]

    @model_validator(mode="after")
    def _references_hold(self) -> Self:
        prompts = {prompt.id for prompt in self.prompt_set.prompts}
        names = [model.name for model in self.models]
        if len(set(names)) != len(names):
            raise ValueError("two models have the same name")
        for model in self.models:
            under_load = [sample for level in model.load for sample in level.samples]
            of_lengths = [sample for cell in model.lengths for sample in cell.samples]
            for sample in (*model.warmup, *model.samples, *under_load):
                if sample.prompt not in prompts:
                    raise ValueError(f"model {model.name} has a sample of the unknown prompt {sample.prompt!r}")
            for sample in (*model.warmup, *model.samples, *under_load, *of_lengths):
                if sample.output is not None and sample.output not in self.outputs:
                    raise ValueError(f"model {model.name} has a sample with the unknown output {sample.output!r}")
        for grade in self.grades:
            if grade.prompt not in prompts or grade.output not in self.outputs:
                raise ValueError(f"a grade belongs to the unknown prompt {grade.prompt!r} or output {grade.output!r}")
        return self


def schema_text() -> str:
    """Return the JSON Schema as indented JSON with a final newline."""
    schema = Result.model_json_schema()
    schema["$defs"]["JsonValue"] = FREE_JSON_SCHEMA
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Benchledger result file, schema version {SCHEMA_VERSION}",
        **{key: value for key, value in schema.items() if key != "title"},
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
