"""What pages say of levels of load and of lengths, from a run that ships with the tests and from made-up ones."""

from datetime import timedelta
from typing import Any

import pytest

from bench.analysis.summary import summarise
from bench.metrics.lengths import length_matrix
from bench.metrics.load import LevelSummary, level_summaries
from bench.metrics.saturation import knee
from bench.report.tables import Table
from bench.schema.load import LoadLevel
from bench.schema.machine import ClientCheck
from bench.schema.result import Result
from bench.site.dataset import Site, site
from bench.site.pages.load import load_page
from bench.site.pages.runs import run_data
from bench.site.sections.badges import caveats
from bench.site.sections.lengths import by_length, heat_map, lengths_sentence
from bench.site.sections.level_tables import CLOSED_COLUMNS, level_table, measured_level
from bench.site.sections.load_levels import closed_sentence, rates_sentence, under_load
from bench.store.files import Ledger
from tests import builders
from tests.fixtures.desk_runs import desk_results
from tests.load_builders import cell, cell_sample, failed_load_sample, load_level, load_sample, steady_level
from tests.site_project import views

DESK = site(Ledger(desk_results(), ()))
HERE = "report/models/x.html"


def texts(shown: Table, label: str) -> list[str]:
    """Return a column of a table, each cell with its small type."""
    place = [column.label for column in shown.columns].index(label)
    return [" ".join(part for part in (row[place].text, row[place].small) if part) for row in shown.rows]


def loaded(*levels: LoadLevel, **fields: Any) -> Result:
    """Return a run of one model, behind an endpoint, with these levels."""
    return builders.result([builders.model_run(transport="direct", load=levels)], **fields)


def summaries(*levels: LoadLevel, **fields: Any) -> tuple[LevelSummary, ...]:
    run = loaded(*levels, **fields)
    return level_summaries(run, run.models[0])


def sentence(*levels: LoadLevel) -> str:
    found = summaries(*levels)
    return closed_sentence(knee(found), found)


def test_levels_come_from_the_newest_run_that_has_them() -> None:
    # The second run of the desk machine is newer, and has no levels.
    found = under_load(DESK, "qwen2.5-0.5b", "desk-9", HERE)

    assert found is not None
    assert found.context == "desk-9 (Test CPU 9, 8\u00a0GB) · CPU · window of 1.6 s · 2026-02-09 08:00 UTC"
    assert found.goodput == (
        "Goodput counts the answers that kept the config’s limits: "
        "first text within 200\u00a0ms, at most 30\u00a0ms/token."
    )
    assert under_load(DESK, "phi-4-mini-gpu", "desk-9", HERE) is None


def test_a_closed_loop_has_its_knee_and_the_reason_why_the_sweep_ended() -> None:
    found = under_load(DESK, "qwen2.5-0.5b", "desk-9", HERE)

    assert found is not None
    closed, rates = found.sorts
    assert closed.sentence == (
        "4 streams give 93 % of the highest throughput (189 of 204\u00a0tokens/s): with more, requests mostly wait."
    )
    assert closed.hint == "The sweep ended at 8 streams: throughput grew by only 7.9 % from the level before."
    assert texts(closed.table, "Load") == ["1 stream", "2 streams", "4 streams the knee", "8 streams"]
    assert texts(closed.table, "TTFT p95")[0] == "too few"
    assert rates.sentence == "It sustains 14/s; it falls behind at 30/s."
    assert texts(rates.table, "Load") == ["14/s sustained", "30/s overloaded"]
    assert [note.text for note in rates.table.notes] == [
        "no interval: an interval needs 20 answers, that of a p95 100, that of a p99 400",
        "no interval: every request kept the limits, or none did",
        "30 answers for 59 requests due, and latency grew by 0.93 s a second",
    ]


def test_latency_of_a_rate_counts_from_the_schedule_and_shows_the_send_beside_it() -> None:
    found = under_load(DESK, "qwen2.5-0.5b", "desk-9", HERE)

    assert found is not None
    rates = found.sorts[1]
    assert texts(rates.table, "Latency p95") == ["0.176 send: 176\u00a0ms", "1.88 send: 307\u00a0ms"]
    assert texts(rates.table, "Sent late")[1] == "1.08\u00a0s at worst 1.77\u00a0s"
    (figure,) = rates.figures
    assert {row["line"] for row in figure.spec["datasets"]["steps"]} == {
        "p95 from the schedule",
        "p95 from the send",
    }


