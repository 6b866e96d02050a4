"""Commands on the models themselves, before a run: models list, show, download, remove."""

import click

from bench.commands.options import CONTEXT


@click.group(context_settings=CONTEXT)
def models() -> None:
    """Find, fetch and remove models."""
