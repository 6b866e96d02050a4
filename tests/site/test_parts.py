"""The parts of a page: tables, colours, small lines, the front, the places of names, reasons for doubt."""

from bench.analysis.summary import summarise
from bench.report.palette import marks
from bench.report.tables import Cell, CellKind, CellValue, name_column, number_column, table, text_column
from bench.schema.machine import ClientCheck, MachineWatch, Probe
from bench.site.charts.figures import sparkline
from bench.site.charts.trade_off import ParetoPoint, Spot, pareto_front, place
from bench.site.sections.badges import badges, caveats
from tests import builders


def test_the_best_of_a_column_is_marked() -> None:
    column = number_column(
        "Latency", "s", [CellValue(0.2), CellValue(0.1), CellValue(None, "few", "12 samples")], "lower"
    )

    assert [cell.best for cell in column.cells] == [False, True, False]
    assert [cell.text for cell in column.cells] == ["200", "100", "too few"]
    assert column.unit == "ms"


def test_what_looks_equal_is_equally_good() -> None:
    column = number_column("Quality", "score", [CellValue(4.31), CellValue(4.29), CellValue(2.0)], "higher")

    assert [cell.best for cell in column.cells] == [True, True, False]


def test_what_the_client_cannot_tell_apart_is_shown_and_never_the_best() -> None:
    values = [CellValue(0.2), CellValue(0.001, "coarse", "below 3 ms", small="not resolvable"), CellValue(0.3)]
    column = number_column("TTFT", "s", values, "lower")

    assert [(cell.text, cell.kind, cell.best) for cell in column.cells] == [
        ("200", "value", True),
        ("1.00", "coarse", False),
        ("300", "value", False),
    ]
    assert (column.cells[1].small, column.cells[1].note) == ("not resolvable", "below 3 ms")


def test_an_estimate_that_is_the_best_stays_an_estimate() -> None:
    column = number_column("Energy", "J", [CellValue(2.0, small="estimate"), CellValue(3.0)], "lower")

    assert (column.cells[0].best, column.cells[0].small) == (True, "estimate")


def test_each_kind_of_missing_value_says_something_else() -> None:
    kinds: list[CellKind] = ["none", "few", "failed", "skipped", "absent"]
    column = number_column("Latency", "s", [CellValue(None, kind, "why") for kind in kinds])

    assert len({cell.text for cell in column.cells}) == len({cell.kind for cell in column.cells}) == len(kinds)


def test_one_value_alone_is_not_the_best() -> None:
    column = number_column("Latency", "s", [CellValue(0.2), CellValue(None, "none", "no clock")], "lower")

    assert not any(cell.best for cell in column.cells)


def test_missing_values_say_why_in_lettered_notes() -> None:
    shown = table(
        "Models",
        [
            name_column("Model", [Cell("a"), Cell("b"), Cell("c")]),
            number_column(
                "Memory",
                "bytes",
                [CellValue(None, "none", "not told"), CellValue(1e6), CellValue(None, "failed", "load")],
            ),
            text_column("Licence", [Cell("none", note="not told"), "MIT", "MIT"]),
        ],
    )

    assert [(note.letter, note.text) for note in shown.notes] == [("a", "not told"), ("b", "load")]
    assert [row[1].note_letter for row in shown.rows] == ["a", "", "b"]
    assert shown.rows[0][2].note_letter == "a"
    assert [row[1].kind for row in shown.rows] == ["none", "value", "failed"]


def test_a_new_model_never_changes_the_look_of_an_older_one() -> None:
    first = builders.result([builders.model_run(name="b")])
    second = builders.result([builders.model_run(name="a"), builders.model_run(name="b")])

    assert marks([first])["b"] == marks([first, second])["b"]


def test_marks_are_told_apart_by_colour_and_shape() -> None:
    many = builders.result([builders.model_run(name=f"m{number}") for number in range(60)])

    assert len(set(marks([many]).values())) == 60


def test_a_sparkline_spans_its_values() -> None:
    drawn = sparkline([1.0, 2.0, 3.0], colour=2)

    assert 'points="3.0,19.0 42.0,11.0 81.0,3.0"' in drawn
    assert 'class="bl-spark bl-c2"' in drawn