def test_the_knee_is_a_rule_in_the_chart_and_the_limit_another() -> None:
    found = under_load(DESK, "qwen2.5-0.5b", "desk-9", HERE)

    assert found is not None
    throughput, ttft = found.sorts[0].figures
    assert throughput.spec["datasets"]["upright"] == [{"x": 4.0, "label": "knee: 4 streams"}]
    assert ttft.spec["datasets"]["level"] == [{"y": 200.0, "label": "limit 200\u00a0ms"}]


def test_a_client_that_may_limit_is_marked_and_a_reason_for_doubt() -> None:
    found = under_load(DESK, "gemma-2-2b", "desk-9", HERE)

    assert found is not None
    assert texts(found.sorts[0].table, "Client") == ["4.00", "11.0", "34.0", "87.0 may limit"]
    assert "gemma-2-2b: with 8 streams the client took up to 87 % of a core, and may be what limits" in caveats(
        summarise(desk_results()[0])
    )
    # The local model has no client: its processor time is not read, and there is no column for it.
    local = under_load(DESK, "qwen2.5-0.5b", "desk-9", HERE)
    assert local is not None
    assert "Client" not in [column.label for column in local.sorts[0].table.columns]


def test_sentences_of_closed_loops() -> None:
    assert sentence(*(steady_level(*one) for one in ((1, 100), (2, 200), (4, 400)))) == (
        "Throughput still grows at 4 streams, the most that were tried: 400\u00a0tokens/s."
    )
    assert sentence(*(steady_level(*one) for one in ((1, 400), (2, 200), (4, 100)))) == (
        "1 stream gives the highest throughput, 400\u00a0tokens/s: with more, requests only wait."
    )
    assert sentence(steady_level(1, 100), steady_level(2, 200)) == (
        "The most is 200\u00a0tokens/s, with 2 streams; 2 closed-loop levels have a throughput; a knee needs 3."
    )
    assert sentence(load_level([failed_load_sample(1)])) == (
        "What several streams at once bring cannot be told: 0 closed-loop levels have a throughput; a knee needs 3."
    )


def test_sentences_of_rates() -> None:
    failing = [failed_load_sample(place / 10, scheduled_s=place / 10) for place in range(20)]
    few = [load_sample(1, scheduled_s=1)]

    assert rates_sentence(
        summaries(
            load_level(failing, rate_per_s=2.0), load_level(few, rate_per_s=0.5), load_level(few, rate_per_s=0.25)
        )
    ) == ("Requests fail at 2/s; too few requests were due to tell of 0.25/s and 0.5/s.")


def test_a_level_without_a_good_answer_says_failed_and_why() -> None:
    found = summaries(load_level([failed_load_sample(1, "refused")], ended_early="every request failed at once"))
    shown = level_table("levels", found, CLOSED_COLUMNS, None)

    assert texts(shown, "Load") == ["1 stream ended early"]
    assert texts(shown, "Throughput") == texts(shown, "TTFT p50") == texts(shown, "Latency p95") == ["failed"]
    assert texts(shown, "Answers") == ["0"]
    assert texts(shown, "Failed") == ["1 of 1"]
    assert [note.text for note in shown.notes] == [
        "no interval: an interval needs 20 answers, that of a p95 100, that of a p99 400",
        "every request failed at once",
        "refused (1)",
    ]


def test_a_latency_under_load_below_the_client_s_error_is_not_resolvable() -> None:
    check = ClientCheck(
        transport="direct", stamped_by="process", streams=4, ttft_error_ns=(200_000_000,), gap_error_ns=(1,)
    )
    (found,) = summaries(load_level([load_sample(1)], streams=4), client=(check,))

    # Three times 200 ms: a TTFT of 500 ms is below that, a latency of 1 s is not.
    assert measured_level(found, "ttft_s.p50").kind == "coarse"
    assert measured_level(found, "e2e_s.p50").kind == "value"
    assert measured_level(found, "scheduled_ttft_s.p50").kind == "absent"


def test_streams_that_were_not_under_way_are_told() -> None:
    (busy,) = summaries(load_level([load_sample(place) for place in range(10)]))
    (idle,) = summaries(load_level([load_sample(place) for place in range(0, 10, 2)]))

    assert measured_level(busy, "under_way").kind == "value"
    assert measured_level(idle, "under_way").kind == "coarse"


