"""Numbers and dates that cannot be: refused with their key and the range, and never in the way of the other files."""

import datetime as dt
import json
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from click.testing import Result as Done
from pydantic import BaseModel

from bench.cli import main
from bench.errors import ConfigError
from bench.quality.prompts.prompt_set import load_prompt_set
from bench.runner.journal import Header
from bench.schema.load import GapHistogram
from bench.schema.machine import Accelerator, ClientCheck, Energy, MachineWatch, MemoryWatch, Probe
from bench.schema.result import Result, schema_text
from bench.schema.review import Annotations, JudgeHeader, PairVerdict, Sitting, Verdict
from bench.store.files import dump, load, load_tree, save
from bench.store.reviews import annotations_path, judgement_path, reviews_of, save_annotations
from tests import builders
from tests.load_builders import cell, cell_sample, load_level, load_sample
from tests.review_builders import RUN, annotations, judge_lines, judgement, reviewed_result, verdict
from tests.site_project import TEMPLATES

LONG = "9" * 400
LONGER = "9" * 5_000
SHOWN = "9" * 57 + "..."
"""What a message shows of the two above."""

EXACT = "9,007,199,254,740,991"
DATE = "must be a time with its zone from 2020-01-01 to 2100-01-01"


def whole(most: str, least: str = "0") -> str:
    return f"must be a whole number from {least} to {most}"


def number(most: str, least: str = "from 0") -> str:
    return f"must be a number {least} to {most}"


NANOSECONDS = BYTES = SEED = whole(EXACT)
COUNT = HERTZ = whole("1,000,000,000,000")
TOKENS = whole("1,000,000,000")
FREE = number(EXACT, f"from -{EXACT}")
FREE_INTEGERS = ((LONG, SHOWN), (LONGER, SHOWN), ("-9007199254740992", "-9007199254740992"))
FREE_NUMBERS = (*FREE_INTEGERS, ("1e19", "1e+19"), ("1e400", "Infinity"), ("NaN", "NaN"), ("-Infinity", "-Infinity"))
INTEGERS = (
    (LONG, SHOWN),
    (LONGER, SHOWN),
    ("10000000000000000000", "10000000000000000000"),
    ("1e19", "1e+19"),
    ("1e400", "Infinity"),
    ("-1", "-1"),
    ("0.5", "0.5"),
    ("NaN", "NaN"),
    ("Infinity", "Infinity"),
    ("true", "true"),
)
NUMBERS = (
    (LONG, SHOWN),
    (LONGER, SHOWN),
    ("1e308", "1e+308"),
    ("-1", "-1.0"),
    ("NaN", "NaN"),
    ("Infinity", "Infinity"),
)
DATES = tuple(
    (f'"{written}"', f'"{written}"')
    for written in (
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-23:00",
        "0001-01-01T00:00:00+23:00",
        "2019-12-31T23:59:59Z",
        "2100-01-01T00:00:01Z",
        "yesterday",
    )
)

WHOLE_KEYS = {
    "prompt_set.prompts[0].max_output_tokens": whole("1,000,000,000", "1"),
    "machine.physical_cores": COUNT,
    "machine.memory_bytes": BYTES,
    "machine.accelerators[0].memory_bytes": BYTES,
    "client[0].streams": whole("1,024", "1"),
    "models[0].parameters": whole(EXACT),
    "models[0].context_length": TOKENS,
    "models[0].footprint_bytes": BYTES,
    "models[0].cold_load_ns": NANOSECONDS,
    "models[0].reloads_ns[0]": NANOSECONDS,
    "models[0].memory_peak_bytes": BYTES,
    "models[0].memory_watch.readings": COUNT,
    "models[0].machine_watch.before.cpu_hz": HERTZ,
    "models[0].machine_watch.late_ns[0]": NANOSECONDS,
    "models[0].energy.duration_ns": NANOSECONDS,
    "models[0].samples[0].round": COUNT,
    "models[0].samples[0].start_ns": NANOSECONDS,
    "models[0].samples[0].chunk_ns[2]": NANOSECONDS,
    "models[0].samples[0].output_tokens": TOKENS,
    "models[0].load[0].seed": SEED,
    "models[0].load[0].streams": whole("1,024", "1"),
    "models[0].load[0].window_end_ns": NANOSECONDS,
    "models[0].load[0].samples[0].scheduled_ns": NANOSECONDS,
    "models[0].load[0].gaps.first_ns": whole(EXACT, "1"),
    "models[0].load[0].gaps.counts.3": COUNT,
    "models[0].lengths[0].prompt_tokens": whole("1,000,000", "1"),
}
NUMBER_KEYS = {
    "prompt_set.prompts[0].facets[0].weight": number("1,000,000", "above 0, up"),
    "grades[0].facets[0].credit": number("1"),
    "models[0].machine_watch.steal_share": number("1"),
    "models[0].machine_watch.before.load_average": number("1,000,000,000"),
    "models[0].energy.joules": number("10,000,000,000,000"),
    "models[0].energy.idle_watts": number("1,000,000"),
    "models[0].load[0].rate_per_s": number("100,000", "above 0, up"),
    "models[0].load[0].gaps.relative_error": number("0.5", "from 0.0001"),
}
SIGNED_KEYS = {
    "client[0].ttft_error_ns[0]": whole(EXACT, f"-{EXACT}"),
    "client[0].gap_error_ns[0]": whole(EXACT, f"-{EXACT}"),
}
DATE_KEYS = ("run.started_utc", "run.finished_utc", "run.resumed_utc[0]")
FREE_KEYS = (
    "config.resolved.rounds",
    "config.resolved.deep[0].er",
    "prompt_set.prompts[0].facets[0].parameters.values[0]",
)