def test_a_sparkline_of_noise_stays_flat() -> None:
    drawn = sparkline([100.0, 100.1], colour=1)

    assert 'points="3.0,11.1 81.0,10.9"' in drawn


def test_the_front_has_what_nobody_beats() -> None:
    models = [
        ParetoPoint("fast", 100.0, 2.0),
        ParetoPoint("good", 10.0, 4.0),
        ParetoPoint("beaten", 9.0, 3.0),
        ParetoPoint("twin", 10.0, 4.0),
    ]

    assert [one.name for one in pareto_front(models, "higher")] == ["good", "twin", "fast"]
    assert [one.name for one in pareto_front(models, "lower")] == ["beaten", "good", "twin"]


def test_names_keep_clear_of_each_other_and_of_the_edge() -> None:
    spots = [Spot(0.98, 0.5, "right edge"), Spot(0.02, 0.5, "left edge"), Spot(0.05, 0.5, "beside it")]

    placed = place(spots, [], 500, 240)

    assert placed[0].align == "right"
    assert placed[1] != placed[2]


def test_a_sound_run_gives_no_doubt() -> None:
    samples = builders.samples([0.1] * 20)

    assert caveats(summarise(builders.result([builders.model_run(samples=samples)]))) == ()


def test_reasons_for_doubt_are_told() -> None:
    result = builders.result(
        [
            builders.model_run(samples=(builders.sample(), builders.failed_sample(position=1))),
            builders.failed_model(),
        ],
        machine=builders.machine(power_source="battery"),
        run=builders.run_info(dirty=True),
    )

    assert caveats(summarise(result)) == (
        "broken gave up (load): the weights are truncated",
        "1 of 2 samples failed: 1 of tiny",
        "the project had uncommitted changes, so its commit does not say what was measured",
        "the machine ran on battery, which may slow it down",
        "1 model of 2 has fewer than 20 good samples (down to 1)",
    )


def test_a_stopped_run_on_an_unsteady_machine_is_doubted() -> None:
    # TTFT 100 ms and gaps of 20 ms, against errors of 40 and 8 ms: 120 and 24 ms could be told. Of 2 gaps 1 is shared.
    check = ClientCheck(
        transport="direct", stamped_by="process", streams=1, ttft_error_ns=(40_000_000,), gap_error_ns=(8_000_000,)
    )
    probes = [
        Probe(compute_ns=ns, memory_ns=1, cpu_hz=None, temperature_c=None, load_average=None) for ns in (100, 120)
    ]
    watch = MachineWatch(before=probes[0], after=probes[1], period_ns=1, late_ns=(), steal_share=None)
    samples = tuple(builders.sample(position=place, shared_reads=1) for place in range(20))
    result = builders.result(
        [
            builders.model_run(transport="direct", machine_watch=watch, samples=samples),
            builders.model_run(name="big", skipped="no GPU on this machine", samples=()),
        ],
        client=(check,),
        run=builders.run_info(status="partial"),
    )

    assert caveats(summarise(result)) == (
        "it was stopped before its end, and has what was measured until then",
        "the machine was unsteady (tiny: arithmetic was 20.0 % slower after it than before)",
        "tiny: the median time to first token (100\u00a0ms) is not resolvable below 120\u00a0ms",
        "tiny: the median gap between chunks (20\u00a0ms) is not resolvable below 24\u00a0ms",
        "tiny: 50 % of the gaps lie inside one read, and so count as zero",
    )
    assert [one.kind for one in badges(summarise(result))] == ["partial", "unsteady"]


def test_a_whole_run_that_was_resumed_is_marked_and_not_doubted() -> None:
    again = builders.STARTED_UTC.replace(hour=10)
    models = [builders.model_run(samples=builders.samples([0.1] * 20))]
    summary = summarise(builders.result(models, run=builders.run_info(resumed_utc=(again,))))

    assert caveats(summary) == ()
    assert [one.sentence for one in badges(summary)] == [
        "This run was interrupted and went on at 2026-01-05 10:00 UTC; no finished sample was taken twice."
    ]


def test_a_run_outside_git_says_so() -> None:
    result = builders.result([builders.model_run(samples=builders.samples([0.1] * 20))], commit=None)

    assert caveats(summarise(result)) == ("it was made outside git, so nobody can say from which state of the project",)
