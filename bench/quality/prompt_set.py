"""Prompt sets: YAML in, prompts with their rubrics out, every mistake reported at once."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bench.config import digest
from bench.errors import ConfigError, Mistake
from bench.quality.checks import CHECKS, parameter_mistakes
from bench.rubric import FacetRecord, PromptRecord, PromptSetRecord
from bench.source import Source, read_source, suggestion, validated

PROMPT_DIR = Path(__file__).parent.parent / "prompts"

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class _Facet(BaseModel):
    # The parameters of a check stand beside its name in the file: each check knows its own.
    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)

    id: Id
    says: str = Field(min_length=1)
    check: str
    weight: float = Field(1.0, gt=0)


class _Prompt(_Entry):
    id: Id
    title: str = Field(min_length=1)
    category: str = "general"
    text: str = Field(min_length=1)
    max_output_tokens: int | None = Field(None, ge=1)
    facets: Annotated[tuple[_Facet, ...], Field(strict=False)] = ()


class _PromptSet(_Entry):
    id: Id
    title: str = Field(min_length=1)
    description: str = ""
    prompts: Annotated[tuple[_Prompt, ...], Field(strict=False, min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _title_from_id(cls, value: Any) -> Any:
        if isinstance(value, dict) and "title" not in value and "id" in value:
            return {**value, "title": str(value["id"])}
        return value


def load_prompt_set(name: str) -> PromptSetRecord:
    """Return a prompt set: a file's, or the one of that name that ships.

    Raises ConfigError with all mistakes, each with its line and key.
    """
    path = Path(name)
    if not path.suffix:
        path = PROMPT_DIR / f"{name}.yaml"
        if not path.is_file():
            names = ", ".join(sorted(shipped.stem for shipped in PROMPT_DIR.glob("*.yaml")))
            message = f"no such prompt set. Name a file, or one that ships: {names}"
            raise ConfigError(name, [Mistake(None, "prompts", message)])
    source = read_source(path)
    prompt_set = validated(source, _PromptSet)
    mistakes = [*_repeated_ids(source, prompt_set), *_bad_checks(source, prompt_set)]
    if mistakes:
        raise ConfigError(path, sorted(mistakes, key=lambda mistake: mistake.line or 0))
    return _record(prompt_set.id, prompt_set.title, tuple(_prompt(prompt) for prompt in prompt_set.prompts))


def single_prompt(text: str) -> PromptSetRecord:
    """Return a set with one prompt that has no rubric."""
    prompt = PromptRecord(
        id="prompt", title="One prompt", category="general", text=text, max_output_tokens=None, facets=()
    )
    return _record("single", "One prompt", (prompt,))


def _record(identifier: str, title: str, prompts: tuple[PromptRecord, ...]) -> PromptSetRecord:
    sha256 = digest([prompt.model_dump(mode="json") for prompt in prompts])
    return PromptSetRecord(id=identifier, title=title, sha256=sha256, prompts=prompts)


def _prompt(prompt: _Prompt) -> PromptRecord:
    facets = tuple(
        FacetRecord(id=f.id, says=f.says, weight=f.weight, check=f.check, parameters=dict(f.model_extra or {}))
        for f in prompt.facets
    )
    return PromptRecord(
        id=prompt.id,
        title=prompt.title,
        category=prompt.category,
        text=prompt.text.strip(),
        max_output_tokens=prompt.max_output_tokens,
        facets=facets,
    )


def _repeated_ids(source: Source, prompt_set: _PromptSet) -> list[Mistake]:
    mistakes = []
    first: dict[str, int] = {}
    for index, prompt in enumerate(prompt_set.prompts):
        if prompt.id in first:
            message = f"the id {prompt.id!r} is taken by prompts[{first[prompt.id]}]; ids are unique and stay stable"
            mistakes.append(source.mistake(("prompts", index, "id"), message))
        first.setdefault(prompt.id, index)
        facets: set[str] = set()
        for position, facet in enumerate(prompt.facets):
            if facet.id in facets:
                message = f"the id {facet.id!r} stands twice among this prompt's facets"
                mistakes.append(source.mistake(("prompts", index, "facets", position, "id"), message))
            facets.add(facet.id)
    return mistakes


def _bad_checks(source: Source, prompt_set: _PromptSet) -> list[Mistake]:
    mistakes = []
    for index, prompt in enumerate(prompt_set.prompts):
        for position, facet in enumerate(prompt.facets):
            place = ("prompts", index, "facets", position)
            if facet.check not in CHECKS:
                known = list(CHECKS)
                message = f"must be one of {', '.join(known)}, found {facet.check!r}{suggestion(facet.check, known)}"
                mistakes.append(source.mistake((*place, "check"), message))
                continue
            problems = parameter_mistakes(facet.check, facet.model_extra or {})
            mistakes += [source.mistake(place, f"{facet.check} {problem}") for problem in problems]
    return mistakes
