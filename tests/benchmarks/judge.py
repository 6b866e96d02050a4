"""How a judge scores answers to the shipped prompts that were written to test it, beside the program.

    python -m tests.benchmarks.judge
    python -m tests.benchmarks.judge --judge my-judge.yaml --answers my-answers.yaml --pairs 40

Three answers to each prompt of the seven sets, a good one, a middling one and a bad one, without those that the
reference judge was taught with. The judge is asked as `bench judge` asks it, in the runtime of its config, and some
pairs in both orders. Beside it stand two judges that read nothing: one that always gives a 5, and one that knows the
most frequent score of each facet among these very answers.
"""

from __future__ import annotations

import os
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import click
import yaml
from rich.progress import Progress

from bench.analysis.coefficients import Coefficient, quadratic_kappa
from bench.config import Config
from bench.quality.answers import Answer
from bench.quality.asking import judge_config
from bench.quality.checks import grade_answer
from bench.quality.judge_reply import read_preference, read_scores
from bench.quality.prompt_set import load_prompt_set
from bench.quality.questions import AnswerQuestion, PairQuestion, Question
from bench.reference.judge.shipped import load_shipped_prompts
from bench.rubric import PromptRecord
from bench.runner.child import Job
from bench.runner.measure import Measured
from bench.runner.plan import Step
from bench.runner.reports import Report
from bench.runner.supervise import Heard, supervise

ANSWERS = Path(__file__).parent / "judge_answers.yaml"
SETS = ("default", "workshop", "smoke", "extraction", "json", "safety", "summarisation")
MANNERS = ("good", "middling", "bad")
SEED = 7


@dataclass(frozen=True)
class Scored:
    """A facet of an answer: the program's score and the judge's, which is None where its reply has none."""

    prompt_set: str
    manner: str
    answer: str
    facet: str
    check: str
    program: float
    judge: int | None


def load_answers(path: Path) -> list[tuple[str, str, Answer]]:
    """Return each answer with its set and its manner, in the order of the sets.

    Left out are those that the reference judge was taught with, spaces and case apart: of some prompts every right
    answer is the same.
    """
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    taught = {_bare(answer) for one in load_shipped_prompts() for answer in one.written}
    found = []
    for name in SETS:
        for prompt in load_prompt_set(name).prompts:
            for place, text in enumerate(written.get(f"{name}/{prompt.id}", ())):
                if _bare(text) in taught:
                    continue
                manner = MANNERS[place] if place < len(MANNERS) else "other"
                found.append((name, manner, Answer(prompt, f"{name}/{prompt.id}/{place}", text, ())))
    return found


def _bare(answer: str) -> str:
    return "".join(answer.split()).casefold()


def choose_pairs(found: Sequence[tuple[str, str, Answer]], count: int) -> list[tuple[Answer, Answer]]:
    """A seeded sample of pairs of answers to one prompt."""
    of_prompt: dict[str, list[Answer]] = defaultdict(list)
    for name, _, answer in found:
        of_prompt[f"{name}/{answer.prompt.id}"].append(answer)
    every = [pair for group in of_prompt.values() for pair in combinations(group, 2)]
    return random.Random(SEED).sample(every, min(count, len(every)))


def ask(config: Config, questions: Sequence[Question]) -> list[str | None]:
    """Return what the judge replies to each question, in order."""
    (model,) = config.models
    replies: list[str | None] = [None] * len(questions)
    steps = [Step(place, 1, _as_prompt(place, question)) for place, question in enumerate(questions)]
    with Progress() as progress:
        bar = progress.add_task("judging", total=len(questions))

        def listen(_: Heard, report: Report | None) -> None:
            if isinstance(report, Measured):
                replies[report.sample.position] = report.text
                progress.advance(bar)

        heard = supervise(Job(model, config, tuple(steps)), listen)
    if heard.failure is not None:
        raise click.ClickException(f"the judge is down ({heard.failure.kind}): {heard.failure.message}")
    return replies


def _as_prompt(place: int, question: Question) -> PromptRecord:
    return PromptRecord(
        id=f"question-{place}", title="", category="", text=question.text, max_output_tokens=None, facets=()
    )


