"""The command that looks whether a config's models are ready: verify."""

import json
import os

import click
from rich.console import Console

from bench.commands.options import CONTEXT


@click.command(context_settings=CONTEXT)
@click.argument("config", default="default")
@click.option("--models", help="Names of models of the config, or aliases, separated by commas.  [env: BENCH_MODELS]")
@click.option("--wait", is_flag=True, help="Wait for a run on this machine to end.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON, amounts in base units.")
def verify(config: str, models: str | None, wait: bool, as_json: bool) -> None:
    """Look whether the models of CONFIG are ready for a run: a file, or the name of a config that ships.

    Is each in the catalogue and in the cache, does it fit memory and disk, does its endpoint list it, does it answer a
    test chat, how much of it streamed, with usage, which parameters does its endpoint refuse, and does it keep prompts
    in a cache? Nothing is downloaded, measured or written. Exits with 1 if a model is not ready.

    \b
    bench verify
    bench verify foundry-cpu
    bench verify endpoint --models qwen2.5-0.5b --json
    """
    from bench.config.overrides import overridden
    from bench.config.settings import find_config, load_config
    from bench.models.verify import verify as verified_models
    from bench.report.format import count
    from bench.report.model_tables import found_words, verified_table
    from bench.runner.lock import machine_lock

    given = os.environ if models is None else {**os.environ, "BENCH_MODELS": models}
    wanted = overridden(load_config(find_config(config)), given).config
    progress = Console(stderr=True)
    verified = []
    # Test chats beside a run would be measured with it.
    with machine_lock(wait), progress.status("looking ..."):
        for one in verified_models(wanted):
            progress.print(f"{one.name}: {'ready' if one.ready else 'not ready'}", markup=False, highlight=False)
            verified.append(one)
    ready = sum(one.ready for one in verified)
    if as_json:
        rows = [
            {
                "model": one.name,
                "ready": one.ready,
                "findings": [
                    {
                        "check": finding.check,
                        "mark": finding.mark,
                        "found": found_words(finding),
                        "next": finding.next,
                        "amounts": {name: value for name, (value, _) in finding.amounts.items()},
                    }
                    for finding in one.findings
                ],
            }
            for one in verified
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        console = Console() if Console().is_terminal else Console(width=160)
        console.print(verified_table(verified))
        click.echo(f"{ready} of {count(len(verified), 'model')} ready.")
    if ready < len(verified):
        click.get_current_context().exit(1)
