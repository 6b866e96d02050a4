"""From what a run gave to a result that can be saved."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from bench.config import Config, digest, resolved, slug
from bench.results.schema import SCHEMA_VERSION, ConfigRecord, Grade, Result, RunInfo
from bench.rubric import PromptSetRecord
from bench.runner.environment import Checkout
from bench.runner.machine_record import Machine
from bench.runner.record import ModelRun


def run_id(machine: str, started_utc: datetime, commit: str | None, config_name: str) -> str:
    """Return <machine>/<utc>-<commit>-<config>, which sorts by time within a machine."""
    return f"{machine}/{started_utc:%Y%m%dT%H%M%SZ}-{commit or 'nocommit'}-{slug(config_name)}"


def assemble(
    *,
    config: Config,
    config_name: str,
    overrides: Sequence[str],
    prompt_set: PromptSetRecord,
    machine: Machine,
    models: Sequence[ModelRun],
    outputs: Mapping[str, str],
    grades: Sequence[Grade],
    started_utc: datetime,
    finished_utc: datetime,
    tool_version: str,
    checkout: Checkout,
) -> Result:
    """Return the result of a run. Raises pydantic's ValidationError only where this program is wrong."""
    document = resolved(config)
    return Result(
        schema_version=SCHEMA_VERSION,
        run=RunInfo(
            id=run_id(machine.name, started_utc, checkout.commit, config_name),
            started_utc=started_utc,
            finished_utc=finished_utc,
            resumed_utc=(),
            status="complete",
            tool_version=tool_version,
            commit=checkout.commit,
            dirty=checkout.dirty,
        ),
        machine=machine,
        config=ConfigRecord(
            name=slug(config_name), sha256=digest(document), overrides=tuple(overrides), resolved=document
        ),
        prompt_set=prompt_set,
        client=(),
        models=tuple(models),
        grades=tuple(grades),
        outputs=dict(outputs),
    )