CASES = [
    *((key, allowed, *pair) for key, allowed in WHOLE_KEYS.items() for pair in INTEGERS),
    *((key, allowed, *pair) for key, allowed in NUMBER_KEYS.items() for pair in NUMBERS),
    *((key, allowed, *pair) for key, allowed in SIGNED_KEYS.items() for pair in INTEGERS if pair[0] != "-1"),
    *((key, DATE, *pair) for key in DATE_KEYS for pair in DATES),
    *((key, FREE, *pair) for key in FREE_KEYS for pair in FREE_NUMBERS),
]


def full_result(**fields: Any) -> Result:
    """Return a result with a value in every place that can have a number."""
    probe = Probe(compute_ns=1, memory_ns=1, cpu_hz=2_000_000_000, temperature_c=50.0, load_average=0.5)
    gaps = GapHistogram(relative_error=0.01, first_ns=1_000, counts={"3": 2}, longest_ns=1_100, over_200_ms=0)
    level = load_level((load_sample(1.0, scheduled_s=0.5),), rate_per_s=2.0, gaps=gaps)
    model = builders.model_run(
        reloads_ns=(1,),
        memory_watch=MemoryWatch(period_ns=1, readings=1, cost_ns=1),
        machine_watch=MachineWatch(before=probe, after=probe, period_ns=1, late_ns=(1,), steal_share=0.0),
        energy=Energy(source="rapl", joules=1.0, idle_watts=1.0, duration_ns=1),
        load=(level,),
        lengths=(cell((cell_sample(128, 16, 0.1, 0.01),)),),
    )
    made = builders.result(
        (model,),
        machine=builders.machine(accelerators=(Accelerator(name="GPU", memory_bytes=1, driver=None),)),
        client=(
            ClientCheck(transport="direct", stamped_by="process", streams=1, ttft_error_ns=(-5,), gap_error_ns=(5,)),
        ),
        config=builders.config(resolved={"rounds": 1, "deep": [{"er": 1}]}),
        grades=(builders.grade(),),
        **fields,
    )
    return made.model_copy(update={"run": made.run.model_copy(update={"resumed_utc": (builders.STARTED_UTC,)})})


def with_value(text: str, key: str, literal: str) -> str:
    """Return the text of a JSON document with a literal, which need not be JSON, in the place of a key."""
    document = json.loads(text)
    within = document
    *outer, last = [int(part) if part.isdigit() else part for part in key.replace("[", ".").replace("]", "").split(".")]
    if outer[-1:] == ["counts"]:
        last = str(last)
    for part in outer:
        within = within[part]
    assert last in within or isinstance(last, int)
    within[last] = "@@"
    return json.dumps(document).replace('"@@"', literal)


def bench(*arguments: object) -> Done:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def case_name(value: str) -> str:
    return value if len(value) < 40 else f"{len(value)} digits" if value.isdigit() else value[:20]


def test_a_file_with_a_number_everywhere_is_valid(tmp_path: Path) -> None:
    path = save(full_result(), tmp_path)

    assert load(path) == full_result()


