"""What a config says of a server that is started for its model."""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field, field_validator, model_validator

from bench.errors import shown
from bench.schema.fields import MOST_SECONDS, Settings

PLACES: Final = ("{model}", "{port}")
"""What stands in a command or a variable for the model's file (without one: its name), and for a free port."""

SECRET: Final = re.compile(r"(?:^|[-_])(?:api)?(?:key|token|secret|password|passwd)$", re.IGNORECASE)
"""What an option or a variable is called that holds what no result file may have."""


class ServerSettings(Settings):
    """A server that is started for its model and stopped after it.

    `command` is no shell's; its first part is a program of the PATH, or one beside the config where it has a slash.
    `ready` is the path that answers with success once the model is there, which may take `timeout_s` seconds. `env` is
    added to this program's own environment.
    """

    command: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    ready: str = Field("/v1/models", pattern=r"^/[!-~]*$")
    env: dict[str, str] = Field(default_factory=dict)
    timeout_s: float = Field(120.0, gt=0, le=MOST_SECONDS)

    @field_validator("command", mode="before")
    @classmethod
    def _is_texts(cls, command: Any) -> Any:
        return [_text(part) for part in command] if isinstance(command, list) else command

    @field_validator("env", mode="before")
    @classmethod
    def _has_texts(cls, env: Any) -> Any:
        return {name: _text(value) for name, value in env.items()} if isinstance(env, dict) else env

    @field_validator("command")
    @classmethod
    def _starts_a_program_without_secrets(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        if not command[0].strip():
            raise ValueError("must begin with a program, found ''")
        for part in command:
            _check_places(part)
            option = part.partition("=")[0]
            if option.startswith("-") and SECRET.search(option):
                raise ValueError(f"{option} would stand in each result file; give it in a variable of the environment")
        return command

    @field_validator("env")
    @classmethod
    def _names_variables_without_secrets(cls, env: dict[str, str]) -> dict[str, str]:
        for name, value in env.items():
            if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is None:
                raise ValueError(f"{name!r} is no name of a variable")
            if SECRET.search(name):
                raise ValueError(f"{name} would stand in each result file; set it in the environment of bench instead")
            _check_places(value)
        return env

    @model_validator(mode="after")
    def _is_told_its_port(self) -> Self:
        if not any("{port}" in text for text in (*self.command, *self.env.values())):
            raise ValueError('must have "{port}" in command or env: the free port at which it is to listen')
        return self

    @property
    def program(self) -> str:
        """What the program is called, without its folder."""
        return Path(self.command[0]).name

    def beside(self, folder: Path) -> Self:
        """Return it with its program found beside a config, where it has a folder."""
        first, *rest = self.command
        if "/" not in first and "\\" not in first:
            return self
        return self.model_copy(update={"command": (str((folder / Path(first).expanduser()).resolve()), *rest)})

    def portable(self) -> dict[str, Any]:
        """Return it as JSON values for a result file: without the folders of this machine."""
        shown = [Path(part).name if Path(part).is_absolute() else part for part in self.command]
        return self.model_dump(mode="json") | {"command": shown}

    def filled(self, model: str, port: int) -> "ServerSettings":
        """Return it with the places in its command and its variables filled."""

        def fill(text: str) -> str:
            return text.replace("{model}", model).replace("{port}", str(port))

        return self.model_copy(
            update={
                "command": tuple(map(fill, self.command)),
                "env": {name: fill(value) for name, value in self.env.items()},
            }
        )


def _text(part: Any) -> Any:
    if isinstance(part, int) and not isinstance(part, bool):
        return str(part)
    if isinstance(part, dict) and list(part.values()) == [None]:
        (name,) = part
        raise ValueError(f'must be texts; write "{{{name}}}" in quotes')
    if not isinstance(part, str):
        raise ValueError(f"must be texts; write {shown(part)} in quotes")
    return part


def _check_places(text: str) -> None:
    for name in re.findall(r"\{\w+\}", text):
        if name not in PLACES:
            raise ValueError(f"{name} stands for nothing; there are {' and '.join(PLACES)}")
