"""Commands that score a run which is there already: judge, annotate.

A blind session in the terminal shows an answer and takes the keys that score it; a judge shows how far it is.
"""

import getpass
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.commands.options import CONTEXT, SEED, results_option
from bench.errors import BenchError, ConfigError, Mistake, UsageError

if TYPE_CHECKING:
    from bench.quality.judge.judging import JudgedRun, JudgingProgress
    from bench.quality.review.annotate import BlindSession, FacetPlace
    from bench.schema.review import Annotations
    from bench.store.reviews import Reviewed


def hold(session: "BlindSession", known: "Annotations", path: Path, now: Callable[[], datetime]) -> None:
    """Show one facet after the other and take a key for each; every score is in the file before the next is asked.

    Ends with the last facet, with q, with Ctrl-C, or with the end of the input.
    """
    from bench.quality.review.annotate import with_scores
    from bench.store.reviews import save_annotations

    click.echo(f"{session.facets - session.scored} of {session.facets} facets to score. {_keys()}")
    shown: FacetPlace | None = None
    while (place := session.current) is not None:
        _show(place, shown, session)
        shown = place
        key = _key()
        if key in "12345":
            session.score(int(key))
        elif key == "s":
            session.skip()
        elif key == "u":
            if not session.undo():
                click.echo("nothing to undo")
                continue
            shown = None
        else:
            return
        if key != "s":
            save_annotations(with_scores(known, session.scores, now().date()), path)


def _keys() -> str:
    from bench.schema.review import SCORES

    return f"{SCORES[0]} not met at all ... {SCORES[-1]} fully met, s skip, u undo, q quit"


def _show(place: "FacetPlace", before: "FacetPlace | None", session: "BlindSession") -> None:
    from bench.store.distinct_answers import visible

    prompt = place.answer.prompt
    if before is None or before.answer != place.answer:
        click.echo(f"\n--- answer {place.answer_number} of {session.answers} ---")
        click.echo(_quoted("Prompt", prompt.transcript))
        click.echo(_quoted("Answer", place.answer.text))
    says = " ".join(visible(place.facet.says).split())
    click.echo(f"[{place.facet_number}/{len(prompt.facets)}] {says} ", nl=False)


def _quoted(title: str, text: str) -> str:
    from bench.store.distinct_answers import visible

    # What a model wrote cannot pass for what this program says: each line of it has a bar before it.
    width = max(shutil.get_terminal_size().columns - 6, 20)
    lines = [piece for line in visible(text).split("\n") for piece in (_wrapped(line, width) or [""])]
    return f"{title}:\n" + "\n".join(f"  | {line}" for line in lines)


def _wrapped(line: str, width: int) -> list[str]:
    return textwrap.wrap(line, width, replace_whitespace=False, drop_whitespace=False)


def _key() -> str:
    """Return the next key that means something; q at the end of the input or for Ctrl-C."""
    while True:
        try:
            typed = click.getchar() if sys.stdin.isatty() else sys.stdin.read(1)
        except (KeyboardInterrupt, EOFError):
            typed = ""
        key = typed.lower() or "q"
        if len(key) == 1 and key in "12345suq":
            click.echo(key)
            return key
        if not key.isspace():
            click.echo(f"\n{_keys()}: ", nl=False)


PLAIN_EVERY_S = 5.0
"""How often a line is printed where the output is no terminal."""


