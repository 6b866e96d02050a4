"""The base of everything that is kept in a result file."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen, strict piece of a result file: unknown keys, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