@pytest.mark.parametrize(("key", "allowed", "literal", "found"), CASES, ids=case_name)
def test_check_says_the_key_the_range_and_what_was_found(
    tmp_path: Path, key: str, allowed: str, literal: str, found: str
) -> None:
    path = tmp_path / "run.json"
    path.write_text(with_value(dump(full_result()), key, literal), encoding="utf-8")

    done = bench("check", path)

    assert done.exit_code == 2
    # A number where a whole one is due is read as one; both are the same to a person.
    assert done.stderr in (
        f"bench: {path}: {key}: {allowed}, found {found}\n",
        f"bench: {path}: {key}: {allowed}, found {found.removesuffix('.0')}\n",
    )
    assert done.stdout == ""


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(("literal", "found"), INTEGERS, ids=case_name)
def test_files_of_older_versions_are_held_to_the_same_bounds(
    tmp_path: Path, version: str, literal: str, found: str
) -> None:
    path = tmp_path / "run.json"
    text = (Path(__file__).parents[1] / "fixtures" / "versions" / f"{version}.json").read_text(encoding="utf-8")
    path.write_text(with_value(text, "models[0].samples[0].position", literal), encoding="utf-8")

    assert bench("check", path).stderr == f"bench: {path}: models[0].samples[0].position: {COUNT}, found {found}\n"


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (100, None),
        (101, "must have at most 100 levels of nesting"),
        (150, "must have at most 100 levels of nesting"),
        (250, None),
        (100_000, None),
    ],
)
def test_what_is_free_has_a_bounded_depth(tmp_path: Path, levels: int, expected: str | None) -> None:
    path = tmp_path / "run.json"
    # The value of the key stands on the second level.
    literal = "[" * (levels - 1) + "]" * (levels - 1)
    path.write_text(with_value(dump(full_result()), "config.resolved.rounds", literal), encoding="utf-8")

    done = bench("check", path)

    if levels == 100:
        assert done.stdout == f"{path}: valid\n"
    elif expected is None:
        assert done.stderr == f"bench: {path}: is nested too deeply to be a result file\n"
    else:
        place = "config.resolved.rounds" + "[0]" * 99
        assert done.stderr == f"bench: {path}: {place}: {expected}\n"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"counts": {LONG: 1}},
            f"counts.{LONG}.[key]: String should match pattern '^[0-9]{{1,6}}$', found \"{SHOWN[1:-3]}",
        ),
        ({"counts": {"7": 1}}, "bin 7 of counts begins after longest_ns, which is 1100"),
    ],
)
def test_a_histogram_has_no_bin_beyond_its_longest_gap(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    document = json.loads(dump(full_result()))
    document["models"][0]["load"][0]["gaps"] |= change
    path = tmp_path / "run.json"
    path.write_text(json.dumps(document), encoding="utf-8")

    found = bench("check", path).stderr

    assert found.startswith(f"bench: {path}: models[0].load[0].gaps")
    assert expected in found


@pytest.mark.slow
def test_beside_good_files_one_is_refused_alone_and_all_commands_go_on(tmp_path: Path) -> None:
    results = tmp_path / "results"
    good = [save(full_result(started_utc=builders.STARTED_UTC + dt.timedelta(days=day)), results) for day in range(2)]
    hostile = [
        ("models[0].samples[0].start_ns", LONG, f"{NANOSECONDS}, found {SHOWN}"),
        ("models[0].samples[0].output_tokens", LONGER, f"{TOKENS}, found {SHOWN}"),
        ("prompt_set.prompts[0].facets[0].weight", "1e308", f"{number('1,000,000', 'above 0, up')}, found 1e+308"),
        ("run.started_utc", '"9999-12-31T23:59:59-23:00"', f'{DATE}, found "9999-12-31T23:59:59-23:00"'),
        ("models[0].load[0].samples[0].position", "1e19", f"{COUNT}, found 1e+19"),
        ("config.resolved.rounds", LONG, f"{FREE}, found {SHOWN}"),
    ]
    expected = []
    for place, (key, literal, words) in enumerate(hostile):
        path = good[0].with_name(f"2027010{place + 1}T000000Z-bad-default.json")
        path.write_text(with_value(dump(full_result()), key, literal), encoding="utf-8")
        expected.append((path, f"{key}: {words}"))
    (tmp_path / "mkdocs.yml").write_text("site_name: x\n", encoding="utf-8")
    (tmp_path / "site_templates").symlink_to(TEMPLATES)

    ledger = load_tree(results)
    checked = bench("check", results)
    exported = bench("export", "--results", results, "--format", "csv")
    built = bench("site", "--pages-only", "--project", tmp_path, "--results", results)
    recommended = bench("recommend", "--results", results, "--max-memory", "2GiB")
    compared = bench("compare", *good, "--results", results)
    refused = bench("compare", good[0], expected[0][0], "--results", results)

    assert [result.run.started_utc.day for result in ledger.results] == [5, 6]
    assert [(results / one.path, one.reason) for one in ledger.refused] == expected
    assert checked.exit_code == 2
    assert checked.stdout == f"{results}: 2 valid, 6 refused\n"
    assert checked.stderr.splitlines() == [f"bench: {path}: {words}" for path, words in expected]
    left_out = [f"bench: left out {path}: {words}" for path, words in expected]
    assert (exported.exit_code, exported.stderr.splitlines()) == (0, left_out)
    assert len(exported.stdout.splitlines()) == 3
    assert (built.exit_code, built.stderr.splitlines()) == (0, left_out)
    page = unescape(
        (tmp_path / ".cache" / "site" / "project" / "docs" / "report" / "runs.md").read_text(encoding="utf-8")
    )
    assert "6 files were refused: the pages are built from the others." in page
    for path, words in expected:
        assert path.name in page
        assert words in page
    assert (recommended.exit_code, recommended.stderr.splitlines()) == (0, left_out)
    assert compared.exit_code == 0, compared.output
    assert (refused.exit_code, refused.stderr) == (2, f"bench: {expected[0][0]}: {expected[0][1]}\n")


@pytest.mark.parametrize(
    ("line", "key", "literal", "expected"),
    [
        (0, "seed", LONG, f"line 1 is no header: seed: {SEED}, found {SHOWN}; delete the file and judge again"),
        (0, "seed", LONGER, f"line 1 is no header: seed: {SEED}, found {SHOWN}; delete the file and judge again"),
        (0, "seed", "-1", f"line 1 is no header: seed: {SEED}, found -1; delete the file and judge again"),
        (
            0,
            "generation.seed",
            "1e400",
            f"line 1 is no header: generation.seed: {FREE}, found Infinity; delete the file and judge again",
        ),
        (
            0,
            "started_utc",
            '"9999-12-31T00:00:00Z"',
            f'line 1 is no header: started_utc: {DATE}, found "9999-12-31T00:00:00Z"; delete the file and judge again',
        ),
        (
            1,
            "facets[0].score",
            LONG,
            "line 2 is damaged: answer.facets.0.score: must be a whole number from 1 to 5, found "
            f"{SHOWN}; take the line out",
        ),
    ],
)
def test_a_judgement_is_refused_with_the_key_and_the_range(
    tmp_path: Path, line: int, key: str, literal: str, expected: str
) -> None:
    path = judgement_path(save(reviewed_result(), tmp_path), "judy")
    lines = judge_lines(judgement(verdict("p2", "dd", {"right": 5}))).splitlines(keepends=True)
    lines[line] = with_value(lines[line], key, literal) + "\n"
    path.write_text("".join(lines), encoding="utf-8")

    done = bench("check", tmp_path)

    assert done.exit_code == 2
    assert done.stderr == f"bench: {path}: {expected}\n"
    assert [one.reason for one in reviews_of(tmp_path, RUN).refused] == [expected]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("seed: 42", f"seed: {LONG}", f"line 5: seed: {SEED}, found {SHOWN}"),
        ("seed: 42", f"seed: {LONGER}", f"line 5: seed: {SEED}, found {SHOWN}"),
        ("seed: 42", f"seed: 0x{'f' * 5_000}", f"line 5: seed: {SEED}, found a number of thousands of digits"),
        ("seed: 42", "seed: -1", f"line 5: seed: {SEED}, found -1"),
        ("seed: 42", "seed: .nan", f"line 5: seed: {SEED}, found NaN"),
        ("sample: null", "sample: 0", f"line 6: sample: {whole('1,000,000,000', '1')}, found 0"),
        (
            "date: 2026-01-06",
            "date: 9999-12-31",
            "line 4: date: must be a date from 2020-01-01 to 2100-01-01, found 9999-12-31",
        ),
        (
            "date: 2026-01-06",
            "date: 0001-01-01",
            "line 4: date: must be a date from 2020-01-01 to 2100-01-01, found 0001-01-01",
        ),
    ],
)
def test_a_persons_file_is_refused_with_the_line_the_key_and_the_range(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    path = annotations_path(save(reviewed_result(), tmp_path), "ann")
    save_annotations(annotations({("p2", "dd"): {"right": 5}}, date=dt.date(2026, 1, 6)), path)
    text = path.read_text(encoding="utf-8")
    assert f"{old}\n" in text
    path.write_text(text.replace(f"{old}\n", f"{new}\n", 1), encoding="utf-8")

    done = bench("check", tmp_path)

    assert done.exit_code == 2
    assert done.stderr == f"bench: {path}: {expected}\n"


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (f"value: {LONG}", f"value: {FREE}, found {SHOWN}"),
        ("value: 1.0e+308", f"value: {FREE}, found 1e+308"),
        ("value: 1, tolerance: .inf", f"tolerance: {FREE}, found Infinity"),
    ],
)
def test_a_prompt_set_whose_run_could_not_be_kept_is_refused_before_it(
    tmp_path: Path, parameters: str, expected: str
) -> None:
    path = tmp_path / "set.yaml"
    facet = f"{{id: a, says: A, check: number_equals, {parameters}}}"
    path.write_text(f"id: s\nprompts:\n  - {{id: p, title: P, text: T, facets: [{facet}]}}\n", encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load_prompt_set(str(path))

    assert str(caught.value) == f"{path}:3: prompts[0].facets[0].{expected}"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"order_seed: {LONG}", f"order_seed: must be at most 9007199254740991, found {SHOWN}"),
        ("timeouts: {load_s: 1.0e+300}", "timeouts.load_s: must be at most 9000000, found 1e+300"),
        (
            f"generation: {{max_output_tokens: {LONG}}}",
            f"generation.max_output_tokens: must be at most 1000000000, found {SHOWN}",
        ),
        ("energy: {watts: 1.0e+300}", "energy.watts: must be at most 1000000, found 1e+300"),
    ],
)
def test_a_config_whose_run_could_not_be_kept_is_refused_before_it(tmp_path: Path, line: str, expected: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(f"models: [tiny]\n{line}\n", encoding="utf-8")

    done = bench("run", path, "--results", tmp_path / "results")

    assert done.exit_code == 2
    assert done.stderr == f"bench: {path}:2: {expected}\n"


def test_a_seed_that_no_file_keeps_is_refused(tmp_path: Path) -> None:
    path = save(reviewed_result(), tmp_path)

    done = bench("annotate", path, "--results", tmp_path, "--annotator", "ann", "--seed", 2**53)

    assert done.exit_code == 2
    assert "Invalid value for '--seed': 9007199254740992 is not in the range 0<=x<=9007199254740991." in done.stderr


def unbounded(schema: dict[str, Any]) -> Iterator[str]:
    """Yield the places of a JSON Schema where a number or a date lacks a bound, or where anything may stand."""

    def walk(node: Any, place: str) -> Iterator[str]:
        if isinstance(node, list):
            for position, item in enumerate(node):
                yield from walk(item, f"{place}[{position}]")
            return
        if not isinstance(node, dict):
            return
        fixed = "const" in node or "enum" in node
        if node.get("type") in ("integer", "number") and not fixed:
            low, high = ({end, f"exclusive{end.title()}"} for end in ("minimum", "maximum"))
            if low.isdisjoint(node) or high.isdisjoint(node):
                yield place
        if node.get("format") in ("date", "date-time") and not {"formatMinimum", "formatMaximum"} <= set(node):
            yield place
        kinds = {"type", "$ref", "anyOf", "oneOf", "allOf", "const", "enum"}
        if kinds.isdisjoint(node) and not {"minimum", "maximum", "items", "additionalProperties"} <= set(node):
            yield place
        for name in ("properties", "patternProperties", "$defs"):
            for key, item in node.get(name, {}).items():
                yield from walk(item, f"{place}.{key}")
        for name in ("items", "prefixItems", "additionalProperties", "anyOf", "oneOf", "allOf"):
            yield from walk(node.get(name), place)

    yield from walk(schema, "")


def test_every_number_of_a_result_file_has_two_bounds() -> None:
    assert list(unbounded(json.loads(schema_text()))) == []


@pytest.mark.parametrize("model", [JudgeHeader, Verdict, PairVerdict, Sitting, Annotations, Header])
def test_every_number_of_the_other_files_has_two_bounds(model: type[BaseModel]) -> None:
    free = [".JsonValue"] if model in (JudgeHeader, Header) else []

    assert list(unbounded(model.model_json_schema())) == free


def test_a_field_without_bounds_is_found() -> None:
    class Loose(BaseModel):
        some_ns: int
        some_share: float | None
        date: dt.date
        times: tuple[dt.datetime, ...]
        anything: Any

    assert list(unbounded(Loose.model_json_schema())) == [
        ".some_ns",
        ".some_share[0]",
        ".date",
        ".times",
        ".anything",
    ]
