import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bench.analysis.run_noise import noise, run_noise
from bench.cli import main
from bench.results.schema import Result as Run
from bench.results.store import save
from bench.runner.record import ModelRun
from tests import builders
from tests.test_ab import write_side
from tests.test_revisions import git

PROMPTS = 6
ROUNDS = 5


def model(latency_s: float, name: str = "tiny", answer: str = "out1", **fields: Any) -> ModelRun:
    """Return a model whose requests all take this long, one after the other, with 11 tokens in the second half."""
    end_ns = round(latency_s * 1e9)
    samples = [
        builders.sample(
            prompt=f"p{prompt}",
            round=number + 1,
            position=number * PROMPTS + prompt,
            start_ns=(number * PROMPTS + prompt) * end_ns,
            chunk_ns=(end_ns // 2, end_ns),
            end_ns=end_ns,
            output_tokens=11,
            output=answer,
        )
        for number in range(ROUNDS)
        for prompt in range(PROMPTS)
    ]
    return builders.model_run(name=name, samples=tuple(samples), **fields)


def run(latency_s: float, day: int, answer: str = "out1", gate: dict[str, float] | None = None, **fields: Any) -> Run:
    resolved = builders.config().resolved | {"gate": gate or {}}
    return builders.result(
        [model(latency_s, answer=answer, **fields)],
        started_utc=builders.STARTED_UTC + timedelta(days=day),
        config=builders.config(resolved=resolved),
    )


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def said(done: Result) -> str:
    return " ".join(done.output.replace("\N{NO-BREAK SPACE}", " ").split())


def test_a_real_difference_is_told_with_both_values_and_the_change(tmp_path: Path) -> None:
    before, after = save(run(0.100, 0), tmp_path), save(run(0.125, 1), tmp_path)

    done = bench("compare", before, after, "--results", tmp_path)

    assert done.exit_code == 0, done.output
    assert "tiny Latency 100 ms 125 ms +25.0 % ▼ worse" in said(done)
    assert "tiny Decode 200 tokens/s 160 tokens/s −20.0 % ▼ worse" in said(done)
    assert "how much a run differs from the next is not known, and not in the interval" in said(done)


def test_markdown_is_for_a_pull_request_and_escapes_what_the_runs_say(tmp_path: Path) -> None:
    before = save(run(0.100, 0, name="tiny|<b>"), tmp_path)
    after = save(run(0.125, 1, name="tiny|<b>"), tmp_path)

    done = bench("compare", before, after, "--results", tmp_path, "--format", "md")

    row = next(line for line in done.output.splitlines() if "Latency" in line)
    assert row.startswith("| tiny&#124;&lt;b&gt; | Latency | 100")
    assert "<b>" not in done.output


def test_json_has_every_metric_of_every_model(tmp_path: Path) -> None:
    before, after = save(run(0.100, 0), tmp_path), save(run(0.125, 1), tmp_path)

    done = bench("compare", before, after, "--results", tmp_path, "--format", "json")

    (document,) = json.loads(done.stdout)
    latency = next(one for one in document["differences"] if one["metric_id"] == "e2e_s")
    assert document["before"] == "laptop/20260105T090000Z-1a2b3c4d5e-default"
    assert (latency["before"], latency["after"], latency["verdict"]) == (0.1, 0.125, "worse")
    assert round(latency["change"]["value"], 9) == 1.25


def test_answers_that_changed_are_a_short_difference(tmp_path: Path) -> None:
    first, second = run(0.1, 0, answer="a"), run(0.1, 1, answer="b")
    before = save(first.model_copy(update={"outputs": {"a": "Paris is big."}}), tmp_path)
    after = save(second.model_copy(update={"outputs": {"b": "Paris is small."}}), tmp_path)

    done = bench("compare", before, after, "--results", tmp_path)

    assert "Paris is [-big.-] {+small.+}" in said(done)


def test_what_else_differs_is_a_suspect(tmp_path: Path) -> None:
    first, second = run(0.1, 0), run(0.125, 1)
    versions = {**second.machine.versions, "foundry-local-sdk": "2.2.9"}
    before = save(first, tmp_path)
    after = save(second.model_copy(update={"machine": builders.machine(versions=versions)}), tmp_path)

    done = bench("compare", before, after, "--results", tmp_path)

    assert "machine.versions.foundry-local-sdk 2.2.1 2.2.9" in said(done)


def test_runs_that_cannot_be_compared_say_which_field_differs(tmp_path: Path) -> None:
    before, after = save(run(0.1, 0), tmp_path), save(run(0.1, 1, device="GPU"), tmp_path)

    done = bench("compare", before, after, "--results", tmp_path)

    assert "not comparable: tiny: the runs differ in device" in said(done)


def test_revisions_compare_the_newest_run_of_each_machine_and_config(tmp_path: Path) -> None:
    results = tmp_path / "results"
    git(tmp_path, "init")
    save(run(0.100, 0), results)
    kiosk = builders.result([model(0.3)], machine_name="kiosk")
    save(kiosk, results)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    save(run(0.125, 1), results)
    save(builders.result([model(0.3)], config_name="gpu"), results)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "second")

    done = bench("compare", "HEAD~1", "HEAD", "--results", results)

    assert "tiny Latency 100 ms 125 ms" in said(done)
    assert f"{kiosk.run.id}: the newest run of both sides, nothing to compare" in said(done)
    assert "only in HEAD: laptop gpu" in said(done)


