"""The base of every part of a configuration."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A frozen part of a configuration; a key it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
