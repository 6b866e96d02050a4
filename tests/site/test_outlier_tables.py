"""Outliers on pages: what was expected, how far they are off, and what the machine did meanwhile."""

from typing import Any

from bench.report.tables import Table
from bench.schema.machine import MachineWatch, Probe
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from bench.site.dataset import site
from bench.site.sections.outlier_tables import outlier_table, unlike_of_model, unlike_on_prompt
from bench.store.files import Ledger
from tests import builders
from tests.builders import MILLISECOND_NS as MS

PROMPTS = tuple(builders.prompt(id=f"p{number}", title=f"Prompt {number}") for number in range(1, 6))


def probe(compute_ms: int, load_average: float | None) -> Probe:
    return Probe(compute_ns=compute_ms * MS, memory_ns=MS, cpu_hz=None, temperature_c=None, load_average=load_average)


def steady(name: str, **fields: Any) -> ModelRun:
    """Return a model that is asked two prompts five times, and is three times as slow in the third round."""
    samples = []
    start_ns = 0
    for round_ in range(1, 6):
        for place, prompt in enumerate(PROMPTS[:2]):
            latency_ns = (100 + round_) * MS * (3 if round_ == 3 else 1)
            samples.append(
                builders.sample(
                    prompt=prompt.id,
                    round=round_,
                    position=2 * (round_ - 1) + place,
                    start_ns=start_ns,
                    chunk_ns=(latency_ns // 2, latency_ns),
                    end_ns=latency_ns,
                    shared_reads=1 if round_ == 3 else 0,
                )
            )
            start_ns += latency_ns
    return builders.model_run(name=name, samples=tuple(samples), **fields)


def outlying(result: Result) -> Table | None:
    shown = site(Ledger((result,), ()))
    return outlier_table(shown, shown.boards[0], "p1", "report/prompts/p1.html")


def row(shown: Table | None) -> dict[str, tuple[str, str]]:
    """Return the only row of a table by its heads: the text of each cell and its small type."""
    assert shown is not None
    (cells,) = shown.rows
    return {column.label: (cell.text, cell.small) for column, cell in zip(shown.columns, cells, strict=True)}


def test_an_outlier_is_shown_beside_what_the_machine_did() -> None:
    # 309 ms against a median of 104 (101, 102, 104, 105 and 309): the distances of the logarithms from it are 0.0293,
    # 0.0194, 0, 0.0096 and 1.089. Their median is 0.0194: the score is 0.6745 * 1.089 / 0.0194, and the limits lie
    # 3.5 * 0.0194 / 0.6745 = 0.101 away, at 94 and 115 ms.
    watch = MachineWatch(
        before=probe(200, 0.5), after=probe(230, 2.25), period_ns=50 * MS, late_ns=(0, 9 * MS), steal_share=None
    )
    found = row(outlying(builders.result([steady("a", machine_watch=watch)], prompts=PROMPTS)))

    assert found == {
        "Model": ("a", "940k · int8 · CPU"),
        "Round": ("3", "2 of 5 prompts"),
        "Latency": ("309", ""),
        "Expected": ("104", "94–115"),
        "How far": ("×\u00a02.97", "37.8 deviations"),
        "Machine": ("15.0 % slower", ""),
        "Woke late": ("9\u00a0ms", "at worst, of the model"),
        "Load": ("0.5 → 2.25", ""),
        "Shared reads": ("1", ""),
    }


def test_late_readings_around_a_sample_say_within_which_time() -> None:
    # 32 readings take 1,607 ms, the samples 1,442 and the load 40: 125 are left, and the slow sample takes 309.
    watch = MachineWatch(
        before=probe(200, None),
        after=probe(200, None),
        period_ns=50 * MS,
        late_ns=(0,) * 31 + (7 * MS,),
        steal_share=None,
    )
    found = row(outlying(builders.result([steady("a", machine_watch=watch)], prompts=PROMPTS)))

    assert found["Woke late"] == ("0\u00a0ms", "within 434\u00a0ms")
    assert found["Machine"] == ("unchanged", "")
    assert found["Load"] == ("– → –", "")


def test_a_machine_that_nobody_watched_says_so_once() -> None:
    shown = outlying(builders.result([steady("a")], prompts=PROMPTS))

    assert [row(shown)[head][0] for head in ("Machine", "Woke late", "Load")] == ["not watched"] * 3
    assert shown is not None
    assert [note.text for note in shown.notes] == ["the machine was not watched"]


def test_a_prompt_that_is_slow_for_one_model_is_on_its_page_and_on_the_model_s() -> None:
    # Models take 1, 2 and 4 times as long, prompts 1 to 5 times; c takes 6 times as long as that for p2.
    models = [
        builders.model_run(
            name=name,
            samples=tuple(
                one
                for place, prompt in enumerate(PROMPTS, start=1)
                for one in builders.samples(
                    [0.1 * times * place * (6 if (name, place) == ("c", 2) else 1) * wobble(name, place)],
                    prompt=prompt.id,
                    output_tokens=120 if (name, place) == ("c", 2) else 20,
                )
            ),
        )
        for name, times in (("a", 1), ("b", 2), ("c", 4))
    ]
    shown = site(Ledger((builders.result(models, prompts=PROMPTS),), ()))
    board = shown.boards[0]

    on_prompt = row(unlike_on_prompt(shown, board, "p2", "report/prompts/p2.html").table)
    of_model = row(unlike_of_model(shown, board.summary, "c", "report/models/c.html").table)

    assert on_prompt["Model"][0] == "c"
    assert of_model["Prompt"][0] == "Prompt 2"
    assert on_prompt["Latency"] == of_model["Latency"] == ("4.80", "")
    assert (on_prompt["Wrote"][0], on_prompt["Others wrote"][0]) == ("120", "20")
    assert unlike_on_prompt(shown, board, "p1", "").why.startswith("None: nothing is off by more than 3.5 robust")
    assert unlike_of_model(shown, board.summary, "a", "").table is None


def test_too_small_a_table_says_what_it_takes() -> None:
    shown = site(Ledger((builders.result([steady("a")], prompts=PROMPTS),), ()))

    found = unlike_on_prompt(shown, shown.boards[0], "p1", "")

    assert found.why == "Nobody can tell: it takes 3 models with good answers to the same 4 prompts."


def wobble(name: str, place: int) -> float:
    """Return a little that models and prompts do not explain."""
    return {("a", 1): 0.99, ("a", 4): 1.01, ("b", 1): 1.01, ("b", 4): 0.99}.get((name, place), 1.0)
