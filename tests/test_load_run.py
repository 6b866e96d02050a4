"""Runs with levels of load and a matrix of lengths: recorded, kept when something ends them, and gone on with."""

import io
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from bench.config import Config
from bench.results.schema import Result
from bench.runner.journal import Journal, journal_path, read_journal
from bench.runner.measure import Measured
from bench.runner.record import ModelRun
from bench.runner.reports import CellMeasured, LevelMeasured, Underway
from bench.runner.run import Progress, Ran
from bench.runner.seen import Seen
from bench.terminal import RunDisplay
from tests.builders import model_run, prompt, prompt_set, sample
from tests.interrupting import bench, journal_of, kill, only, start
from tests.load_builders import cell, load_level, load_sample
from tests.running import header, run_models
from tests.site_project import ROOT

pytestmark = pytest.mark.slow

PROMPTS = prompt_set([prompt(id="p1", text="One?"), prompt(id="p2", text="Two?")])
LOAD = {"streams": [1, 2], "warmup_s": 0.05, "measure_s": 0.2}
LENGTHS = {"prompt_tokens": [32, 64], "output_tokens": [2], "repeats": 2}

CONFIG = """
prompts: prompts.yaml
rounds: 1
warmup: 1
machine: kiosk
probe: false
models:
  - {provider: custom, name: first, class: "tests.load_models:Together"}
lengths: {prompt_tokens: [32, 64], output_tokens: [2], repeats: 2}
load: {streams: [1, 2], rates_per_s: [20], warmup_s: 0.05, measure_s: 0.5}
"""

PROMPT_FILE = """
id: own
prompts:
  - {id: a, title: A, text: Hello}
  - {id: b, title: B, text: Bye}
"""


def ran(*names: str, progress: list[Progress] | None = None, **settings: Any) -> Ran:
    entries = [{"provider": "custom", "name": name, "class": f"tests.load_models:{name}"} for name in names]
    document = {"models": entries, "rounds": 1, "warmup": 1, "probe": False, **settings}
    return run_models(Config.model_validate(document), PROMPTS, (progress if progress is not None else []).append)


def levels_of(model: ModelRun) -> list[tuple[int, float | None]]:
    return [(level.streams, level.rate_per_s) for level in model.load]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "own.yaml").write_text(CONFIG)
    (tmp_path / "prompts.yaml").write_text(PROMPT_FILE)
    return tmp_path


def wait_for_lines(project: Path, kind: bytes, lines: int, process: subprocess.Popen[str]) -> Path:
    """Wait until the journal has so many lines of a kind."""
    while True:
        journal = journal_of(project)
        if journal is not None and journal.read_bytes().count(b'\n{"' + kind + b'"') >= lines:
            return journal
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def whole(result: Result) -> None:
    """Assert that a result has each sample, cell and level of its config once."""
    (model,) = result.models
    assert model.failure is None
    assert sorted(one.prompt for one in model.samples) == ["a", "b"]
    assert [(one.prompt_tokens, [each.round for each in one.samples]) for one in model.lengths] == [
        (32, [1, 2]),
        (64, [1, 2]),
    ]
    assert levels_of(model) == [(1, None), (2, None), (64, 20.0)]


def test_lengths_come_after_the_prompts_and_load_after_the_lengths() -> None:
    outcome = ran("Together", load=LOAD, lengths=LENGTHS)

    (model,) = outcome.models
    assert model.failure is None
    assert len(model.samples) == 2
    assert [(one.prompt_tokens, one.output_tokens, len(one.samples)) for one in model.lengths] == [
        (32, 2, 2),
        (64, 2, 2),
    ]
    assert levels_of(model) == [(1, None), (2, None)]
    assert all(level.ended_early is None for level in model.load)
    ends = [one.start_ns + (one.end_ns or 0) for one in model.samples]
    of_lengths = [one for each in model.lengths for one in each.samples]
    assert max(ends) <= of_lengths[0].start_ns
    assert of_lengths[-1].start_ns <= model.load[0].start_ns
    assert model.load[0].start_ns + model.load[0].window_end_ns <= model.load[1].start_ns
    used = {one.output for level in model.load for one in level.samples} | {one.output for one in of_lengths}
    assert used <= outcome.outputs.keys()
    assert "one two One?" in outcome.outputs.values()