def score(found: Sequence[tuple[str, str, Answer]], replies: Sequence[str | None]) -> list[Scored]:
    """Every facet that the program can tell."""
    rows = []
    for (name, manner, answer), reply in zip(found, replies, strict=True):
        said = {one.facet: one.score for one in read_scores(reply or "", [f.id for f in answer.prompt.facets]).facets}
        for facet, grade in zip(answer.prompt.facets, grade_answer(answer.prompt, answer.text), strict=True):
            if grade.credit is not None:
                program = 1 + 4 * grade.credit
                rows.append(Scored(name, manner, answer.output, facet.id, facet.check, program, said[facet.id]))
    return rows


def _row(title: str, rows: Sequence[Scored]) -> str:
    read = [row for row in rows if row.judge is not None]
    if not read:
        return f"{title:18} {len(rows):7} {0:7}"
    kinds: dict[str, Counter[int]] = defaultdict(Counter)
    for row in rows:
        kinds[f"{row.answer.rsplit('/', 1)[0]}/{row.facet}"][round(row.program)] += 1
    usual = [kinds[f"{row.answer.rsplit('/', 1)[0]}/{row.facet}"].most_common(1)[0][0] for row in read]
    program, answers = [row.program for row in read], [row.answer for row in read]
    equal = sum(round(row.program) == row.judge for row in read) / len(read)
    fives = sum(round(row.program) == 5 for row in read) / len(read)
    kappa = quadratic_kappa(program, [float(row.judge or 0) for row in read], answers, SEED)
    guess = quadratic_kappa(program, [float(one) for one in usual], answers, SEED)
    return f"{title:18} {len(rows):7} {len(read):7} {equal:6.0%} {_kappa(kappa):>22} {fives:9.0%} {_kappa(guess):>22}"


def _kappa(found: Coefficient) -> str:
    if found.value is None:
        return "-"
    interval = "" if found.low is None else f" ({found.low:.2f} to {found.high:.2f})"
    return f"{found.value:.2f}{interval}"


def _pairs(chosen: Sequence[tuple[Answer, Answer]], replies: Sequence[str | None]) -> str:
    compared = flips = told = right = 0
    for place, (one, other) in enumerate(chosen):
        first, turned = (read_preference(reply or "").better for reply in replies[2 * place : 2 * place + 2])
        if first is None or turned is None:
            continue
        compared += 1
        flips += first != {"A": "B", "B": "A", "neither": "neither"}[turned]
        sums = [sum(g.credit or 0 for g in grade_answer(one.prompt, answer.text)) for answer in (one, other)]
        if sums[0] != sums[1]:
            told += 1
            right += first == ("A" if sums[0] > sums[1] else "B")
    return (
        f"{compared} of {len(chosen)} pairs have a verdict in both orders; {flips} flip with the order; "
        f"of {told} that differ for the program, {right} are told right in the first order"
    )


@click.command()
@click.option("--judge", default="judge", show_default=True, help="A config with one model, or an alias.")
@click.option(
    "--answers", type=click.Path(exists=True, path_type=Path), default=ANSWERS, help="Answers to each prompt."
)
@click.option("--pairs", "pair_count", default=40, show_default=True, help="Pairs that are compared in both orders.")
def main(judge: str, answers: Path, pair_count: int) -> None:
    """Ask a judge about answers that were written to test it."""
    found = load_answers(answers)
    chosen = choose_pairs(found, pair_count)
    questions: list[Question] = [AnswerQuestion(answer, 1) for _, _, answer in found]
    questions += [
        question for one, other in chosen for question in (PairQuestion(one, other), PairQuestion(other, one))
    ]
    replies = ask(judge_config(judge, os.environ), questions)
    rows = score(found, replies[: len(found)])
    click.echo(
        f"{'':18} {'facets':>7} {'scored':>7} {'equal':>6} {'kappa (95 %)':>22} {'always 5':>9} {'usual score':>22}"
    )
    click.echo(_row("all", rows))
    for name in SETS:
        click.echo(_row(name, [row for row in rows if row.prompt_set == name]))
    for manner in MANNERS:
        click.echo(_row(manner, [row for row in rows if row.manner == manner]))
    for check, _ in Counter(row.check for row in rows).most_common():
        click.echo(_row(check, [row for row in rows if row.check == check]))
    click.echo(_pairs(chosen, replies[len(found) :]))


if __name__ == "__main__":
    main()
