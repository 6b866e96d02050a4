"""What served the models of a run, how their prompt caches were kept, and what the servers say: on pages, in a terminal
and in exports."""

import io

from bench.analysis.summary import ModelSummary, summarise
from bench.metrics.prompt_cache import ALL, SOME, WITHHELD
from bench.report.export import rows
from bench.report.markdown import benchmark_report
from bench.report.terminal import RunDisplay
from bench.schema.model_run import ModelRun, PromptCacheMode, Runtime
from bench.schema.sample import Sample, ServerTimings
from bench.site.dataset import measured, metric_column
from bench.site.pages.model import at_work
from bench.site.pages.runs import run_data
from bench.site.sections.badges import caveats
from tests.builders import MILLISECOND_NS as MS
from tests.builders import model_run, result, sample
from tests.site.test_runs import sections, texts

LLAMA = Runtime(name="llama.cpp", version="b9993-1a2b3c4")


def served(name: str, mode: PromptCacheMode, cached: tuple[int | None, int | None], **fields: object) -> ModelRun:
    """Return a model of two prompts in two rounds: TTFT of 500 and then 40 ms, 200 ms of answer.

    `cached` are the tokens of 40 that came out of the cache in each round.
    """
    made: list[Sample] = []
    for number, (first_ms, tokens) in enumerate(zip((500, 40), cached, strict=True), start=1):
        for prompt in ("p1", "p2"):
            made.append(
                sample(
                    prompt=prompt,
                    round=number,
                    position=len(made) + 1,
                    chunk_ns=(first_ms * MS, (first_ms + 200) * MS),
                    end_ns=(first_ms + 200) * MS,
                    prompt_tokens=40,
                    output_tokens=11,
                    cached_prompt_tokens=tokens,
                    server=ServerTimings(
                        prompt_tokens=None, prompt_ns=(first_ms - 2) * MS, output_tokens=11, output_ns=150 * MS
                    ),
                )
            )
    told = {"provider": "openai", "transport": "direct", "runtime": LLAMA, "prompt_cache_by": "it was asked to"}
    return model_run(name=name, prompt_cache=mode, samples=tuple(made), **(told | fields))


RUN = summarise(
    result(
        [
            served("left", "as-is", (0, 38), prompt_cache_by=None),
            served("read", "cold", (0, 0)),
            served("kept", "warm", (38, 38)),
            served("untold", "as-is", (None, None), runtime=Runtime(name="unknown", version=None)),
            model_run(name="here"),
        ]
    )
)
LEFT, READ, KEPT, UNTOLD, HERE = RUN.models


def test_the_viewer_shows_what_served_each_model_and_how_its_cache_was_kept() -> None:
    shown = sections(run_data(RUN))["Servers and prompt caches"]

    assert texts(shown, "Model") == ["left", "read", "kept", "untold"]
    assert texts(shown, "Served by") == ["llama.cpp b9993-1a2b3c4"] * 3 + ["unknown"]
    assert texts(shown, "Prompt cache") == [
        "as it is",
        "cold it was asked to",
        "warm it was asked to",
        "as it is it was asked to",
    ]
    assert texts(shown, "Out of the cache") == ["47.5", "0", "95.0", "not measured"]
    assert texts(shown, "TTFT, read") == ["500", "270", "not measured", "not measured"]
    assert texts(shown, "TTFT, kept") == ["40.0", "not measured", "270", "not measured"]
    assert f"a: {SOME}" in shown["notes"]


def test_the_viewer_shows_the_servers_own_timings_with_a_mark_where_they_are_apart() -> None:
    shown = sections(run_data(summarise(result([served("one", "cold", (0, 0))]))))["What the servers say"]

    assert texts(shown, "What") == [
        "Reading the prompt ours: to the first text",
        "Writing the answer ours: first to last chunk",
    ]
    assert texts(shown, "Ours") == ["270", "200"]
    assert texts(shown, "The server’s") == ["268", "150"]
    # The middle of 500 / 498 and 40 / 38; 200 / 150.
    assert texts(shown, "Apart") == ["+2.8 %", "+33.3 % more than 5 % apart"]
    assert [row[4]["k"] for row in shown["rows"]] == ["value", "coarse"]