def test_load_leaves_what_single_requests_rest_on_alone() -> None:
    alone = ran("Together").models[0]
    under_load = ran("Together", load=LOAD, probe=True).models[0]

    # The watch ends before the load begins: a run of two prompts takes a tenth of a second, the load half a second.
    watch = under_load.machine_watch
    assert watch is not None
    assert len(watch.late_ns) * watch.period_ns < under_load.load[0].start_ns + 3_000_000_000
    assert under_load.memory_watch is not None
    assert alone.memory_watch is not None
    assert [one.prompt for one in under_load.samples] == [one.prompt for one in alone.samples]


def test_a_level_has_a_peak_of_memory_of_its_own() -> None:
    (model,) = ran("Swelling", load={**LOAD, "streams": [4, 1], "measure_s": 0.5}).models

    four, one = (level.memory_peak_bytes for level in model.load)
    assert four is not None
    assert one is not None
    # Each of the answers that are under way holds 40 MB.
    assert four - one > 60_000_000
    assert model.memory_peak_bytes is not None
    assert model.memory_peak_bytes < four - 60_000_000


def test_a_child_that_dies_under_load_keeps_what_was_finished() -> None:
    outcome = ran("DiesUnderLoad", "Together", load=LOAD, lengths=LENGTHS)

    dies, other = outcome.models
    assert dies.failure is not None
    assert dies.failure.kind == "died"
    assert dies.failure.message == (
        "the process that held the model was killed by SIGKILL while measuring load: 2 streams, "
        "often for want of memory: stop other models or take a smaller variant"
    )
    assert [one.failure for one in dies.samples] == [None, None]
    assert dies.memory_peak_bytes is not None
    assert len(dies.lengths) == 2
    assert levels_of(dies) == [(1, None)]
    assert other.failure is None
    assert levels_of(other) == [(1, None), (2, None)]


def test_a_request_that_never_ends_under_load_is_the_model_s_failure() -> None:
    outcome = ran("HangsUnderLoad", "Together", load={**LOAD, "streams": [1]}, timeouts={"request_s": 0.5})

    hangs, other = outcome.models
    assert hangs.failure is not None
    assert (hangs.failure.kind, hangs.failure.message) == (
        "timeout",
        "a request under load did not end within 0.5 s",
    )
    assert [one.failure for one in hangs.samples] == [None, None]
    assert hangs.load == ()
    assert levels_of(other) == [(1, None)]


def test_a_class_that_is_asked_one_at_a_time_still_has_its_levels() -> None:
    (model,) = ran("OneAtATime", load={**LOAD, "sweep": {"max_streams": 8}}).models

    assert model.failure is None
    assert [(level.streams, level.swept, level.ended_early is None) for level in model.load] == [
        (1, False, True),
        (2, False, False),
    ]


def test_repeated_loads_ask_nothing_under_load() -> None:
    (model,) = ran("Together", load=LOAD, loads=2).models

    assert len(model.reloads_ns) == 1
    assert levels_of(model) == [(1, None), (2, None)]


def test_progress_names_the_cell_and_the_level() -> None:
    seen: list[Progress] = []

    ran("Together", progress=seen, load=LOAD, lengths=LENGTHS)

    assert list(dict.fromkeys(one.stage for one in seen)) == [
        "preparing",
        "loading",
        "answering",
        "measuring",
        "lengths: 32 x 2",
        "lengths: 64 x 2",
        "load: 1 stream",
        "load: 2 streams",
        "done",
    ]
    assert {(one.done, one.total) for one in seen if one.stage.startswith("load:")} == {(3, 3)}
    assert {one.under_way.total for one in seen if one.stage.startswith("load:") and one.under_way} == {0.25}


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_a_terminal_shows_a_bar_of_its_own_for_a_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setenv("TERM", "xterm")
    shown = Terminal()
    document = {"models": ["a"], "rounds": 2, "load": {"streams": [4], "warmup_s": 2, "measure_s": 10}}
    config = Config.model_validate(document)
    states = [
        Progress("a", "answering", 3, 5, 40.0),
        Progress("a", "lengths: 512 x 16", 5, 5, None, Underway("lengths: 512 x 16", 2, 18, "requests", 2, None)),
        Progress("a", "load: 4 streams", 5, 5, None, Underway("load: 4 streams", 3.2, 12, "s", 64, 20.0)),
        Progress("a", "load: 4 streams", 5, 5, None, Underway("load: 4 streams", 12, 12, "s", 240, 20.0)),
        Progress("a", "done", 5, 5, None, Underway("load: 4 streams", 12, 12, "s", 240, 20.0)),
    ]
    expected = [
        r"a: answering, 40.0 tokens/s .*3/5 ",
        r"\nlengths: 512 x 16 .*2/18 requests ",
        r"\nload: 4 streams, 20.0 answers/s .*3/12 s ",
        r"\nload: 4 streams, waiting for the last answers .*12/12 s ",
        r"a: done [^\n]*5/5 [^\n]*$",
    ]

    with RunDisplay(shown, shown).running(config, PROMPTS) as update:
        for state, lines in zip(states, expected, strict=True):
            update(state)
            # It is drawn some ten times a second, by a thread of its own.
            for _ in range(200):
                drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue())
                if re.search(lines, drawn):
                    break
                time.sleep(0.05)
            assert re.search(lines, drawn), drawn[-500:]


