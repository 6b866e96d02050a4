import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bench.analysis.recommend import Limit, Use, candidates, choices
from bench.cli import main
from bench.schema.model_run import ModelRun
from bench.schema.result import Pairing
from bench.schema.result import Result as Run
from bench.store.files import save
from tests import builders

MB = 1_000_000
GIB = 2**30


def model(name: str, speed: float = 100.0, memory: int = 500 * MB, licence: str | None = "MIT") -> ModelRun:
    """Return a model that answers each of 6 prompts 5 times, always at this speed: 11 tokens, 10 of them timed."""
    half_ns = round(10 / speed * 1e9)
    samples = [
        builders.sample(
            prompt=f"p{prompt}",
            round=number,
            position=number * 6 + prompt,
            chunk_ns=(half_ns, 2 * half_ns),
            end_ns=2 * half_ns,
            output_tokens=11,
            output=f"{name}-{prompt}",
        )
        for number in range(1, 6)
        for prompt in range(6)
    ]
    return builders.model_run(name=name, memory_peak_bytes=memory, licence=licence, samples=tuple(samples))


def run(models: list[ModelRun], credit: float = 1.0, **fields: Any) -> Run:
    grades = tuple(
        builders.grade({"f1": credit}, prompt=f"p{prompt}", output=f"{one.name}-{prompt}")
        for one in models
        for prompt in range(6)
    )
    prompts = [builders.prompt(id=f"p{prompt}") for prompt in range(6)]
    return builders.result(models, prompts=prompts, grades=grades, **fields)


def verdicts(result: Run, *limits: Limit, prefer: str = "speed", use: Use | None = None) -> dict[str, str]:
    made = choices(candidates([result], "laptop").entries, limits, use, prefer)
    return {one.model.name: one.verdict for one in made}


def test_a_limit_is_met_failed_or_open_by_the_whole_interval() -> None:
    # Every request is alike: the intervals have no width, and the median speed is what it is.
    result = run([model("fast", 100.0), model("slow", 50.0)])

    assert verdicts(result, Limit("decode_tokens_per_s", 60.0)) == {"fast": "meets", "slow": "fails"}
    assert verdicts(result, Limit("ttft_s.p95", 0.15)) == {"fast": "meets", "slow": "fails"}


def test_a_reading_without_an_interval_decides_from_5_percent_on() -> None:
    result = run(
        [model("inside", memory=949 * MB), model("near", memory=960 * MB), model("outside", memory=1_060 * MB)]
    )

    found = verdicts(result, Limit("memory_peak_bytes", 1_000 * MB))

    assert found == {"inside": "meets", "near": "may", "outside": "fails"}


def test_a_size_on_disk_is_a_fact() -> None:
    result = run([model("tiny")])

    assert verdicts(result, Limit("footprint_bytes", 2_100_000)) == {"tiny": "meets"}
    assert verdicts(result, Limit("footprint_bytes", 2_099_999)) == {"tiny": "fails"}


def test_what_is_not_known_is_open() -> None:
    tiny = model("tiny")
    unmeasured = {**tiny.unmeasured, "footprint_bytes": "no"}
    result = run([tiny.model_copy(update={"footprint_bytes": None, "unmeasured": unmeasured})])

    (choice,) = choices(candidates([result], "laptop").entries, [Limit("footprint_bytes", 1.0)], None, "speed")

    assert choice.verdict == "may"
    assert choice.findings[0].estimate is not None
    assert choice.findings[0].estimate.value is None


@pytest.mark.parametrize(
    ("licence", "commercial", "with_conditions"),
    [
        ("MIT", "meets", "meets"),
        ("GPL-3.0-only", "may", "meets"),
        ("CC-BY-NC-4.0", "fails", "fails"),
        (None, "may", "may"),
    ],
)
def test_a_licence_is_a_limit(licence: str | None, commercial: str, with_conditions: str) -> None:
    entry = model("tiny", licence=licence)
    result = run([entry])

    assert verdicts(result, use="commercial") == {"tiny": commercial}
    assert verdicts(result, use="commercial-conditions") == {"tiny": with_conditions}


def test_the_preferred_come_first_within_each_group() -> None:
    result = run([model("a", 50.0), model("b", 100.0), model("c", 200.0, memory=2_000 * MB)])

    assert list(verdicts(result, Limit("memory_peak_bytes", 1_000 * MB))) == ["b", "a", "c"]
    assert list(verdicts(result, prefer="memory")) == ["a", "b", "c"]