@contextmanager
def showing(name: str, quiet: bool) -> Iterator[Callable[["JudgingProgress"], None]]:
    """Show how far a judge is: a bar in a terminal, a line now and then elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(file=sys.stderr, quiet=quiet)
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(name, total=None)
            yield lambda at: bar.update(task, total=at.total, completed=at.done, description=f"{name}: {at.stage}")
        return
    last_s = -PLAIN_EVERY_S

    def line(at: "JudgingProgress") -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if not quiet and (now_s - last_s >= PLAIN_EVERY_S or at.done == at.total):
            last_s = now_s
            click.echo(f"{name}: {at.stage}, {at.done}/{at.total}, {at.unread} not read in full", err=True)

    yield line


def print_judgement(reviewed: "Reviewed", judged: "JudgedRun") -> None:
    """Print what a judgement came to, and what speaks for or against the judge."""
    from bench.analysis.agreement import agreement
    from bench.analysis.ratings import judge_bias
    from bench.report.format import coefficient, count, number, share, short
    from bench.store.distinct_answers import visible
    from bench.store.reviews import reviews_beside

    header = judged.judgement.header
    first = [verdict for verdict in judged.judgement.verdicts if verdict.reading == 1]
    whole = sum(verdict.problem is None for verdict in first)
    click.echo(
        f"{header.judge} on {header.run}: {count(len(first), 'answer')} judged, {whole} with a score for each facet, "
        f"{len(first) - whole} unscored in part or in whole"
    )
    if not judged.asked:
        click.echo("  nothing was left to ask")
    if header.judges_itself:
        click.echo(f"  it judges itself: {', '.join(map(visible, header.judges_itself))}")
    measured = judge_bias(reviewed.result, judged.judgement)
    consistency, position, verbosity = measured.consistency, measured.position, measured.verbosity
    if consistency.equal_share is None or consistency.mean_absolute_difference is None:
        click.echo(f"  judged twice: {consistency.why}")
    else:
        click.echo(
            f"  judged twice: {share(consistency.equal_share)} of {count(consistency.facets, 'score')} the same, "
            f"{number(consistency.mean_absolute_difference)} apart on average"
        )
    if position.flip_share is None:
        click.echo(f"  both orders: {position.why}")
    else:
        click.echo(
            f"  both orders: {share(position.flip_share)} of {count(position.pairs, 'pair')} flip, "
            f"{position.first_both} for the answer shown first, {position.second_both} for the other"
        )
    if verbosity.correlation is None:
        click.echo(f"  score against length: {verbosity.why}")
    else:
        program = "" if verbosity.program is None else f" (the program's: {coefficient(verbosity.program)})"
        click.echo(f"  score against length: rank correlation {coefficient(verbosity.correlation)}{program}")
    for reliability in agreement(reviewed.result, reviews_beside(reviewed.path, header.run)).judges:
        if reliability.judge.name == header.judge:
            value = reliability.agreement.value
            if value is None:
                click.echo(f"  agreement with people: {reliability.agreement.why}")
            else:
                low = f", below the {short(reliability.needed)} that is asked for" if reliability.below else ""
                click.echo(f"  agreement with people: kappa {coefficient(value)}{low}")
    click.echo(f"Wrote {judged.path}; commit it beside the result.")


DEFAULT_RESULTS = Path("results")


@click.command(context_settings=CONTEXT)
@click.argument("run")
@results_option
@click.option(
    "--judge",
    "judge_name",
    required=True,
    help="The judge: a config with one model, the name of one that ships (judge, judge-endpoint), or an alias.",
)
@click.option(
    "--repeat",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="Answers that are judged a second time, to see whether the scores stay.",
)
@click.option(
    "--pairs",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="Pairs of answers that are compared in both orders, to see whether the order matters.",
)
@click.option("--seed", type=SEED, default=42, show_default=True, help="Seed of the two samples.")
@click.option("--retry", is_flag=True, help="Ask again for verdicts that could not be read.")
@click.option("--wait", is_flag=True, help="Wait for a run on this machine to end.")
@click.option("--quiet", is_flag=True, help="Print the judgement file's path and nothing else.")
def judge(
    run: str,
    results_dir: Path,
    judge_name: str,
    repeat: int,
    pairs: int,
    seed: int,
    retry: bool,
    wait: bool,
    quiet: bool,
) -> None:
    """Let a second model score the answers of RUN: a result file, a run id, or latest.

    The run's models are not asked again. Each verdict is kept as it comes, in a file beside the result: where the judge
    was down, the same command goes on. Exits with 1 if the judge is down, or none of its verdicts could be read.

    \b
    bench judge latest --judge my-judge.yaml
    bench judge kiosk/20261122T103040Z-1a2b3c4d5e-default --judge qwen2.5-14b
    bench judge latest --judge judge --repeat 0 --pairs 0
    """
    from bench.quality.judge.judging import Asking, judge_config
    from bench.quality.judge.judging import judge as judged_by
    from bench.runner.lock import machine_lock
    from bench.store.reviews import find_run

    reviewed = find_run(run, results_dir)
    asking = Asking(judge_config(judge_name, os.environ), repeat, pairs, seed, retry)
    with machine_lock(wait), showing(asking.config.models[0].name, quiet) as on_progress:
        judged = judged_by(reviewed, asking, on_progress, _now)
    if quiet:
        click.echo(str(judged.path))
    else:
        print_judgement(reviewed, judged)
    judgement = judged.judgement
    if not any(facet.score is not None for verdict in judgement.verdicts for facet in verdict.facets):
        message = f"the judge {judgement.header.judge} gave no score that can be read; its replies are in {judged.path}"
        raise BenchError(message)


@click.command(context_settings=CONTEXT)
@click.argument("run")
@results_option
@click.option("--annotator", help="Your name in the file's name.  [default: git's user.name, else the login]")
@click.option(
    "--sample",
    type=click.IntRange(1, 1_000_000_000),
    help="Score so many answers only, spread over prompts and models.",
)
@click.option("--seed", type=SEED, help="Seed of the order and the sample.  [default: 42]")
@click.option("--stub", type=click.Path(path_type=Path, dir_okay=False), help="Write a form for an editor instead.")
@click.option(
    "--import", "form", type=click.Path(path_type=Path, dir_okay=False), help="Read a form that was filled in."
)
def annotate(
    run: str,
    results_dir: Path,
    annotator: str | None,
    sample: int | None,
    seed: int | None,
    stub: Path | None,
    form: Path | None,
) -> None:
    """Score the answers of RUN by hand: a result file, a run id, or latest.

    Answers come in a shuffled order and without the names of models. A key is a score: 1 not met at all, 5 fully met;
    s skips, u undoes, q quits. Each score is kept at once, in a file beside the result: the same command goes on.

    \b
    bench annotate latest
    bench annotate latest --annotator ann --sample 40
    bench annotate latest --stub scores.yaml
    bench annotate latest --import scores.yaml
    """
    from bench.quality.review.annotate import BlindSession, chosen, given
    from bench.quality.review.annotate import stub as empty_form
    from bench.store.reviews import annotations_path, find_run, save_stub

    if stub is not None and form is not None:
        raise UsageError("--stub writes a form and --import reads one: give one of the two")
    reviewed = find_run(run, results_dir)
    if form is not None:
        _read_form(reviewed, form, annotator)
        return
    name = annotator or _default_annotator()
    path = annotations_path(reviewed.path, name)
    known = _known(reviewed, path, name, seed, sample)
    answers = chosen(reviewed.result, known)
    if not answers:
        raise UsageError(f"{reviewed.path}: there is no answer to a prompt with a rubric, and so nothing to score")
    if stub is not None:
        where = "" if results_dir == DEFAULT_RESULTS else f" --results {results_dir}"
        command = f"bench annotate {reviewed.result.run.id}{where} --annotator {name!r} --import {stub}"
        save_stub(empty_form(reviewed.result, known), reviewed.result, stub, command)
        click.echo(f"Wrote {stub}, with {len(answers)} answers. Fill it in, then: {command}")
        return
    session = BlindSession(answers, given(known))
    hold(session, known, path, _now)
    click.echo(f"{session.scored} of {session.facets} facets scored by {name}.")
    if session.scored < session.facets:
        click.echo("The same command goes on with the others.")
    if path.exists():
        click.echo(f"The scores are in {path}; commit it beside the result.")


def _read_form(reviewed: "Reviewed", form: Path, annotator: str | None) -> None:
    from bench.quality.review.annotate import given, with_notes, with_scores
    from bench.store.reviews import annotations_path, load_annotations, name_slug, save_annotations

    read = load_annotations(form, reviewed.result)
    if annotator is not None and name_slug(annotator) != name_slug(read.annotator):
        message = (
            f"the form is of {read.annotator!r}, and --annotator says {annotator!r}; a file has one person's scores"
        )
        raise ConfigError(form, [Mistake(None, "annotator", message)])
    path = annotations_path(reviewed.path, read.annotator)
    known = _known(reviewed, path, read.annotator, read.seed, read.sample)
    before, scores = given(known), given(read)
    merged = with_notes(with_scores(known, scores, _now().date()), read)
    save_annotations(merged, path)
    changed = sum(before.get(key, score) != score for key, score in scores.items())
    counted = f"{len(scores)} score{'' if len(scores) == 1 else 's'}"
    click.echo(f"Read {counted} from {form}, {changed} in place of others. Wrote {path}")
    _warn_of_uncounted(merged, reviewed)


def _known(reviewed: "Reviewed", path: Path, name: str, seed: int | None, sample: int | None) -> "Annotations":
    """Return what a person has scored so far, with the seed and sample that are asked for, else those of the file."""
    from bench.quality.review.annotate import empty_annotations
    from bench.store.reviews import load_annotations, name_slug

    if not path.exists():
        return empty_annotations(reviewed.result, name, 42 if seed is None else seed, sample, _now().date())
    known = load_annotations(path, reviewed.result)
    if name.casefold() not in (known.annotator.casefold(), name_slug(known.annotator)):
        raise UsageError(
            f"{path}: has the scores of {known.annotator!r}, and {name!r} would be written to the same file; "
            "choose another name with --annotator"
        )
    _warn_of_uncounted(known, reviewed)
    asked = {"seed": seed, "sample": sample}
    return known.model_copy(update={key: value for key, value in asked.items() if value is not None})


def _warn_of_uncounted(annotations: "Annotations", reviewed: "Reviewed") -> None:
    from bench.store.reviews import uncounted

    for line in uncounted(annotations, reviewed.result):
        click.echo(f"bench: {line}", err=True)


def _default_annotator() -> str:
    try:
        configured = subprocess.run(
            ("git", "config", "user.name"), capture_output=True, text=True, timeout=10, check=False
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        configured = ""
    if configured:
        return configured
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError) as error:
        raise UsageError("your name is not known here; give it with --annotator") from error


def _now() -> datetime:
    from bench.schema.fields import sound_clock

    return sound_clock(datetime.now(UTC).replace(microsecond=0))
