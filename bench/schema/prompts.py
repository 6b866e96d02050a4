"""Prompts and what a good answer to them does."""

from pydantic import Field

from bench.schema.fields import FreeJson, Record, TokenLimit, Weight


class FacetRecord(Record):
    """One thing that a good answer does, and the check that tests it."""

    id: str
    says: str
    weight: Weight
    check: str
    parameters: FreeJson


class PromptRecord(Record):
    """One prompt with its rubric."""

    id: str
    title: str
    category: str
    text: str
    max_output_tokens: TokenLimit | None = Field(description="null: the config's")
    facets: tuple[FacetRecord, ...]


class PromptSetRecord(Record):
    """The prompts that were asked."""

    id: str
    title: str
    sha256: str = Field(description="of the prompts and their rubrics")
    prompts: tuple[PromptRecord, ...]