def test_the_front_is_of_those_that_are_left() -> None:
    result = run([model("beaten", 50.0), model("best", 100.0), model("large", 200.0, memory=2_000 * MB)])

    made = choices(candidates([result], "laptop").entries, [Limit("memory_peak_bytes", 1_000 * MB)], None, "speed")

    assert {one.model.name: one.on_front for one in made} == {"best": True, "beaten": False, "large": False}


def test_candidates_are_the_newest_of_each_model_under_the_newest_prompts() -> None:
    later = builders.STARTED_UTC + timedelta(days=1)
    other_prompts = builders.result([model("elsewhere")], prompts=[builders.prompt(id=f"p{n}") for n in range(7)])
    first = run([model("a", 50.0), model("b")])
    second = run([model("a", 100.0)], started_utc=later)
    other = other_prompts.model_copy(
        update={"prompt_set": other_prompts.prompt_set.model_copy(update={"sha256": "6" * 64})}
    )

    found = candidates([second, first, other], "laptop")

    assert [(one.name, result.run.id) for result, one in found.entries] == [("a", second.run.id), ("b", first.run.id)]
    assert (found.prompts, found.left_out) == ("test", {"elsewhere": ("test",)})


def another_set(name: str, day: int) -> Run:
    made = run([model(name)], started_utc=builders.STARTED_UTC + timedelta(days=day))
    return made.model_copy(
        update={"prompt_set": made.prompt_set.model_copy(update={"id": "notes", "sha256": "7" * 64})}
    )


def test_a_prompt_set_can_be_asked_for() -> None:
    runs = [run([model("a"), model("b")]), another_set("b", 1)]

    newest, asked = candidates(runs, "laptop"), candidates(runs, "laptop", "test")

    assert ([one.name for _, one in newest.entries], newest.prompts) == (["b"], "notes")
    assert newest.left_out == {"a": ("test",)}
    assert ([one.name for _, one in asked.entries], asked.left_out) == (["a", "b"], {})
    with pytest.raises(ValueError, match="no run on laptop has the prompt set json"):
        candidates(runs, "laptop", "json")


def in_turns(made: Run) -> Run:
    pairing = Pairing(side="A", other="laptop/other", blocks=("A", "B"))
    return made.model_copy(update={"run": made.run.model_copy(update={"pairing": pairing})})


def test_a_run_in_turns_counts_only_where_there_is_no_other() -> None:
    alone = run([model("a")])
    turned = in_turns(run([model("a"), model("b")], started_utc=builders.STARTED_UTC + timedelta(days=1)))

    both = candidates([alone, turned], "laptop")

    assert [(one.name, result.run.id) for result, one in both.entries] == [("a", alone.run.id)]
    assert both.left_out == {"b": ("test",)}
    assert [one.name for _, one in candidates([turned], "laptop").entries] == ["a", "b"]


def recommend(results: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["recommend", "--results", str(results), *arguments])


def instrument(name: str, **fields: Any) -> ModelRun:
    return model(name, **fields).model_copy(update={"instrument": True})


def test_test_instruments_are_candidates_only_where_they_are_asked_for() -> None:
    mixed = run([model("real"), instrument("probe", speed=900.0)])

    assert [one.name for _, one in candidates([mixed], "laptop").entries] == ["real"]
    assert candidates([mixed], "laptop").instruments == ("probe",)
    assert [one.name for _, one in candidates([mixed], "laptop", instruments=True).entries] == ["probe", "real"]


def test_a_newer_run_of_test_instruments_alone_does_not_stand_before_real_models() -> None:
    older = run([model("real")])
    newer = run([instrument("probe")], started_utc=builders.STARTED_UTC + timedelta(days=1))

    assert [one.name for _, one in candidates([older, newer], "laptop").entries] == ["real"]
    assert candidates([newer], "laptop").entries == ()


def test_the_command_names_the_test_instruments_that_it_left_out(tmp_path: Path) -> None:
    save(run([instrument("probe")]), tmp_path)

    without = CliRunner().invoke(main, ["recommend", "--results", str(tmp_path)])
    asked = CliRunner().invoke(main, ["recommend", "--results", str(tmp_path), "--instruments"])

    assert "Left out as test instruments (--instruments takes them in): probe" in without.stdout
    assert "No model but test instruments has answered on this machine." in without.stdout
    assert without.exit_code == 1
    assert "probe (test instrument, do not ship)" in asked.stdout
    assert asked.exit_code == 0


