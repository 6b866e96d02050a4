"""From what a run gave to a result that can be saved."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from bench.config import slug
from bench.results.schema import SCHEMA_VERSION, ConfigRecord, Grade, Pairing, Result, RunInfo
from bench.runner.journal import Header
from bench.runner.record import ModelRun


def run_id(machine: str, started_utc: datetime, commit: str | None, config_name: str) -> str:
    """Return <machine>/<utc>-<commit>-<config>, which sorts by time within a machine."""
    return f"{machine}/{started_utc:%Y%m%dT%H%M%SZ}-{commit or 'nocommit'}-{slug(config_name)}"


def assemble(
    *,
    header: Header,
    models: Sequence[ModelRun],
    outputs: Mapping[str, str],
    versions: Mapping[str, str],
    grades: Sequence[Grade],
    finished_utc: datetime,
    status: Literal["complete", "partial"],
    pairing: Pairing | None = None,
) -> Result:
    """Return the result of a run. Raises pydantic's ValidationError only where this program is wrong."""
    return Result(
        schema_version=SCHEMA_VERSION,
        run=RunInfo(
            id=header.run_id,
            started_utc=header.started_utc,
            finished_utc=finished_utc,
            resumed_utc=header.resumed_utc,
            status=status,
            tool_version=header.tool_version,
            commit=header.commit,
            dirty=header.dirty,
            pairing=pairing,
        ),
        machine=header.machine.model_copy(update={"versions": header.machine.versions | dict(versions)}),
        config=ConfigRecord(
            name=header.config_name,
            sha256=header.config_sha256,
            overrides=header.overrides,
            resolved=header.config,
        ),
        prompt_set=header.prompt_set,
        client=header.client,
        models=tuple(models),
        grades=tuple(grades),
        outputs=dict(outputs),
    )