def test_plain_lines_tell_model_round_speed_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    config = Config.model_validate({"models": ["a", "b"], "rounds": 2})
    seconds = iter([0.0, 10.0, 20.0, 40.0, 41.0])
    monkeypatch.setattr("bench.terminal.time.monotonic", lambda: next(seconds))
    states = [
        Progress("a", "loading", 0, 5, None),
        Progress("a", "answering", 0, 5, None, round=0),
        Progress("a", "answering", 2, 5, 40.0, round=1),
        Progress("a", "answering", 4, 5, 40.0, round=2),
        Progress("a", "done", 5, 5, None),
    ]

    with RunDisplay(shown, shown).running(config, PROMPTS) as update:
        for state in states:
            update(state)

    # Two of ten took 10 s, and four of ten 30 s.
    assert shown.getvalue().splitlines()[1:] == [
        "a (1 of 2): answering for warm-up, 0/5",
        "a (1 of 2): answering, round 1 of 2, 40.0 tokens/s, 2/5, about 40 s left",
        "a (1 of 2): answering, round 2 of 2, 40.0 tokens/s, 4/5, about 45 s left",
        "a (1 of 2): done, 5/5",
    ]


def test_a_run_without_a_terminal_tells_levels_in_plain_lines(project: Path) -> None:
    done = bench(project)

    assert done.returncode == 0, done.stderr
    first, *lines = done.stderr.splitlines()
    assert first == "1 model, 2 prompts, 1 round, 1 warm-up request, 2 cells of lengths, 3 levels of load"
    assert lines[-1] == "first: done, 3/3"
    whole(only(project))


@pytest.mark.parametrize(("kind", "lines"), [(b"cell", 3), (b"level", 2)])
def test_a_run_that_is_killed_goes_on_with_the_cell_or_level_that_it_was_at(
    project: Path, kind: bytes, lines: int
) -> None:
    process = start(project)
    journal = wait_for_lines(project, kind, lines, process)
    kill(process)
    _, kept = read_journal(journal)
    cells, levels = kept.cells["first"], kept.levels.get("first", [])

    done = bench(project, "--resume")

    assert done.returncode == 0, done.stderr
    result = only(project)
    whole(result)
    assert result.run.status == "complete"
    (model,) = result.models
    # What was there is as it was, and was not measured again.
    for before in cells:
        assert any(
            set(before.samples) <= set(one.samples)
            for one in model.lengths
            if one.prompt_tokens == before.prompt_tokens
        )
    assert set(levels) <= set(model.load)
    assert sum(len(one.samples) for one in cells) + len(levels) >= lines
    # Stamps go on where they stopped.
    starts = [one.start_ns for each in model.lengths for one in each.samples] + [one.start_ns for one in model.load]
    assert starts == sorted(starts)


def test_a_sweep_goes_on_where_it_stopped(project: Path) -> None:
    text = CONFIG.replace("streams: [1, 2], rates_per_s: [20],", "sweep: {max_streams: 4, growth: 1.001},")
    (project / "own.yaml").write_text(text)
    process = start(project)
    journal = wait_for_lines(project, b"level", 1, process)
    kill(process)
    _, kept = read_journal(journal)
    before = kept.levels["first"]

    done = bench(project, "--resume")

    assert done.returncode == 0, done.stderr
    (model,) = only(project).models
    assert list(model.load[: len(before)]) == before
    streams = [level.streams for level in model.load]
    assert streams in ([1, 2], [1, 2, 4])
    assert all(level.swept for level in model.load)


