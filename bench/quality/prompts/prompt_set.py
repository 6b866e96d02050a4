"""Prompt sets: YAML in, or a file of another form; prompts with their rubrics out, every mistake reported at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import ConfigDict, Field, model_validator

from bench.config.settings import digest
from bench.config.source import Place, SourceFile, suggestion, validated
from bench.errors import ConfigError, Mistake, UsageError, shown
from bench.quality.checks.registry import CHECKS, asked_text, parameter_mistakes
from bench.quality.checks.tokenise import one_line
from bench.quality.prompts.importing import (
    Imported,
    import_lines,
    import_list,
    import_table,
    read_prompts,
    text_mistake,
)
from bench.quality.prompts.promptfoo import import_promptfoo, is_promptfoo
from bench.schema.fields import MOST_TOKENS, MOST_WEIGHT, Settings, excesses
from bench.schema.prompts import FacetRecord, PromptRecord, PromptSetRecord, Turn

PROMPT_DIR = Path(__file__).parents[2] / "prompts"

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)]


class _Facet(Settings):
    # The parameters of a check stand beside its name in the file: each check knows its own.
    model_config = ConfigDict(extra="allow")

    id: Id
    says: str = Field(min_length=1)
    check: str
    weight: float = Field(1.0, gt=0, le=MOST_WEIGHT)


class _Message(Settings):
    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1)


class _Prompt(Settings):
    id: Id
    title: str = Field(min_length=1)
    category: str = "general"
    system: str | None = Field(None, min_length=1)
    text: str | None = Field(None, min_length=1)
    messages: Annotated[tuple[_Message, ...], Field(strict=False, min_length=1)] | None = None
    max_output_tokens: int | None = Field(None, ge=1, le=MOST_TOKENS)
    facets: Annotated[tuple[_Facet, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _is_one_text_or_a_conversation(self) -> Self:
        if (self.text is None) == (self.messages is None):
            found = "has both text and messages; keep one" if self.text else "needs text, or messages of a conversation"
            raise ValueError(found)
        return self


class _PromptSet(Settings):
    id: Id
    title: str = Field(min_length=1)
    description: str = ""
    system: str | None = Field(None, min_length=1)
    prompts: Annotated[tuple[_Prompt, ...], Field(strict=False, min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _title_from_id(cls, value: Any) -> Any:
        if isinstance(value, dict) and "title" not in value and "id" in value:
            return {**value, "title": str(value["id"])}
        return value


@dataclass(frozen=True)
class ImportedSet:
    """A prompt set that was made of a file in another form, and what of the file is not in it.

    `left_out` is what was not understood; `set_aside` is no part of a prompt set.
    """

    prompt_set: PromptSetRecord
    text: str
    left_out: tuple[Mistake, ...]
    set_aside: tuple[Mistake, ...]


def load_prompt_set(name: str) -> PromptSetRecord:
    """Return a prompt set: a file's, or the one of that name that ships.

    A file may have another form (a JSON list, JSON Lines, CSV, promptfoo) if all of it is understood.
    Raises ConfigError with all mistakes, each with its line and key.
    """
    path = Path(name)
    if not path.suffix:
        path = PROMPT_DIR / f"{name}.yaml"
        if not path.is_file():
            names = ", ".join(sorted(shipped.stem for shipped in PROMPT_DIR.glob("*.yaml")))
            message = f"no such prompt set. Name a file, or one that ships: {names}"
            raise ConfigError(name, [Mistake(None, "prompts", message)])
    found = _read(path)
    if isinstance(found, SourceFile):
        return _checked(found)
    if found.left_out:
        hint = f"not all of it is understood; to go on without that: bench prompts import {name} -o set.yaml"
        raise ConfigError(path, [*found.left_out, Mistake(None, "", hint)])
    return _checked(SourceFile(path, found.document, found.lines, ()))


def import_prompt_set(path: Path) -> ImportedSet:
    """Return a file of another form as a prompt set, with its text in YAML.

    Raises ConfigError with all mistakes, and UsageError for a prompt set of our own.
    """
    found = _read(path)
    if isinstance(found, SourceFile):
        raise UsageError(f"{path}: is a prompt set already, or a form that is not known; name it in a config: prompts")
    prompt_set = _checked(SourceFile(path, found.document, found.lines, ()))
    return ImportedSet(prompt_set, _as_yaml(found), found.left_out, found.set_aside)


def single_prompt(text: str) -> PromptSetRecord:
    """Return a set with one prompt that has no rubric."""
    prompt = PromptRecord(
        id="prompt",
        title="One prompt",
        category="general",
        system=None,
        turns=(),
        text=text,
        max_output_tokens=None,
        facets=(),
    )
    return _record("single", "One prompt", (prompt,))


def _read(path: Path) -> Imported | SourceFile:
    """Return a file of prompts: imported, or as it is where it has no form of others."""
    if path.suffix in (".jsonl", ".ndjson"):
        return import_lines(path)
    if path.suffix in (".csv", ".tsv"):
        return import_table(path)
    source = read_prompts(path)
    if isinstance(source.value, list):
        return import_list(source)
    return import_promptfoo(source) if is_promptfoo(source.value) else source


def _checked(source: SourceFile) -> PromptSetRecord:
    prompt_set = validated(source, _PromptSet)
    mistakes = [*_repeated_ids(source, prompt_set), *_bad_texts(source, prompt_set), *_bad_checks(source, prompt_set)]
    if mistakes:
        raise ConfigError(source.path, sorted(mistakes, key=lambda mistake: mistake.line or 0))
    prompts = tuple(_prompt(prompt, prompt_set.system) for prompt in prompt_set.prompts)
    return _record(prompt_set.id, prompt_set.title, prompts)


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines as a block, which a person can read and edit."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """Return the node of a text."""
        return self.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)

    def ignore_aliases(self, data: Any) -> bool:
        """Write each value where it stands."""
        return True


_Dumper.add_representer(str, _Dumper.represent_text)


def _as_yaml(imported: Imported) -> str:
    body = yaml.dump(imported.document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    if not imported.left_out:
        return body
    return "".join(["# Not understood, and left out:\n", *map(_comment, imported.left_out), body])


def _comment(mistake: Mistake) -> str:
    line = "" if mistake.line is None else f"line {mistake.line}, "
    return f"# - {line}{one_line(f'{mistake.key}: {mistake.message}', 200)}\n"


def _record(identifier: str, title: str, prompts: tuple[PromptRecord, ...]) -> PromptSetRecord:
    sha256 = digest([_hashed(prompt) for prompt in prompts])
    return PromptSetRecord(id=identifier, title=title, sha256=sha256, prompts=prompts)


def _hashed(prompt: PromptRecord) -> dict[str, Any]:
    """Return what the hash of a set is of: a prompt of one message has that of the versions that knew no other."""
    document = prompt.model_dump(mode="json")
    return {key: value for key, value in document.items() if key not in ("system", "turns") or value}


def _prompt(prompt: _Prompt, system: str | None) -> PromptRecord:
    """Return the record of a prompt; `system` is the system prompt of the set, for one without its own."""
    facets = tuple(
        FacetRecord(id=f.id, says=f.says, weight=f.weight, check=f.check, parameters=dict(f.model_extra or {}))
        for f in prompt.facets
    )
    own, *rest = prompt.messages or (_Message(role="user", content=prompt.text or ""),)
    said = rest if own.role == "system" else [own, *rest]
    if own.role == "system":
        system = own.content
    elif "system" in prompt.model_fields_set:
        system = prompt.system
    return PromptRecord(
        id=prompt.id,
        title=prompt.title,
        category=prompt.category,
        system=system.strip() if system is not None else None,
        turns=tuple(Turn(role=one.role, text=one.content.strip()) for one in said[:-1] if one.role != "system"),
        text=said[-1].content.strip(),
        max_output_tokens=prompt.max_output_tokens,
        facets=facets,
    )


def _repeated_ids(source: SourceFile, prompt_set: _PromptSet) -> list[Mistake]:
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


def _bad_texts(source: SourceFile, prompt_set: _PromptSet) -> list[Mistake]:
    mistakes = []
    texts: list[tuple[Place, str | None]] = [(("system",), prompt_set.system)]
    for index, prompt in enumerate(prompt_set.prompts):
        texts += [(("prompts", index, name), getattr(prompt, name)) for name in ("system", "text")]
        for position, message in enumerate(prompt.messages or ()):
            place = ("prompts", index, "messages", position)
            texts.append(((*place, "content"), message.content))
            if message.role == "system" and position:
                mistakes.append(source.mistake(place, "only the first message can be of role system"))
            elif message.role == "system" and prompt.system is not None:
                mistakes.append(source.mistake(place, "the prompt has a system prompt under system as well; keep one"))
        if prompt.messages is not None and prompt.messages[-1].role != "user":
            place = ("prompts", index, "messages", len(prompt.messages) - 1)
            wrong = f"the last message is what is answered: of role user, found {prompt.messages[-1].role!r}"
            mistakes.append(source.mistake((*place, "role"), wrong))
        if "facets" in prompt.model_fields_set and not prompt.facets:
            wrong = "has no facet; add one, or take facets out to leave the answers without a score"
            mistakes.append(source.mistake(("prompts", index, "facets"), wrong))
    for at, text in texts:
        unfit = None if text is None else text_mistake(text)
        if unfit:
            mistakes.append(source.mistake(at, unfit))
    return mistakes


def _bad_checks(source: SourceFile, prompt_set: _PromptSet) -> list[Mistake]:
    mistakes = []
    for index, prompt in enumerate(prompt_set.prompts):
        # Its facets may hold what no record can.
        asked = asked_text(_prompt(prompt.model_copy(update={"facets": ()}), prompt_set.system))
        for position, facet in enumerate(prompt.facets):
            place = ("prompts", index, "facets", position)
            if facet.check not in CHECKS:
                known = list(CHECKS)
                message = f"must be one of {', '.join(known)}, found {facet.check!r}{suggestion(facet.check, known)}"
                mistakes.append(source.mistake((*place, "check"), message))
                continue
            too_large = [
                source.mistake((*place, *one.place), f"{one.message}, found {shown(one.found)}")
                for one in excesses(facet.model_extra or {})
            ]
            if too_large:
                mistakes += too_large
                continue
            problems = parameter_mistakes(facet.check, facet.model_extra or {}, asked)
            mistakes += [source.mistake(place, f"{facet.check} {problem}") for problem in problems]
    return mistakes