def test_the_command_answers_in_one_screen(tmp_path: Path) -> None:
    save(run([model("fast", 100.0), model("huge", 200.0, memory=3 * GIB)]), tmp_path)

    done = recommend(tmp_path, "--max-memory", "2GiB", "--license", "commercial", "--prefer", "speed")

    said = " ".join(done.output.replace("\N{NO-BREAK SPACE}", " ").split())
    assert done.exit_code == 0, done.output
    assert "Meets every limit for certain: 1" in said
    assert "peak resident memory 500 MB, within 2.15 GB; licence: permissive: keep the copyright notice" in said
    assert "Fails: 1" in said
    assert "peak resident memory 3.22 GB, above 2.15 GB" in said


def test_the_command_says_which_prompts_it_goes_by_and_who_answered_others(tmp_path: Path) -> None:
    save(run([model("a"), model("b")]), tmp_path)
    save(another_set("b", 1), tmp_path)

    newest, asked = recommend(tmp_path), recommend(tmp_path, "--prompts", "test")
    wrong = recommend(tmp_path, "--prompts", "nots")

    assert "Models on laptop with the prompts notes, newest run 2026-01-06" in newest.output
    assert "Not compared, asked other prompts or with other settings (--prompts chooses): a (test)" in newest.output
    assert "Models on laptop with the prompts test, newest run 2026-01-05" in asked.output
    assert "Not compared" not in asked.output
    assert wrong.exit_code == 2
    assert "--prompts nots: the results of laptop are of notes, test" in wrong.output


def test_the_command_exits_with_1_if_nothing_is_left(tmp_path: Path) -> None:
    save(run([model("fast")]), tmp_path)

    done = recommend(tmp_path, "--max-memory", "1MB")

    assert done.exit_code == 1


def test_json_has_every_finding(tmp_path: Path) -> None:
    save(run([model("fast")]), tmp_path)

    done = recommend(tmp_path, "--max-ttft-p95", "150ms", "--json")

    (row,) = json.loads(done.output)
    assert row["model"] == "fast"
    assert row["verdict"] == "meets"
    assert row["findings"] == [
        {"limit": "ttft_s.p95", "verdict": "meets", "value": 0.1, "low": 0.1, "high": 0.1, "why": None}
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--max-ttft-p95", "1h"),
            "must be a number with one of the units us, µs, ms, s, min, such as 250ms; found '1h'",
        ),
        (("--min-score", "good"), "must be a number, such as 3.5; found 'good'"),
        (("--machine", "kiosk"), "--machine kiosk: {results} has results of laptop"),
    ],
)
def test_a_mistake_says_what_is_allowed(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    save(run([model("fast")]), tmp_path)

    done = recommend(tmp_path, *arguments)

    assert done.exit_code == 2
    assert message.format(results=tmp_path) in done.output


def test_several_machines_need_a_choice(tmp_path: Path) -> None:
    save(run([model("fast")]), tmp_path)
    save(run([model("fast")], machine_name="kiosk"), tmp_path)

    done = recommend(tmp_path)

    assert done.exit_code == 2
    assert f"{tmp_path}: has results of kiosk, laptop; choose one with --machine" in done.output


def test_an_empty_ledger_says_what_to_do(tmp_path: Path) -> None:
    done = recommend(tmp_path)

    assert done.exit_code == 2
    assert "there is no result; make the first run with: bench run" in done.output


def cached(name: str, tokens: int, mode: str) -> ModelRun:
    """Return such a model whose runtime says how many of the 10 tokens of each prompt came out of its cache."""
    made = model(name).model_copy(update={"provider": "openai", "transport": "direct", "prompt_cache": mode})
    told = {"prompt_tokens": 10, "cached_prompt_tokens": tokens}
    return made.model_copy(update={"samples": tuple(one.model_copy(update=told) for one in made.samples)})


def test_a_ttft_out_of_a_prompt_cache_meets_no_limit_for_certain() -> None:
    result = run([cached("read", 0, "cold"), cached("kept", 9, "as-is"), cached("asked", 9, "warm")])
    limit = Limit("ttft_s.p95", 0.15)

    assert verdicts(result, limit) == {"read": "meets", "asked": "meets", "kept": "may"}
    (kept,) = [
        one for one in choices(candidates([result], "laptop").entries, [limit], None, "speed") if one.verdict == "may"
    ]
    assert kept.findings[0].why == "the prompts came out of the runtime’s prompt cache, as it counts"


def test_a_run_with_a_warm_prompt_cache_stands_beside_no_other() -> None:
    later = builders.STARTED_UTC + timedelta(hours=1)
    cold = run([cached("one", 0, "cold"), cached("two", 0, "cold")])
    warm = run([cached("two", 9, "warm")], started_utc=later)

    assert [one.name for _, one in candidates([cold, warm], "laptop").entries] == ["two"]
    assert [one.prompt_cache for _, one in candidates([cold], "laptop").entries] == ["cold", "cold"]
