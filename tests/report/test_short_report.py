"""The report of one run, worked out by hand."""

from bench.report.export import benchmark_report
from bench.schema.machine import ClientCheck, MachineWatch, Probe
from bench.schema.result import Result
from bench.schema.sample import Failure
from tests import builders
from tests.builders import failed_model, failed_sample, grade, model_run, result, samples

HOSTILE = "a|b\n<script>alert(1)</script> [x](javascript:y) `c` **d** {{ 7*7 }} \u202eevil https://e.example &amp;"


def compared() -> Result:
    """Return a run of a fast small model, a good one, and one that never answered."""
    good = {"f1": 1.0}
    return result(
        [
            model_run(name="fast", samples=samples([0.5] * 20, output="poor"), footprint_bytes=2_000_000),
            model_run(
                name="good",
                samples=(*samples([2.0] * 4), failed_sample("empty", "no text"), failed_sample("died", "killed")),
                memory_peak_bytes=None,
                footprint_bytes=9_000_000,
                licence="gemma",
            ),
            failed_model(name="broken", footprint_bytes=1_000, message="bad | <file>", licence=None),
        ],
        grades=(grade({"f1": 0.0}, output="poor"), grade(good, output="out1")),
    )


def test_the_report_by_hand() -> None:
    # TPOT is a twentieth of the latency: 40 and 10 tokens/s.
    assert benchmark_report(compared()) == (
        "# Benchmark report\n"
        "\n"
        "2026-01-05 09:00 UTC on laptop (Test CPU, Debian 12); config default, prompts test, rounds: 20; "
        "benchledger 0.1.0, commit 1a2b3c4d5e.\n"
        "\n"
        "| Model | Avg latency (s) | p95 (s) | TTFT p50 (s) | Decode p50 (tokens/s) | Score (1-5) | Peak memory (MB) "
        "| Footprint (MB) | Licence |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n"
        "| fast | **0.500** | 0.500 | **0.250** | **40.0** | 1.00 | 75.0 | **2.00** | MIT |\n"
        "| good | 2.00 | too few | 1.00 | 10.0 | **5.00** | - | 9.00 | gemma |\n"
        "| broken | - | - | - | - | - | - | 0.00100 | - |\n"
        "\n"
        "## Highlights\n"
        "\n"
        "- Shortest latency: **fast**, 0.500 s on average.\n"
        "- Fastest decoding: **fast**, 40.0 tokens/s.\n"
        "- Best answers: **good**, 5.00 of 5.\n"
        "- Smallest: **fast**, 2.00 MB on disk.\n"
        "\n"
        "## What is missing\n"
        "\n"
        "- **good**: 2 of 6 samples failed (empty 1, died 1); no latency has them\n"
        "- **good**, p95 (s): 4 samples; a p95 needs 20\n"
        "- **good**, Peak memory (MB): not measured\n"
        "- **broken** failed, load: bad &#124; &lt;file&gt;\n"
    )


def test_what_is_equal_when_rounded_is_equally_good() -> None:
    report = benchmark_report(
        result([model_run(name="a", footprint_bytes=2_000_000), model_run(name="b", footprint_bytes=2_000_100)])
    )

    assert "- Smallest: **a** and **b**, 2.00 MB on disk.\n" in report


def test_one_model_alone_is_not_the_best() -> None:
    report = benchmark_report(result([model_run(), failed_model()]))

    assert "**0." not in report
    assert "- Fewer than two models answered: there is nothing to compare.\n" in report


def test_the_report_says_which_prompts_a_score_leaves_out() -> None:
    prompts = [builders.prompt(id="p1"), builders.prompt(id="p2")]
    report = benchmark_report(result(prompts=prompts, grades=(grade(),)))

    assert "- **tiny**, score: 1 of 2 prompts scored: no good answer to p2\n" in report


def test_the_report_escapes_whatever_comes_out_of_a_run() -> None:
    run = result(
        [failed_model(name=HOSTILE, licence=HOSTILE, failure=Failure(kind="load", message=HOSTILE))],
        machine=builders.machine(cpu=HOSTILE, os=HOSTILE),
    )
    report = benchmark_report(run)

    for piece in ("<script", "[x]", "`c`", "{{", "**d**", "\u202e", "https://"):
        assert piece not in report


def test_a_run_outside_git_or_with_changes_says_so() -> None:
    assert "benchledger 0.1.0, no commit.\n" in benchmark_report(result(commit=None))
    changed = result(run=builders.run_info(dirty=True))
    assert "commit 1a2b3c4d5e with changes.\n" in benchmark_report(changed)


def test_what_weakens_a_run_is_said() -> None:
    # TTFT 500 ms against an error of 300 ms: 900 ms could be told.
    check = ClientCheck(
        transport="direct", stamped_by="process", streams=1, ttft_error_ns=(300_000_000,), gap_error_ns=()
    )
    fast = model_run(name="fast", transport="direct", samples=samples([1.0] * 3))
    skipped = model_run(name="on-gpu", skipped="no GPU | here", samples=())
    report = benchmark_report(result([fast, skipped], client=(check,), run=builders.run_info(status="partial")))

    assert "## Handle with care\n\n- The run is partial: it was stopped before its end" in report
    assert "- **fast**, TTFT p50 (s): not resolvable by the client.\n" in report
    assert "- **on-gpu** was skipped: no GPU &#124; here\n" in report
    assert "on-gpu**, score" not in report


def test_an_unsteady_machine_is_said() -> None:
    before, after = (
        Probe(compute_ns=ns, memory_ns=1, cpu_hz=None, temperature_c=None, load_average=None) for ns in (100, 120)
    )
    watch = MachineWatch(before=before, after=after, period_ns=1, late_ns=(), steal_share=None)

    assert "- The machine was unsteady: tiny: arithmetic was 20.0 % slower after it than before" in benchmark_report(
        result([model_run(machine_watch=watch)])
    )