def waiting(ttft_s: float, streams: int, count: int = 40) -> LoadLevel:
    """Return requests of 11 tokens, each the first text of which comes 10 ms later than that of the one before."""
    samples = [
        load_sample(place * 10 / count, ttft_s + place / 100, ttft_s + place / 100 + 0.1) for place in range(count)
    ]
    return load_level(samples, streams=streams)


def test_a_level_shows_its_intervals_and_why_it_has_none() -> None:
    shown = level_table("levels", summaries(waiting(0.1, 1), waiting(0.2, 2, 19)), CLOSED_COLUMNS, None)
    ttft = next(column for column in shown.columns if column.label == "TTFT p50")
    column = shown.columns.index(ttft)
    wide, few = (row[column] for row in shown.rows)

    # The worked case of test_level_intervals.py with 40 requests instead of 20: the ends are those shares of the
    # 39 steps of 10 ms between the values, 0.1 + 0.39 * 0.181220 and 0.1 + 0.39 * 0.818780.
    assert (wide.text, wide.interval, few.text, few.interval) == ("295", "171–419", "290", "")
    assert {note.letter: note.text for note in shown.notes}[few.interval_letter] == (
        "no interval: an interval needs 20 answers, that of a p95 100, that of a p99 400"
    )
    assert not any(cell.interval for row in shown.rows for cell in row if cell.text == "0")


def test_the_charts_of_levels_have_their_intervals_as_bars() -> None:
    run = loaded(waiting(0.1, 1), waiting(0.2, 2), waiting(0.3, 4, 19))
    found = under_load(site(Ledger((run,), ())), "tiny", "laptop", HERE)

    assert found is not None
    assert found.intervals == "In small type: 95 % intervals, by how 10 stretches of a level differ"
    throughput, ttft = found.sorts[0].figures
    bars = ttft.spec["datasets"]["intervals"]
    assert [(bar["x"], round(bar["low"]), round(bar["high"])) for bar in bars] == [(1.0, 171, 419), (2.0, 271, 519)]
    assert [row["detail"] for row in ttft.spec["datasets"]["steps"] if row["line"] == "p50"] == [
        "40 good answers, interval 171–419",
        "40 good answers, interval 271–519",
        "19 good answers",
    ]
    assert ttft.caption.endswith(" Bars: 95 % intervals.")
    assert len(throughput.spec["datasets"]["intervals"]) == 2


def page_of(*results: Result) -> Any:
    return load_page(site(Ledger(results, ())))


def test_the_load_page_puts_the_models_of_a_machine_side_by_side() -> None:
    found = load_page(DESK)

    (desk,) = views(found.machines)
    assert desk.sentence == (
        "gemma-2-2b gives the highest throughput: 205\u00a0tokens/s with 8 streams; "
        "by its interval qwen2.5-0.5b may give as much; qwen2.5-0.5b has its knee at 4 streams."
    )
    assert texts(desk.table, "Model") == ["gemma-2-2b 2.61B · int4 · CPU", "qwen2.5-0.5b 494M · int4 · CPU"]
    assert texts(desk.table, "Knee") == ["8 streams or beyond: the most tried", "4 streams"]
    assert texts(desk.table, "Sustains") == ["not measured", "14/s"]
    # Knees are other loads: nothing there is better than the other.
    there = [column for column in desk.table.columns if column.label.endswith("there")]
    assert not any(cell.best for column in there for cell in column.cells)
    assert [one.table.label for one in desk.compared] == [
        "TTFT p95 at each level",
        "Latency p95 at each level",
        "Goodput at each level",
    ]
    assert {column.unit for column in desk.compared[0].table.columns[1:]} == {"s"}
    assert texts(desk.compared[2].table, "qwen2.5-0.5b")[-1] == "0"


