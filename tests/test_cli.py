"""The command line: from a config to a result file, its summary, exports and checks; and what a mistake gets."""

import csv
import io
import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from bench.schema.machine import Probe
from bench.store.files import load, save
from tests.builders import result
from tests.endpoint_server import Script, chunk, endpoint, events
from tests.kernel_stamps import given

ROOT = Path(__file__).parent.parent
SMALLEST = ROOT / "bench" / "reference" / "models" / "ledger-xs-fp32"
FIXTURES = ROOT / "tests" / "fixtures" / "results"


def bench(*arguments: object, **variables: str) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], env=variables)


@pytest.fixture
def replay(tmp_path: Path) -> Path:
    """Return a config of a model that answers from a file, with its prompt set."""
    (tmp_path / "answers.json").write_text(
        json.dumps({"Capital of France?": ["Par", "is."], "2 + 3?": ["It is ", "5."]})
    )
    (tmp_path / "prompts.yaml").write_text(
        """
id: own
prompts:
  - id: capital
    title: Capital
    text: Capital of France?
    facets: [{id: names-it, says: It names Paris., check: contains_any, values: [Paris]}]
  - id: sum
    title: Sum
    text: 2 + 3?
    facets:
      - {id: right, says: It is five., check: number_equals, value: 5}
      - {id: wordy, says: It has two sentences., check: sentence_count, min: 2}
"""
    )
    config = tmp_path / "own.yaml"
    config.write_text(
        """
title: A replayed model
prompts: prompts.yaml
rounds: 3
machine: test-machine
models:
  - {provider: custom, name: replay, class: "tests.replay_model:Replay", weights: answers.json}
"""
    )
    return config


def only_file(results: Path) -> Path:
    (path,) = results.rglob("*.json")
    return path


