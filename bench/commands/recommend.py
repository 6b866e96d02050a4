"""The command that chooses: recommend."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.commands.options import CONTEXT, DURATION, MEMORY, NUMBER, results_option
from bench.errors import EmptyLedger, UsageError

if TYPE_CHECKING:
    from bench.analysis.recommend import Candidates, Use

LIMITS = (
    ("max_memory", "memory_peak_bytes"),
    ("max_footprint", "footprint_bytes"),
    ("max_ttft", "ttft_s.p50"),
    ("max_ttft_p95", "ttft_s.p95"),
    ("max_latency", "e2e_s.p50"),
    ("max_latency_p95", "e2e_s.p95"),
    ("min_speed", "decode_tokens_per_s.p50"),
    ("min_score", "score"),
)
"""Option -> the metric that it limits, in the order in which they are shown."""

HEADINGS = {
    "meets": "Meets every limit for certain",
    "may": "May meet them: an interval or a gap leaves it open",
    "fails": "Fails",
}

WORDS = {
    "lower": {"meets": "within", "may": "not clearly within", "fails": "above"},
    "higher": {"meets": "above", "may": "not clearly above", "fails": "below"},
}
"""Which way is better -> how a value stands to its limit, by verdict."""


@click.command(context_settings=CONTEXT)
@results_option
@click.option("--max-memory", type=MEMORY, help="Peak resident memory, such as 2GiB.")
@click.option("--max-footprint", type=MEMORY, help="Size on disk, such as 1.5GB.")
@click.option("--max-ttft", type=DURATION, help="Median time to first token, such as 300ms.")
@click.option("--max-ttft-p95", type=DURATION, help="95th percentile of the time to first token, such as 1s.")
@click.option("--max-latency", type=DURATION, help="Median latency of an answer, such as 5s.")
@click.option("--max-latency-p95", type=DURATION, help="95th percentile of the latency.")
@click.option("--min-speed", type=NUMBER, help="Median decode speed in tokens/s.")
@click.option("--min-score", type=NUMBER, help="Quality, from 1 to 5.")
@click.option(
    "--license",
    "--licence",
    "use",
    type=click.Choice(["commercial", "commercial-conditions"]),
    help="What the licence must allow: commercial use, or commercial use though on conditions.",
)
@click.option(
    "--prefer",
    type=click.Choice(["speed", "latency", "quality", "memory", "size"]),
    default="quality",
    show_default=True,
    help="What to order the models by.",
)
@click.option("--machine", help="The machine; needed where the results are of several.")
@click.option("--prompts", help="The prompt set, by its id; that of the machine's newest run unless given.")
@click.option("--instruments", is_flag=True, help="Test instruments as well: they are no models to ship.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON, in base units.")
def recommend(
    results_dir: Path,
    use: "Use | None",
    prefer: str,
    machine: str | None,
    prompts: str | None,
    instruments: bool,
    as_json: bool,
    **bounds: float | None,
) -> None:
    """Say which models meet your limits for certain, which may, and which fail and on what.

    It reads the newest run of each model on a machine, among runs of one prompt set. A limit is met where the whole
    interval keeps it. Test instruments are recommended only where --instruments asks for them. Exits with 1 if no model
    is left.

    \b
    bench recommend --max-memory 2GiB --max-ttft-p95 1s --license commercial --min-score 3.5 --prefer speed
    bench recommend --machine kiosk-n100 --max-footprint 1GB --json
    """
    from bench.analysis.recommend import Limit, candidates, choices
    from bench.store.files import load_tree

    ledger = load_tree(results_dir)
    for refused in ledger.refused:
        click.echo(f"bench: left out {results_dir / refused.path}: {refused.reason}", err=True)
    chosen = _machine(results_dir, sorted({result.machine.name for result in ledger.results}), machine)
    limits = [Limit(metric_id, bounds[name] or 0.0) for name, metric_id in LIMITS if bounds[name] is not None]
    sets = sorted({one.prompt_set.id for one in ledger.results if one.machine.name == chosen})
    if prompts is not None and prompts not in sets:
        raise UsageError(f"--prompts {prompts}: the results of {chosen} are of {', '.join(sets)}")
    found = candidates(ledger.results, chosen, prompts, instruments=instruments)
    made = choices(found.entries, limits, use, prefer)
    if as_json:
        click.echo(json.dumps([_row(one) for one in made], indent=2))
    else:
        _show(made, limits, chosen, prefer, found)
    if all(one.verdict == "fails" for one in made):
        click.get_current_context().exit(1)


def _machine(results_dir: Path, machines: list[str], asked: str | None) -> str:
    if not machines:
        raise EmptyLedger(f"{results_dir}: there is no result; make the first run with: bench run")
    if asked is None and len(machines) == 1:
        return machines[0]
    if asked in machines:
        return asked
    if asked is None:
        raise UsageError(f"{results_dir}: has results of {', '.join(machines)}; choose one with --machine")
    raise UsageError(f"--machine {asked}: {results_dir} has results of {', '.join(machines)}")


def _show(made: Any, limits: Any, machine: str, prefer: str, found: "Candidates") -> None:
    from bench.analysis.recommend import PREFERENCES
    from bench.metrics.registry import metric
    from bench.report.format import day, with_unit
    from bench.schema.model_run import INSTRUMENT

    console = Console() if Console().is_terminal else Console(width=140)
    newest = max((one.result.run.started_utc for one in made), default=None)
    when = f", newest run {day(newest)}" if newest is not None else ""
    asked = f"with the prompts {found.prompts}"
    console.print(Text(f"Models on {machine} {asked}{when}; ordered by {prefer}.", style="bold"))
    preferred = metric(PREFERENCES[prefer])
    for verdict, heading in HEADINGS.items():
        group = [one for one in made if one.verdict == verdict]
        if not group:
            continue
        table = Table(title=Text(f"{heading}: {len(group)}"), title_justify="left", box=box.SIMPLE_HEAD)
        table.add_column("model", overflow="fold")
        table.add_column(preferred.name.lower(), justify="right", no_wrap=True)
        table.add_column("front", no_wrap=True)
        table.add_column("because", overflow="fold")
        for one in group:
            table.add_row(
                Text(f"{one.model.name} ({INSTRUMENT})" if one.model.instrument else one.model.name),
                with_unit(one.preferred, preferred.unit),
                "yes" if one.on_front else "",
                Text("; ".join(_because(finding, limits) for finding in _telling(one)) or "no limit was given"),
            )
        console.print(table)
    if found.instruments:
        names = ", ".join(found.instruments)
        console.print(Text(f"Left out as test instruments (--instruments takes them in): {names}"))
    if not made:
        other = " but test instruments" if found.instruments else ""
        console.print(f"No model{other} has answered on this machine.")
        return
    console.print(Text("front: no other model that is left is as good in quality, speed and memory and better in one."))
    if found.left_out:
        names = ", ".join(f"{name} ({', '.join(sets)})" for name, sets in found.left_out.items())
        console.print(Text(f"Not compared, asked other prompts or with other settings (--prompts chooses): {names}"))


def _telling(one: Any) -> list[Any]:
    """Return the findings that decided, or all of them for a model that meets everything."""
    return [finding for finding in one.findings if one.verdict in ("meets", finding.verdict)]


def _because(finding: Any, limits: Any) -> str:
    from bench.metrics.registry import metric
    from bench.report.format import with_unit

    if finding.estimate is None:
        return f"licence: {finding.why}"
    name, _, statistic = finding.what.partition(".")
    chosen = metric(name)
    label = f"{chosen.name} {statistic}".strip() if statistic else chosen.label.lower()
    if finding.estimate.value is None:
        return f"{label} is not known: {finding.why}"
    bound = next(limit.bound for limit in limits if limit.metric_id == finding.what)
    value = with_unit(finding.estimate.value, chosen.unit)
    interval = finding.estimate.interval
    if interval is not None:
        value += f" ({with_unit(interval.low, chosen.unit)} to {with_unit(interval.high, chosen.unit)})"
    return f"{label} {value}, {WORDS[chosen.direction][finding.verdict]} {with_unit(bound, chosen.unit)}"


def _row(one: Any) -> dict[str, Any]:
    return {
        "model": one.model.name,
        "instrument": one.model.instrument,
        "run": one.result.run.id,
        "verdict": one.verdict,
        "preferred": one.preferred,
        "on_front": one.on_front,
        "findings": [{"limit": found.what, "verdict": found.verdict, **_numbers(found)} for found in one.findings],
    }


def _numbers(finding: Any) -> dict[str, Any]:
    estimate = finding.estimate
    interval = None if estimate is None else estimate.interval
    return {
        "value": None if estimate is None else estimate.value,
        "low": None if interval is None else interval.low,
        "high": None if interval is None else interval.high,
        "why": finding.why,
    }