def test_a_gate_closes_on_what_is_beyond_its_limit(tmp_path: Path) -> None:
    limits = {"e2e_s": 0.2, "decode_tokens_per_s": 0.3}
    before, after = save(run(0.100, 0, gate=limits), tmp_path), save(run(0.125, 1, gate=limits), tmp_path)

    done = bench("compare", before, after, "--results", tmp_path, "--fail-on", "regression")

    # Latency is 25 % worse and may be 20 %; decode speed is 25 % worse (160 for 200) and may be 30 %.
    failed = [line for line in done.stderr.splitlines() if line.startswith("bench: regression")]
    assert done.exit_code == 1
    run_id = "laptop/20260106T090000Z-1a2b3c4d5e-default"
    assert failed == [f"bench: regression in {run_id}: tiny, e2e_s: +25.0 %, limit 0.2"]


def test_a_gate_without_limits_waits_until_the_noise_is_known(tmp_path: Path) -> None:
    first = [save(run(0.100 + 0.001 * (day % 2), day), tmp_path) for day in range(2)]
    slow = save(run(0.150, 9), tmp_path)

    early = bench("compare", first[1], slow, "--results", tmp_path, "--fail-on", "regression")
    for day in range(2, 8):
        save(run(0.100 + 0.001 * (day % 2), day), tmp_path)
    late = bench("compare", first[1], slow, "--results", tmp_path, "--fail-on", "regression")

    assert early.exit_code == 0
    assert "bench: let through: " in early.stderr
    assert late.exit_code == 1
    assert "bench: regression in" in late.stderr


def test_the_same_run_twice_has_nothing_to_compare(tmp_path: Path) -> None:
    path = save(run(0.1, 0), tmp_path)

    done = bench("compare", path, path, "--results", tmp_path)

    assert done.exit_code == 0
    assert "the newest run of both sides, nothing to compare" in said(done)


def test_runs_of_nothing_in_common_are_refused(tmp_path: Path) -> None:
    results = tmp_path / "results"
    git(tmp_path, "init")
    save(run(0.1, 0), results)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    other = save(builders.result([model(0.3)], machine_name="kiosk"), tmp_path / "elsewhere")

    done = bench("compare", "HEAD", other, "--results", results)

    assert done.exit_code == 2
    assert f"HEAD and {other}: have no run of the same machine and config to compare" in done.stderr


def test_noise_is_the_scaled_median_difference_of_neighbours() -> None:
    # Neighbours differ by log(1.1) each time: 0.0953 / (0.6745 * 1.4142) = 0.0999.
    assert noise([1.0, 1.1, 1.0, 1.1, 1.0]) is not None
    assert round(noise([1.0, 1.1, 1.0, 1.1, 1.0]) or 0.0, 4) == 0.0999
    assert noise([1.0, 1.1, 1.0, 1.1]) is None
    assert noise([1.0, 1.0, 1.0, 1.0, 2.0]) == 0.0


def test_noise_is_that_of_whole_runs_in_the_same_context() -> None:
    history = [run(0.100 * 1.1 ** (day % 2), day) for day in range(5)]
    elsewhere = [run(9.0, day, device="GPU") for day in range(5)]
    before, after = run(0.1, 10), run(0.1, 11)

    found = run_noise([*history, *elsewhere, before, after], before, after)

    assert round(found["tiny", "e2e_s"], 4) == 0.0999
    assert ("tiny", "score") not in found


@pytest.mark.slow
def test_two_configs_take_turns_and_are_compared(tmp_path: Path) -> None:
    a, b = write_side(tmp_path, "old", "fine", rounds=3), write_side(tmp_path, "new", "better", rounds=3)

    done = bench("ab", a, b, "--results", tmp_path / "results", "--wait")

    assert done.exit_code == 0, done.output
    assert "over 3 pairs of turns" in said(done)
    assert "turn 6 of 6: B" in done.stderr
    assert len(list((tmp_path / "results" / "kiosk").glob("*.json"))) == 2


@pytest.mark.slow
def test_sides_without_a_model_in_common_say_so(tmp_path: Path) -> None:
    more = '  - {provider: custom, name: NAME, class: "tests.replay_model:Plain"}'
    a = write_side(tmp_path, "old", "fine", rounds=1, more=more.replace("NAME", "x"))
    b = write_side(tmp_path, "new", "better", rounds=1, more=more.replace("NAME", "y"))
    Path(b).write_text(Path(b).read_text().replace("name: tiny", "name: other"))

    done = bench("ab", a, b, "--results", tmp_path / "results", "--wait")

    assert "no model of the two sides goes together: give them one name, or each side one model" in said(done)
