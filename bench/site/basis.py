"""What the program's scores of a run rest on: which checks test how many facets, and what no program can tell."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from bench.quality.checks import CHECKS
from bench.site import format as form
from bench.site.ledger import Board
from bench.site.tables import Cell, Table, count_column, name_column, table, text_column

JUDGED: Final = "judged"
"""The check that leaves a facet to judges and people."""


@dataclass(frozen=True)
class Basis:
    """The checks of the newest run of a machine."""

    machine: str
    sentence: str
    table: Table | None
    context: str


def basis(board: Board) -> Basis:
    """Return what the program's scores of a machine's newest run rest on, the most frequent check first."""
    prompts = board.result.prompt_set.prompts
    facets = {(prompt.id, facet.id): facet.check for prompt in prompts for facet in prompt.facets}
    counted = Counter(facets.values())
    told: Counter[str] = Counter()
    untold: Counter[str] = Counter()
    for grade in board.result.grades:
        for one in grade.facets:
            check = facets.get((grade.prompt, one.facet))
            if check is not None:
                (untold if one.credit is None else told)[check] += 1
    checks = [check for check, _ in counted.most_common()]
    rows = [
        name_column("Check", [Cell(check) for check in checks]),
        text_column("What it tests", [_says(check) for check in checks]),
        count_column("Facets", [counted[check] for check in checks]),
        count_column("Graded", [told[check] for check in checks], unit="facets of answers"),
        count_column("Could not tell", [untold[check] for check in checks], unit="facets of answers"),
    ]
    return Basis(
        machine=board.machine,
        sentence=_sentence(counted, sum(bool(prompt.facets) for prompt in prompts), untold.total()),
        table=table(f"Checks on {board.machine}", rows) if checks else None,
        context=board.context,
    )


def _says(check: str) -> str:
    if check == JUDGED:
        return "nothing: a program cannot tell, so it is left to judges and people"
    return CHECKS[check].says if check in CHECKS else "a check that this version does not know"


def _sentence(counted: Counter[str], prompts: int, untold: int) -> str:
    if not counted:
        return "On nothing: no prompt of this run has a rubric."
    left = counted[JUDGED]
    others = f" {form.count(left, 'facet is', 'facets are')} left to judges and people." if left else ""
    not_told = f" Of the facets of answers, {untold} could not be told by a program." if untold else ""
    tested = counted.total() - left
    return (
        f"On {form.count(tested, 'facet')} of {form.count(prompts, 'prompt')}: each is one thing that a program can "
        f"count, find or compare.{others}{not_told}"
    )
