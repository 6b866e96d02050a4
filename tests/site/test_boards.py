"""Which run stands for what on the pages that compare: the newest of each prompt set on each machine."""

from datetime import timedelta
from typing import Any

from bench.schema.result import Pairing, Result
from bench.site.dataset import Site, site
from bench.site.pages.overview import overview
from bench.site.pages.prompt import prompt_list, prompts_of
from bench.store.files import Ledger
from tests.builders import STARTED_UTC, model_run, prompt, result, sample
from tests.site_project import views


def run(day: int, prompts: str, *models: str, **fields: Any) -> Result:
    """Return a run on a day of January, of a prompt set with this id and one prompt."""
    named = prompt(id=f"{prompts}-1")
    made = result(
        [model_run(name=name, samples=(sample(prompt=named.id),)) for name in models],
        prompts=[named],
        started_utc=STARTED_UTC + timedelta(days=day),
        **fields,
    )
    of = made.prompt_set.model_copy(update={"id": prompts, "title": prompts.capitalize(), "sha256": prompts})
    return made.model_copy(update={"prompt_set": of})


def of(*results: Result) -> Site:
    return site(Ledger(results, ()))


def in_turns(one: Result) -> Result:
    """Return a run as one side of two configs that took turns."""
    pairing = Pairing(side="A", other="laptop/other", blocks=("A", "B"))
    return one.model_copy(update={"run": one.run.model_copy(update={"pairing": pairing})})


def test_each_prompt_set_of_a_machine_has_a_section_of_its_own_the_newest_first() -> None:
    shown = of(
        run(0, "notes", "a", "b"), run(1, "default", "a", "b"), run(2, "default", "a", "b"), run(3, "notes", "a")
    )

    assert [(one.heading, one.anchor, len(one.answering)) for one in shown.boards] == [
        ("laptop · Notes", "machine-laptop", 1),
        ("laptop · Default", "machine-laptop..default", 2),
    ]
    assert views(overview(shown).sections)[0].answer == "Only a answered in this run: nothing to compare it with."
    assert overview(shown).jump == "Machines and prompts:"
    assert list(prompts_of(shown)) == ["notes-1", "default-1"]
    assert [one.board.heading for one in views(prompt_list(shown))] == ["laptop · Notes", "laptop · Default"]


def test_machines_stand_in_the_order_of_their_newest_runs() -> None:
    shown = of(run(0, "default", "a"), run(1, "default", "a", machine_name="kiosk"), run(2, "notes", "a"))

    assert [(one.machine, one.prompt_set) for one in shown.boards] == [
        ("laptop", "notes"),
        ("laptop", "default"),
        ("kiosk", "default"),
    ]
    assert [one.heading for one in shown.boards] == ["laptop · Notes", "laptop · Default", "kiosk"]


def test_a_run_in_turns_stands_for_a_prompt_set_only_where_nothing_else_does() -> None:
    alone, beside = run(0, "default", "a", "b"), in_turns(run(1, "default", "a"))

    assert [one.result for one in of(alone, beside).boards] == [alone]
    assert [one.result for one in of(beside).boards] == [beside]


def test_a_history_is_of_the_prompts_of_its_section() -> None:
    shown = of(run(0, "default", "a"), run(1, "default", "a"), run(2, "notes", "a"))

    assert len(shown.history("a", "laptop", "default")) == 2
    assert len(shown.history("a", "laptop", "notes")) == 1
    # Without a set it is that of the newest run.
    assert len(shown.history("a", "laptop")) == 1