def fast_and_slow(tokens: int, spread: int) -> Any:
    """Return two models with two answers a second, of so many tokens more or less by turns, and of 20."""

    def level(middle: int, off: int) -> LoadLevel:
        return load_level(
            [
                load_sample(place / 2, 0.4, 0.4, output_tokens=middle + (off if place // 2 % 2 else -off))
                for place in range(20)
            ]
        )

    (part,) = page_of(
        builders.result(
            [
                builders.model_run(name="fast", load=(level(tokens, spread),)),
                builders.model_run(name="slow", load=(level(20, spread),)),
            ]
        )
    ).machines
    found = part.view()
    highest = next(column for column in found.table.columns if column.label == "Highest")
    return found.sentence, [(cell.text, cell.interval, cell.best) for cell in highest.cells]


def test_the_highest_throughput_is_the_best_where_intervals_tell_it_apart() -> None:
    # Ten seconds of 2 * (m - 5) and 2 * (m + 5) tokens by turns: 10 / 3 * 2.262 is 7.5 to either side.
    apart = fast_and_slow(40, 5)
    together = fast_and_slow(22, 5)

    assert apart == (
        "fast gives the highest throughput: 80\u00a0tokens/s with 1 stream.",
        [("80.0", "72.5–87.5", True), ("40.0", "32.5–47.5", False)],
    )
    assert together == (
        "fast gives the highest throughput: 44\u00a0tokens/s with 1 stream; by its interval slow may give as much.",
        [("44.0", "36.5–51.5", False), ("40.0", "32.5–47.5", False)],
    )


def test_no_throughput_is_the_best_where_one_has_no_interval() -> None:
    levels = {"fast": steady_level(1, 200), "few": steady_level(1, 100, answers=10)}
    (part,) = page_of(
        builders.result([builders.model_run(name=name, load=(level,)) for name, level in levels.items()])
    ).machines
    found = part.view()
    highest = next(column for column in found.table.columns if column.label == "Highest")

    assert [(cell.text, bool(cell.interval), cell.best) for cell in highest.cells] == [
        ("200", True, False),
        ("100", False, False),
    ]


def test_machines_without_levels_are_named() -> None:
    kiosk = builders.result(machine_name="kiosk")

    assert page_of(kiosk, *desk_results()).without == "No load was measured on kiosk."
    assert page_of(kiosk).machines == ()
    assert page_of(kiosk).without == ""


def test_levels_with_other_prompts_or_limits_are_not_compared() -> None:
    levels = tuple(steady_level(*one) for one in ((1, 100), (2, 190), (4, 200)))
    old = builders.result(
        [builders.model_run(name="old", load=levels)], prompt_set=builders.prompt_set(sha256="6" * 64)
    )
    started = builders.STARTED_UTC + timedelta(days=1)
    (part,) = page_of(old, builders.result([builders.model_run(name="new", load=levels)], started_utc=started)).machines
    found = part.view()

    assert texts(found.table, "Model") == ["new 940k · int8 · CPU"]
    assert found.left_out == ("old: measured on 2026-01-05 with other prompts, settings or limits.",)
    assert found.sentence == (
        "new gives the highest throughput: 200\u00a0tokens/s with 4 streams. "
        "No other model has levels that compare with it."
    )
    assert found.compared == ()


@pytest.mark.parametrize(
    ("rates", "says"),
    [
        ([1.0, 2.0], "1/s"),
        ([1.0], "1/s the most tried"),
        ([2.0], "less than 2/s"),
        ([0.1], "too few"),
        ([], "not measured"),
    ],
)
def test_the_highest_rate_that_a_model_sustains(rates: list[float], says: str) -> None:
    # Up to 1/s it answers at once. At 2/s it falls behind; at 0.1/s too few requests are due.
    levels = []
    for rate in rates:
        window_s = 20.0 if rate >= 1 else 10.0
        samples = []
        for place in range(round(window_s * rate)):
            took_s = 0.5 if rate <= 1 else 0.5 + place / 2
            samples.append(load_sample(place / rate, took_s / 2, took_s, scheduled_s=place / rate))
        levels.append(load_level(samples, (0, window_s), rate_per_s=rate))
    other = builders.model_run(name="other", load=(load_level([load_sample(1, scheduled_s=1)], rate_per_s=1.0),))
    (found,) = views(
        page_of(builders.result([builders.model_run(load=(steady_level(1, 100), *levels)), other])).machines
    )

    assert texts(found.table, "Sustains")[0] == says


def test_lengths_show_what_came_and_what_did_not() -> None:
    found = by_length(DESK, "gemma-2-2b", "desk-9", HERE)

    assert found is not None
    assert found.sentence == (
        "It reads 943\u00a0tokens/s with a prompt of 128 tokens and 1,730\u00a0tokens/s with one of 1,024; "
        "it writes 46.8\u00a0tokens/s with a prompt of 128 tokens and 44.8\u00a0tokens/s with one of 1,024."
    )
    prefill = found.maps[0]
    assert (prefill.heads, [(head, small) for head, small, _ in prefill.rows]) == (
        ("16", "64"),
        [("128", "135 came"), ("1,024", "1,031 came"), ("8,192", "")],
    )
    assert [[square.text for square in squares] for _, _, squares in prefill.rows] == [
        ["943", "943"],
        ["1,730", "1,730"],
        ["skipped", "skipped"],
    ]
    assert prefill.rows[1][2][0].small == "1,720–1,750 · 1 of 3 failed"
    assert found.notes == (
        "1,024 × 16: failed, timeout (1)",
        "1,024 × 64: the answers ended after 41 tokens at most",
        "8,192 × 16: skipped, prompt and answer need 8,208 tokens, and the model's context has 8,192",
        "8,192 × 64: skipped, prompt and answer need 8,256 tokens, and the model's context has 8,192",
    )
    assert by_length(DESK, "phi-4-mini-gpu", "desk-9", HERE) is None


def test_the_shade_of_a_cell_is_its_share_of_the_fastest() -> None:
    # 1,280 and 256 tokens a second: the first of five shades for a fifth.
    cells = (
        cell([cell_sample(128, 16, 0.1, 0.01)]),
        cell([cell_sample(512, 16, 2.0, 0.01)], prompt_tokens=512),
        cell([builders.failed_sample()], prompt_tokens=1_024),
    )
    matrix = length_matrix(builders.model_run(lengths=cells))

    assert matrix is not None
    found = heat_map("Prefill", matrix, "prefill_tokens_per_s")
    assert [squares[0].shade for _, _, squares in found.rows] == ["5", "1", "none"]
    assert found.rows[2][2][0].text == "failed"


def test_the_decode_speed_of_answers_that_ended_short_has_no_shade() -> None:
    # 1,000 tokens a second over 3 of 16 tokens; 100 over all 16.
    cells = (
        cell([cell_sample(128, 3, 0.1, 0.001)]),
        cell([cell_sample(512, 16, 0.4, 0.01)], prompt_tokens=512),
    )
    matrix = length_matrix(builders.model_run(lengths=cells))

    assert matrix is not None
    (_, _, (short,)), (_, _, (whole,)) = heat_map("Decode", matrix, "decode_tokens_per_s").rows
    assert (short.text, short.small, short.shade) == ("1,000", "up to 3 tokens", "few")
    assert (whole.text, whole.shade) == ("100", "5")
    assert lengths_sentence(matrix).endswith("it writes 100\u00a0tokens/s.")


def test_sentences_of_lengths() -> None:
    same = length_matrix(
        builders.model_run(
            lengths=tuple(
                cell([cell_sample(tokens, 16, tokens / 1_280, 0.01)], prompt_tokens=tokens) for tokens in (128, 512)
            )
        )
    )
    failed = length_matrix(builders.model_run(lengths=(cell([builders.failed_sample()]),)))
    one = length_matrix(builders.model_run(lengths=(cell([cell_sample(128, 16, 0.1, 0.01)]),)))

    assert same is not None
    assert failed is not None
    assert one is not None
    assert lengths_sentence(same) == (
        "It reads 1,280\u00a0tokens/s with prompts of 128 to 512 tokens; "
        "it writes 100\u00a0tokens/s with prompts of 128 to 512 tokens."
    )
    assert lengths_sentence(one) == "It reads 1,280\u00a0tokens/s; it writes 100\u00a0tokens/s."
    assert lengths_sentence(failed) == "No cell of the matrix gave a good answer."


def test_a_prompt_that_the_runtime_has_kept_is_told() -> None:
    cells = tuple(cell([cell_sample(tokens, 16, 0.1, 0.01)], prompt_tokens=tokens) for tokens in (128, 2_048))
    arranged: Site = site(Ledger((builders.result([builders.model_run(lengths=cells)]),), ()))
    found = by_length(arranged, "tiny", "laptop", HERE)

    assert found is not None
    assert found.hints == (
        "The time to first token hardly grows with the prompt: the runtime may keep prompts that it has read. The "
        "prefill speed is then how fast it finds one again.",
    )


def test_the_viewer_has_every_level_and_cell() -> None:
    sections = {section["heading"]: section for section in run_data(summarise(desk_results()[0]))["sections"]}

    assert len(sections["qwen2.5-0.5b: so many at once"]["rows"]) == 4
    assert len(sections["qwen2.5-0.5b: so many a second"]["rows"]) == 2
    assert len(sections["gemma-2-2b: so many at once"]["rows"]) == 4
    assert "gemma-2-2b: so many a second" not in sections
    assert len(sections["gemma-2-2b by length"]["rows"]) == 6
    newest = {section["heading"] for section in run_data(summarise(desk_results()[1]))["sections"]}
    assert not any("so many" in heading or "by length" in heading for heading in newest)
