"""The command `bench`: it gathers the commands, and turns an error into a line and an exit code."""

import sys
from typing import Any, NoReturn

import click

from bench import __version__
from bench.commands.compare import ab, compare
from bench.commands.ledger import check, export, schema
from bench.commands.models import models, verify
from bench.commands.options import CONTEXT
from bench.commands.prompts import prompts
from bench.commands.recommend import recommend
from bench.commands.review import annotate, judge
from bench.commands.run import calibrate, run
from bench.commands.site import serve, site
from bench.errors import BenchError


class _Bench(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BenchError as error:
            _fail(error)


def _fail(error: BenchError) -> NoReturn:
    for line in str(error).splitlines():
        click.echo(f"bench: {line}", err=True)
    sys.exit(error.exit_code)


@click.group(cls=_Bench, context_settings=CONTEXT)
@click.version_option(__version__, prog_name="bench")
def main() -> None:
    """Benchmark local language models, keep every run as one file, and turn the history into a site.

    \b
    bench run                      the reference models, offline
    bench run foundry-cpu          three models of Foundry Local's catalogue
    bench site                     results/ into a static site in site/
    """


for command in (
    run,
    calibrate,
    judge,
    annotate,
    recommend,
    compare,
    ab,
    prompts,
    models,
    verify,
    site,
    serve,
    check,
    export,
    schema,
):
    main.add_command(command)