def test_ctrl_c_in_a_level_keeps_the_levels_and_cells_that_were_finished(project: Path) -> None:
    process = start(project)
    wait_for_lines(project, b"level", 1, process)

    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate()

    assert process.returncode == 0, err
    assert "Wrote a partial result, " in out
    assert "Traceback" not in err
    result = only(project)
    assert result.run.status == "partial"
    (model,) = result.models
    assert len(model.samples) == 2
    assert [len(one.samples) for one in model.lengths] == [2, 2]
    assert 1 <= len(model.load) < 3
    # The prompts were all asked before: what was seen of them is not lost.
    assert model.memory_peak_bytes is not None
    assert journal_of(project) is None


def test_a_journal_remembers_cells_levels_and_what_was_seen(tmp_path: Path) -> None:
    head = header()
    path = journal_path(tmp_path, head.run_id)
    journal = Journal(path, head)
    level = load_level([load_sample(0.0, output="k1"), load_sample(1.0, output="k1")])
    first = cell([sample(round=1, output="k2")])
    second = cell([sample(round=2, output="k1")])
    skipped = cell(prompt_tokens=9_000, skipped="too long")
    seen = Seen(memory_peak_bytes=7, unmeasured={"energy": "no counter"})
    journal.measured("tiny", Measured(sample(), "text of out1"), 10)
    journal.seen("tiny", seen)
    for one, texts in ((first, {"k2": "two"}), (second, {"k1": "one"}), (skipped, {})):
        journal.cell("tiny", CellMeasured(one, texts), 20)
    journal.level("tiny", LevelMeasured(level, {"k1": "one"}), 30)
    journal.finished(model_run(name="tiny", samples=(sample(),), load=(level,), lengths=(first,)))
    journal.close()

    _, kept = read_journal(path)

    both = cell([*first.samples, *second.samples])
    assert kept.cells["tiny"] == [both, skipped]
    assert kept.levels["tiny"] == [level]
    assert kept.seen["tiny"] == seen
    assert kept.outputs == {"out1": "text of out1", "k1": "one", "k2": "two"}
    assert kept.requests == 1 + 2 + 2
    assert kept.elapsed_ns == 30
    assert kept.models["tiny"].load == (level,)
    assert kept.models["tiny"].lengths == (both, skipped)


def test_a_repeated_answer_is_held_once(tmp_path: Path) -> None:
    path = journal_path(tmp_path, "m/r")
    journal = Journal(path, header())
    for position in range(3):
        journal.measured("tiny", Measured(sample(position=position), "the same, long answer"), 10)
    journal.close()

    _, kept = read_journal(path)

    texts = [one.text for one in kept.samples["tiny"]]
    assert texts == ["the same, long answer"] * 3
    assert texts[0] is texts[1] is texts[2] is kept.outputs["out1"]


@pytest.mark.runtime
def test_sessions_of_the_runtime_answer_at_once_and_alike() -> None:
    path = ROOT / "bench" / "reference" / "models" / "ledger-xs-fp32"
    document = {
        "models": [{"path": str(path), "name": "xs"}],
        "rounds": 1,
        "probe": False,
        "generation": {"max_output_tokens": 16},
        "load": {"streams": [1, 4], "rates_per_s": [20.0], "warmup_s": 0.1, "measure_s": 0.5},
    }
    prompts = prompt_set([prompt(id="p1", text="List 3 privacy benefits of local inference.")])

    outcome = run_models(Config.model_validate(document), prompts)

    (model,) = outcome.models
    assert model.failure is None
    assert levels_of(model) == [(1, None), (4, None), (64, 20.0)]
    for level in model.load:
        assert level.ended_early is None
        assert all(one.failure is None for one in level.samples)
        assert level.memory_peak_bytes is not None
        assert level.client_cpu_ns is None
    # Greedy decoding: whoever asks at the same time, the answer is the same.
    assert len(outcome.outputs) == 1
    four = model.load[1]
    assert {one.stream for one in four.samples} == {0, 1, 2, 3}
    spans = [(one.start_ns, one.start_ns + (one.end_ns or 0)) for one in four.samples]
    assert max(sum(start < at < end for start, end in spans) for at, _ in spans) >= 1
