"""What the program's scores of a run rest on: which checks test how many facets, and what no program can tell."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.quality.checks import CHECKS, JUDGED
from bench.site import format as form
from bench.site.ledger import Board
from bench.site.naming import joined
from bench.site.tables import Cell, Table, count_column, name_column, table, text_column


@dataclass(frozen=True)
class Basis:
    """The checks of a prompt set, in the newest runs of the machines that asked it."""

    machines: str
    sentence: str
    table: Table | None
    context: str


def bases(boards: Sequence[Board]) -> tuple[Basis, ...]:
    """Return what the program's scores of the newest runs rest on, by prompt set in the order of the machines."""
    groups: dict[str, list[Board]] = {}
    for board in boards:
        groups.setdefault(board.result.prompt_set.sha256, []).append(board)
    return tuple(_basis(some) for some in groups.values())


def _basis(boards: Sequence[Board]) -> Basis:
    """Return the basis of runs of one prompt set, the most frequent check first."""
    prompts = boards[0].result.prompt_set.prompts
    facets = {(prompt.id, facet.id): facet.check for prompt in prompts for facet in prompt.facets}
    counted = Counter(facets.values())
    told: Counter[str] = Counter()
    untold: Counter[str] = Counter()
    for grade in (grade for board in boards for grade in board.result.grades):
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
        machines=joined([board.heading for board in boards]),
        sentence=_sentence(counted, sum(bool(prompt.facets) for prompt in prompts), untold.total()),
        table=table(f"Checks of {boards[0].result.prompt_set.title}", rows) if checks else None,
        context="; ".join(f"{board.machine}, {form.minute(board.result.run.started_utc)}" for board in boards),
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