@pytest.mark.slow
def test_a_run_becomes_one_result_file(replay: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"

    done = bench("run", replay, "--results", results)

    assert done.exit_code == 0, done.output
    path = only_file(results)
    assert re.fullmatch(r"test-machine/\d{8}T\d{6}Z-nocommit-own\.json", path.relative_to(results).as_posix())
    made = load(path)
    assert made.config.name == "own"
    assert made.config.overrides == ()
    assert made.run.commit is None
    (model,) = made.models
    assert len(model.warmup) == 1
    assert len(model.samples) == 6
    assert sorted(made.outputs.values()) == ["It is 5.", "Paris."]
    assert {(grade.prompt, facet.facet, facet.credit) for grade in made.grades for facet in grade.facets} == {
        ("capital", "names-it", 1.0),
        ("sum", "right", 1.0),
        ("sum", "wordy", 0.0),
    }
    assert len(made.grades) == 2
    assert "1 model, 2 prompts, 3 rounds, 1 warm-up request" in done.stderr
    assert "replay: done, 7/7" in done.stderr
    # (5 + 3) / 2 is the mean over the two prompts.
    assert re.search(r"replay\s+4\.0\s", done.stdout)
    assert f"Wrote {path}. Next: bench site (make site), and commit the file." in done.stdout


def test_a_run_on_an_unsteady_machine_says_so_at_its_end(
    replay: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probes = [
        Probe(compute_ns=compute_ns, memory_ns=100, cpu_hz=None, temperature_c=None, load_average=None)
        for compute_ns in (100, 150)
    ]
    monkeypatch.setattr("bench.runner.run.probe", lambda: probes.pop(0))

    done = bench("run", replay, "--results", tmp_path / "results")

    assert done.exit_code == 0, done.output
    assert "The machine was unsteady: a difference from another run may be the machine's.\n" in done.stdout
    # 150 / 100 - 1, and 150 beside the middle of 100 and 150.
    assert "\n  replay: arithmetic was 50.0 % slower after it than before\n" in done.stdout


@pytest.mark.slow
def test_options_win_over_the_environment_and_are_recorded(replay: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"

    done = bench("run", replay, "--results", results, "--rounds", 2, BENCH_ROUNDS="9", BENCH_STREAM="0")

    assert done.exit_code == 0, done.output
    made = load(only_file(results))
    assert made.config.resolved["rounds"] == 2
    assert made.config.resolved["stream"] is False
    assert made.config.overrides == ("BENCH_ROUNDS", "BENCH_STREAM")
    assert all(sample.chunk_ns == () for sample in made.models[0].samples)


@pytest.mark.slow
def test_one_prompt_instead_of_the_set(replay: Path, tmp_path: Path) -> None:
    done = bench("run", replay, "--results", tmp_path / "results", "--prompt", "2 + 3?")

    assert done.exit_code == 0, done.output
    made = load(only_file(tmp_path / "results"))
    assert [prompt.text for prompt in made.prompt_set.prompts] == ["2 + 3?"]
    assert made.grades == ()


@pytest.mark.slow
def test_a_run_in_which_every_model_failed_exits_with_1_and_is_kept(tmp_path: Path) -> None:
    config = tmp_path / "bad.yaml"
    config.write_text("models: [{path: nowhere}]\nprompts: smoke\nmachine: test-machine\n")

    done = bench("run", config, "--results", tmp_path / "results")

    path = only_file(tmp_path / "results")
    assert done.exit_code == 1
    assert f"bench: every model failed; what happened is in {path}" in done.stderr
    assert "nowhere failed (register): there is no model directory 'nowhere'; check the path" in done.stdout
    failure = load(path).models[0].failure
    assert failure is not None
    assert failure.kind == "register"


@pytest.mark.runtime
def test_the_smallest_reference_model_from_run_to_export(tmp_path: Path) -> None:
    config = tmp_path / "tiny.yaml"
    config.write_text(f"models: [{{path: {SMALLEST}}}]\nprompts: smoke\nrounds: 2\nmachine: test-machine\n")
    results = tmp_path / "results"

    ran = bench("run", config, "--results", results)
    checked = bench("check", results)
    exported = bench("export", "--results", results, "--format", "csv")

    assert ran.exit_code == 0, ran.output
    assert checked.exit_code == 0
    assert checked.stdout == f"{results}: 1 valid, 0 refused\n"
    (row,) = csv.DictReader(io.StringIO(exported.stdout))
    assert row["model"] == "ledger-xs-fp32"
    assert float(row["ttft_p50_s"]) > 0


@pytest.mark.slow
def test_a_run_that_asks_an_endpoint_checks_the_client_first(tmp_path: Path) -> None:
    config = tmp_path / "remote.yaml"
    with endpoint(Script(events(chunk("Hi."), chunk(finish="stop")))) as url:
        config.write_text(
            f"models: [{{provider: openai, model: m, base_url: '{url}'}}]\nprompts: smoke\nrounds: 1\nprobe: false\n"
        )

        done = bench("run", config, "--results", tmp_path / "results", "--machine", "test-machine")

    assert done.exit_code == 0, done.output
    made = load(only_file(tmp_path / "results"))
    assert [check.stamped_by for check in made.client] == (["kernel", "process"] if given() else ["process"])
    for check in made.client:
        assert (check.transport, check.streams) == ("direct", 1)
        assert len(check.ttft_error_ns) > 0
        assert len(check.gap_error_ns) > 0
    (model,) = made.models
    assert model.transport == "direct"
    assert (model.stamp_clock is not None) == given()
    assert {sample.stamped_by for sample in model.samples} == {made.client[0].stamped_by}


def test_no_such_config() -> None:
    done = bench("run", "nonsense.yaml")

    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr == (
        "bench: nonsense.yaml: no such config. "
        "Name a file, or one that ships: "
        "default, endpoint, foundry-cpu, judge, judge-endpoint, load, smollm2, summarisation\n"
    )


def test_every_mistake_of_a_config_is_a_line(tmp_path: Path) -> None:
    config = tmp_path / "bad.yaml"
    config.write_text("models: []\nrounds: 0\n")

    done = bench("run", config)

    assert done.exit_code == 2
    assert done.stderr == (
        f"bench: {config}:1: models: must have at least 1 entry, found []\n"
        f"bench: {config}:2: rounds: must be at least 1, found 0\n"
    )


def test_a_results_folder_that_cannot_be_written_is_told_before_the_run(replay: Path, tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")

    done = bench("run", replay, "--results", tmp_path / "results")

    inside = bench("run", replay, "--results", tmp_path / "results" / "more")

    assert done.exit_code == 2
    assert "Directory" in done.stderr
    assert "is a file" in done.stderr
    assert inside.exit_code == 2
    assert inside.stdout == ""
    assert inside.stderr == (
        f"bench: {tmp_path / 'results' / 'more'}: cannot be written: Not a directory; "
        "choose another folder with --results\n"
    )


def test_check_names_each_bad_file(tmp_path: Path) -> None:
    path = save(result(), tmp_path)
    (tmp_path / "half.json").write_text(path.read_text()[:100])
    (tmp_path / "new.json").write_text('{"schema_version": 99}')

    done = bench("check", tmp_path)

    assert done.exit_code == 2
    assert done.stdout == f"{tmp_path}: 1 valid, 2 refused\n"
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"bench: {tmp_path / 'half.json'}: is not whole JSON (line ")
    assert lines[1] == (
        f"bench: {tmp_path / 'new.json'}: has schema version 99; this program reads up to 4: upgrade benchledger"
    )


def test_check_of_one_file_and_of_nothing(tmp_path: Path) -> None:
    path = save(result(), tmp_path)

    assert bench("check", path).stdout == f"{path}: valid\n"
    missing = bench("check", tmp_path / "none")
    assert missing.exit_code == 2
    assert missing.stderr == f"bench: {tmp_path / 'none'}: there is no such file or folder\n"


@pytest.mark.parametrize("form", ["csv", "md", "json", "report"])
def test_exports_without_results(tmp_path: Path, form: str) -> None:
    done = bench("export", "--results", tmp_path, "--format", form)

    assert done.exit_code == 2
    assert done.stderr == f"bench: {tmp_path}: there is no result; make the first run with: bench run\n"


@pytest.mark.parametrize(("of", "column"), [("load", "streams"), ("lengths", "prompt_tokens_aimed")])
def test_export_of_load_and_of_lengths(of: str, column: str) -> None:
    done = bench("export", "--results", FIXTURES, "--of", of, "--machine", "desk-9")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))

    assert done.exit_code == 0
    assert {row["model"] for row in rows} == {"qwen2.5-0.5b", "gemma-2-2b"}
    assert all(row[column] for row in rows)


def test_a_report_has_no_rows_of_load() -> None:
    done = bench("export", "--results", FIXTURES, "--format", "report", "--of", "load")

    assert done.exit_code == 2
    assert done.stderr == "bench: --of load: a report has no rows; choose --format csv, md or json\n"


def test_export_of_one_machine(tmp_path: Path) -> None:
    save(result(machine_name="laptop"), tmp_path)
    save(result(machine_name="kiosk"), tmp_path)

    rows = json.loads(bench("export", "--results", tmp_path, "--format", "json", "--machine", "kiosk").stdout)
    unknown = bench("export", "--results", tmp_path, "--machine", "phone")

    assert {row["machine"] for row in rows} == {"kiosk"}
    assert unknown.exit_code == 2
    assert (
        unknown.stderr == f"bench: {tmp_path}: there is no result of machine 'phone'; it has results of kiosk, laptop\n"
    )


def test_the_report_is_written_to_a_file(tmp_path: Path) -> None:
    save(result(), tmp_path / "results")
    report = tmp_path / "benchmark_report.md"

    done = bench("export", "--results", tmp_path / "results", "--format", "report", "-o", report)

    assert done.exit_code == 0
    assert done.stdout == f"Wrote {report}\n"
    assert report.read_text().startswith("# ")


@pytest.mark.slow
def test_calibration_measures_the_client_on_this_machine() -> None:
    table = bench("calibrate", "--streams", 2)
    as_json = bench("calibrate", "--streams", 2, "--json")

    assert table.exit_code == 0, table.output
    stamps = ["kernel", "process"] if given() else ["process"]
    assert re.findall(r"^\s+2\s+(\w+)\s+[\d,.]+\s", table.stdout, re.MULTILINE) == stamps
    rows = json.loads(as_json.stdout)
    assert [row["stamped_by"] for row in rows] == stamps
    for row in rows:
        assert (row["streams"], row["transport"]) == (2, "direct")
        assert 0 < row["ttft_error_p50_s"] <= row["ttft_error_p99_s"]
        assert row["requests_per_s"] > 0


def test_site_outside_a_project(tmp_path: Path) -> None:
    done = bench("site", "--project", tmp_path, "--results", tmp_path / "results")

    assert done.exit_code == 2
    assert done.stderr == (
        f"bench: {tmp_path / 'results'}: no such folder, and {tmp_path / 'mkdocs.yml'}: not found; "
        "run this in the folder with your results, or name them: --results, --project\n"
    )


def test_the_schema_in_the_docs_is_current() -> None:
    assert (ROOT / "docs" / "result-schema.json").read_text(encoding="utf-8") == bench("schema").stdout


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_help_with_an_example_and_is_documented(name: str) -> None:
    done = bench(name, "--help")

    assert done.exit_code == 0
    assert f"bench {name}" in done.stdout.split("\n", 2)[2]
    assert f"bench {name}" in (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    command = main.commands[name]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.name}"


def test_every_make_target_is_in_its_help_and_has_a_plain_command() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)

    described = dict(re.findall(r"^([a-z-]+):.* ## (.+)$", makefile, re.MULTILINE))

    assert sorted(described) == sorted(phony.split())
    assert all("(" in text for name, text in described.items() if name != "help")