def test_a_run_of_models_in_this_process_shows_neither() -> None:
    found = sections(run_data(summarise(result([model_run()]))))

    assert "Servers and prompt caches" not in found
    assert "What the servers say" not in found


def test_a_model_s_page_says_what_serves_it() -> None:
    served_by = at_work(LEFT, "report/models/left.html")[-1]

    assert served_by.heading == "What serves it"
    assert [(row.label, row.text) for row in served_by.rows] == [
        ("Served by", "llama.cpp b9993-1a2b3c4"),
        ("Prompt cache", "as it is"),
        ("Prompt tokens out of it", "47.5\u00a0%"),
        ("TTFT, prompt read", "500\u00a0ms"),
        ("TTFT, prompt kept", "40\u00a0ms"),
        ("Reading the prompt, as it says", "268\u00a0ms"),
        ("Writing the answer, as it says", "150\u00a0ms"),
    ]
    assert [row.small for row in served_by.rows[-1:]] == ["ours 200\u00a0ms, +33.3 %, more than 5 % apart"]
    assert [one.heading for one in at_work(HERE, "report/models/here.html")] == [
        "From cold to steady",
        "The flow of text",
        "Memory, energy, cost",
    ]


def kinds(one: ModelSummary) -> list[tuple[str, str, str]]:
    return [
        (found.kind, found.small, found.why)
        for found in (measured(one, "ttft_s"), measured(one, "prefill_tokens_per_s"))
    ]


def test_a_ttft_out_of_a_cache_is_marked_and_never_the_best() -> None:
    assert kinds(LEFT) == [("coarse", "prompt cache", SOME), ("none", "", WITHHELD)]
    assert kinds(KEPT) == [("value", "warm", ""), ("none", "", WITHHELD)]
    assert [kind for kind, _, _ in kinds(READ)] == ["value", "value"]
    # Of those that were read, HERE is the quickest; those that were kept stand apart.
    assert [cell.best for cell in metric_column(RUN.models, "ttft_s", "TTFT").cells] == [False] * 4 + [True]


def test_the_reasons_for_doubt_name_the_prompt_cache() -> None:
    found = [one for one in caveats(RUN) if "cache" in one]

    assert found == [
        f"left: {SOME}; its time to first token is not that of reading them",
        "untold: nobody can tell whether its prompts came out of a cache (it was asked to)",
    ]


def test_the_end_of_a_run_tells_of_caches_and_of_timings_that_are_apart() -> None:
    shown = io.StringIO()
    spoilt = served("all", "as-is", (38, 38))
    RunDisplay(io.StringIO(), shown).summary(result([served("left", "as-is", (0, 38)), spoilt]))

    lines = [line.strip() for line in shown.getvalue().splitlines() if line.startswith(("left:", "all:"))]
    assert lines == [
        f"left: {SOME}; TTFT p50 read 500\u00a0ms, kept 40\u00a0ms",
        "left: writing the answer took 150\u00a0ms as the server says, 200\u00a0ms as we saw it",
        f"all: {ALL}; TTFT p50 kept 270\u00a0ms",
        "all: writing the answer took 150\u00a0ms as the server says, 200\u00a0ms as we saw it",
    ]


def test_exports_and_the_report_have_it_too() -> None:
    run = result([served("left", "as-is", (0, 38)), served("read", "cold", (0, 0))])

    left, read = rows([run])
    keys = ("runtime", "runtime_version", "prompt_cache", "prompt_cache_doubt", "cold_ttft_p50_s", "warm_ttft_p50_s")
    assert [left[key] for key in keys] == ["llama.cpp", "b9993-1a2b3c4", "as-is", SOME, 0.5, 0.04]
    assert [read[key] for key in keys] == ["llama.cpp", "b9993-1a2b3c4", "cold", None, 0.27, None]
    assert f"**left**, TTFT: {SOME}." in benchmark_report(run)
