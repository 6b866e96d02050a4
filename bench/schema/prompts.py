"""Prompts and what a good answer to them does."""

from typing import Literal

from pydantic import Field

from bench.schema.fields import FreeJson, Record, TokenLimit, Weight


class FacetRecord(Record):
    """One thing that a good answer does, and the check that tests it."""

    id: str
    says: str
    weight: Weight
    check: str
    parameters: FreeJson


class Turn(Record):
    """A message of a conversation before the one that is answered."""

    role: Literal["user", "assistant"]
    text: str


class PromptRecord(Record):
    """One prompt with its rubric."""

    id: str
    title: str
    category: str
    system: str | None = Field(description="null: no system prompt")
    turns: tuple[Turn, ...] = Field(description="what was said before, in order; empty for a prompt of one message")
    text: str = Field(description="the last message: what is answered")
    max_output_tokens: TokenLimit | None = Field(description="null: the config's")
    facets: tuple[FacetRecord, ...]


class PromptSetRecord(Record):
    """The prompts that were asked."""

    id: str
    title: str
    sha256: str = Field(description="of the prompts and their rubrics")
    prompts: tuple[PromptRecord, ...]
