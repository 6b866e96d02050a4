"""Prompts and what a good answer to them does."""

from typing import Literal, NamedTuple

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


class Message(NamedTuple):
    """Something that is said to a model, and in which role."""

    role: Literal["system", "user", "assistant"]
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

    @property
    def messages(self) -> tuple[Message, ...]:
        """All that is said to the model, in order; the last message is answered."""
        system = () if self.system is None else (Message("system", self.system),)
        before = tuple(Message(turn.role, turn.text) for turn in self.turns)
        return (*system, *before, Message("user", self.text))

    @property
    def transcript(self) -> str:
        """All that is said to the model as one text: of several messages each with who says it."""
        if len(self.messages) == 1:
            return self.text
        return "\n\n".join(f"{message.role.capitalize()}: {message.text}" for message in self.messages)


class PromptSetRecord(Record):
    """The prompts that were asked."""

    id: str
    title: str
    sha256: str = Field(description="of the prompts and their rubrics")
    prompts: tuple[PromptRecord, ...]
