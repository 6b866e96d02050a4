"""Which judge is asked, and how: what must stay as it is for a judgement to be gone on with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench import __version__
from bench.config import CONFIG_DIR, Config, find_config, load_config, resolved
from bench.errors import ConfigError, Mistake, UsageError
from bench.model_settings import EndpointModel, FoundryModel
from bench.overrides import overridden
from bench.providers.protocol import Identity
from bench.quality.questions import PAIR_TEMPLATE, TEMPLATE, template_sha256
from bench.quality.review import judges_itself
from bench.quality.review_record import JudgeHeader
from bench.results.schema import Result

ENDINGS = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Asking:
    """Which judge is asked what: `config` has one model. `retry` asks again what has no score yet."""

    config: Config
    repeats: int
    pairs: int
    seed: int
    retry: bool


def judge_config(name: str, variables: Mapping[str, str]) -> Config:
    """Return the config of a judge: a file, one that ships, or an alias that is asked with the settings of `judge`.

    An alias is one of Foundry Local's catalogue, or of the endpoint that FOUNDRY_LOCAL_ENDPOINT names. The variables
    that change a run (BENCH_...) are passed over. Raises UsageError unless it is exactly one model.
    """
    given = {variable: value for variable, value in variables.items() if not variable.startswith("BENCH_")}
    # The dot of an alias such as qwen2.5-14b begins no ending.
    of_file = Path(name).is_file() or Path(name).suffix in ENDINGS or (CONFIG_DIR / f"{name}.yaml").is_file()
    path = find_config(name if of_file else "judge")
    config = load_config(path)
    if not of_file:
        remote = bool(given.get("FOUNDRY_LOCAL_ENDPOINT", "").strip())
        try:
            model = (
                EndpointModel.model_validate({"provider": "openai", "model": name})
                if remote
                else FoundryModel.model_validate({"alias": name})
            )
        except ValidationError as error:
            shipped = ", ".join(sorted(one.stem for one in CONFIG_DIR.glob("*.yaml")))
            message = f"is neither a config file, a config that ships ({shipped}), nor an alias"
            raise UsageError(f"--judge: {name!r} {message}") from error
        config = config.model_copy(update={"models": (model,)})
    if len(config.models) != 1:
        found = ", ".join(one.name for one in config.models)
        message = f"a judge is exactly one model, found {len(config.models)} ({found}); keep one of them"
        raise ConfigError(path, [Mistake(None, "models", message)])
    return overridden(config, given).config


def header(result: Result, asking: Asking, identity: Identity, started_utc: datetime) -> JudgeHeader:
    """Return the header of a judgement: who judges, as far as the identity tells, and how it is asked."""
    (model,) = asking.config.models
    document: dict[str, Any] = resolved(asking.config)
    made = JudgeHeader(
        schema_version=1,
        run=result.run.id,
        judge=model.name,
        provider=model.provider,
        requested=model.requested,
        variant_id=identity.variant_id,
        variant_version=identity.variant_version,
        device=identity.device,
        execution_provider=identity.execution_provider,
        versions=dict(identity.versions),
        judges_itself=(),
        model=document["models"][0],
        generation=document["generation"],
        seed=asking.seed,
        template=TEMPLATE,
        template_sha256=template_sha256(TEMPLATE),
        pair_template=PAIR_TEMPLATE,
        pair_template_sha256=template_sha256(PAIR_TEMPLATE),
        started_utc=started_utc,
        tool_version=__version__,
    )
    same = tuple(judged.name for judged in result.models if judges_itself(made, judged))
    return made.model_copy(update={"judges_itself": same})


def refuse_changes(path: Path, old: JudgeHeader, new: JudgeHeader) -> None:
    """Raise UsageError unless a judgement can be gone on with.

    What only a loaded model tells may be missing in `new`.
    """
    asked = (
        ("run", old.run, new.run),
        ("judge", (old.judge, old.model), (new.judge, new.model)),
        ("generation settings", old.generation, new.generation),
        ("seed", old.seed, new.seed),
        (
            "prompt template",
            (old.template_sha256, old.pair_template_sha256),
            (new.template_sha256, new.pair_template_sha256),
        ),
    )
    told = (
        ("model behind its name", old.variant_id, new.variant_id),
        ("version of the model", old.variant_version, new.variant_version),
    )
    changed = [name for name, before, after in asked if before != after]
    changed += [name for name, before, after in told if None not in (before, after) and before != after]
    if changed:
        raise UsageError(
            f"{path}: cannot go on with this judgement: the {' and the '.join(changed)} changed since; "
            "undo that, delete the file to judge anew, or give the judge another name in its config"
        )
