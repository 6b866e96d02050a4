"""What one run costs a page: reading it, its summary, and the ranks of its models on all prompts and on each.

    python -m tests.benchmarks.summaries
    python -m tests.benchmarks.summaries --run results/NAME/FILE.json --times 20

Without a file it is the newest default run in results/. Each step starts from a record that was read anew, so that
nothing is kept from the time before; times are the processor's, the median and the smallest of all.
"""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

import click

from bench.analysis.summary import summarise
from bench.schema.result import Result
from bench.site.estimates import Estimates
from bench.store.files import load
from tests.benchmarks.ledgers import newest_run

ROOT: Final = Path(__file__).parents[2]

RANKED: Final = ("score", "decode_tokens_per_s", "ttft_s", "ttft_s.p95", "e2e_s", "memory_peak_bytes")
"""What a board ranks its models by."""

RANKED_ON_A_PROMPT: Final = ("e2e_s", "ttft_s", "tpot_s", "decode_tokens_per_s")


def ranks_of_the_run(run: Result) -> None:
    """Rank the models of a run on all prompts."""
    estimates = Estimates()
    for metric_id in RANKED:
        estimates.ranks(run, [model.name for model in run.models], metric_id)


def ranks_of_each_prompt(run: Result) -> None:
    """Rank the models of a run on each of its prompts."""
    estimates = Estimates()
    for prompt in run.prompt_set.prompts:
        for metric_id in RANKED_ON_A_PROMPT:
            estimates.ranks(run, [model.name for model in run.models], metric_id, prompt.id)


def times_ms(path: Path, step: Callable[[Result], object], times: int) -> list[float]:
    """Return the processor's milliseconds that a step takes, each time with a record that was read anew."""
    found = []
    for _ in range(times):
        run = load(path)
        start = time.process_time()
        step(run)
        found.append((time.process_time() - start) * 1000)
    return found


@click.command()
@click.option("--run", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A result file.")
@click.option("--times", default=10, show_default=True, help="How often each step is done.")
def main(path: Path | None, times: int) -> None:
    """Print what each step costs."""
    path = path or newest_run(ROOT / "results")
    run = load(path)
    samples = sum(len(model.samples) for model in run.models)
    click.echo(f"{path.name}: {len(run.models)} models, {samples} samples, {len(run.prompt_set.prompts)} prompts")
    steps: dict[str, Callable[[Result], object]] = {
        "load": lambda _: load(path),
        "summarise": summarise,
        f"ranks by {len(RANKED)} metrics": ranks_of_the_run,
        f"ranks on each prompt by {len(RANKED_ON_A_PROMPT)}": ranks_of_each_prompt,
    }
    for name, step in steps.items():
        found = times_ms(path, step, times)
        click.echo(f"{name:<26} {median(found):7.1f} ms  (smallest {min(found):.1f})")


if __name__ == "__main__":
    main()
