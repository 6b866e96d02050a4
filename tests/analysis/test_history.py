"""Contexts: what keeps two numbers apart, and what is only noted."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bench.analysis.contexts import (
    CONDITIONS,
    ONE_STREAM,
    Context,
    Differing,
    changed_conditions,
    context_key,
    differing,
    in_words,
)
from bench.analysis.history import History, histories
from bench.analysis.summary import oldest_first, summarise
from bench.metrics.load import LevelKey
from bench.schema.load import LoadLevel
from bench.schema.machine import Accelerator, StampClock
from bench.schema.model_run import Runtime
from bench.schema.result import Pairing, Result
from tests import builders
from tests.builders import model_run, result, samples
from tests.load_builders import load_level, load_sample, steady_level


def run_on(day: int, latency_s: float, model: dict[str, Any] | None = None, **fields: Any) -> Result:
    """Return a run of January 2026 in which each of 20 samples took so long."""
    runs = [model_run(samples=samples([latency_s] * 20), **(model or {}))]
    return result(runs, started_utc=datetime(2026, 1, day, tzinfo=UTC), commit=f"c{day:09}", **fields)


def histories_of(*runs: Result) -> tuple[History, ...]:
    return histories([summarise(run) for run in oldest_first(runs)])


def test_runs_of_one_context_are_one_history_oldest_first() -> None:
    (found,) = histories_of(run_on(9, 2.0), run_on(1, 1.0), run_on(5, 4.0))

    assert (found.model, found.context.machine, found.level) == ("tiny", "laptop", None)
    assert found.values("e2e_s") == (1.0, 4.0, 2.0)


def test_a_run_without_a_value_stays_as_a_gap() -> None:
    (found,) = histories_of(run_on(1, 1.0), run_on(2, 1.0, {"memory_peak_bytes": None}), run_on(3, 1.0))

    assert found.values("memory_peak_bytes") == (75_000_000, None, 75_000_000)


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"device": "GPU"}},
        {"model": {"execution_provider": "CUDAExecutionProvider"}},
        {"model": {"provider": "openai"}},
        {"prompt_set": builders.prompt_set(sha256="6" * 64)},
        {"config": builders.config(resolved={"stream": True, "generation": {"temperature": 0.7}})},
        {"config": builders.config(resolved=builders.config().resolved | {"stream": False})},
    ],
    ids=["device", "execution provider", "provider", "prompts", "generation", "stream"],
)
def test_another_context_is_another_series(change: dict[str, Any]) -> None:
    before, after = run_on(1, 1.0), run_on(2, 9.0, **change)
    old, new = context_key(before, before.models[0]), context_key(after, after.models[0])

    assert old != new
    assert [(one.context, one.values("e2e_s")) for one in histories_of(before, after)] == [(old, (1.0,)), (new, (9.0,))]


def test_rounds_versions_and_names_of_configs_are_no_context() -> None:
    before = run_on(1, 1.0)
    after = run_on(
        2,
        2.0,
        model={"variant_version": "2", "precision": "int4"},
        config=builders.config(name="quick", sha256="d" * 64, resolved=builders.config().resolved | {"rounds": 9}),
        machine=builders.machine(versions={"foundry-local-sdk": "3.0"}),
    )

    (found,) = histories_of(before, after)
    assert found.values("e2e_s") == (1.0, 2.0)


def test_machines_and_models_are_kept_apart() -> None:
    found = histories_of(run_on(1, 1.0), run_on(2, 2.0, machine_name="kiosk"), run_on(3, 3.0, {"name": "other"}))

    assert [(one.context.machine, one.model, one.values("e2e_s")) for one in found] == [
        ("laptop", "tiny", (1.0,)),
        ("kiosk", "tiny", (2.0,)),
        ("laptop", "other", (3.0,)),
    ]


def test_a_model_that_failed_to_load_is_in_no_history() -> None:
    # It has no device, so its context would be another one.
    failed = builders.failed_model(name="tiny", device=None, execution_provider=None)
    last = result([failed], started_utc=datetime(2026, 1, 2, tzinfo=UTC))

    (found,) = histories_of(run_on(1, 1.0), last)
    assert found.values("e2e_s") == (1.0,)
    assert histories_of(last) == ()


FOUR = LevelKey("closed", 4, None)


def loaded_on(day: int, tokens_per_s: float, **fields: Any) -> Result:
    """Return a run of January 2026 with levels of 1 and 4 streams, the second with this throughput."""
    limits = fields.pop("limits", {"e2e_s": 1.0})
    levels = fields.pop("load", (steady_level(1, 50), steady_level(4, tokens_per_s)))
    resolved = builders.config().resolved | {"load": {"goodput": limits}}
    return run_on(day, 1.0, {"load": levels} | fields, config=builders.config(resolved=resolved))


def test_load_is_part_of_a_context() -> None:
    run = loaded_on(1, 300)
    model = run.models[0]

    assert context_key(run, model).load == ONE_STREAM
    assert context_key(run, model, FOUR.words).load == "closed loop, 4 streams"
    # One stream in a closed loop asks without a pause, in another order: it is a level like the others.
    assert context_key(run, model) != context_key(run, model, LevelKey("closed", 1, None).words)


def test_levels_are_alike_by_arrivals_streams_and_rate() -> None:
    def rate(per_s: float, **fields: Any) -> LoadLevel:
        return load_level([load_sample(1, scheduled_s=1)], rate_per_s=per_s, **fields)

    levels = (steady_level(4, 300), rate(2.0), rate(4.0), rate(2.0, streams=8), rate(2.0, arrivals="constant"))

    assert [one.level for one in histories_of(loaded_on(1, 0, load=levels))] == [
        None,
        FOUR,
        LevelKey("poisson", 64, 2.0),
        LevelKey("poisson", 64, 4.0),
        LevelKey("poisson", 8, 2.0),
        LevelKey("constant", 64, 2.0),
    ]


def test_a_level_in_another_context_is_another_history() -> None:
    found = histories_of(loaded_on(1, 300, device="GPU"), loaded_on(2, 100), loaded_on(3, 110))

    # 20 answers in 10 s.
    assert [one.values("throughput_tokens_per_s") for one in found if one.level == FOUR] == [(300,), (100, 110)]
    assert [one.values("e2e_s.p95") for one in found if one.level == FOUR] == [(0.5,), (0.5, 0.5)]


def in_turns(day: int, latency_s: float) -> Result:
    run = run_on(day, latency_s)
    pairing = Pairing(side="A", other="laptop/other", blocks=("A", "B"))
    return run.model_copy(update={"run": run.run.model_copy(update={"pairing": pairing})})


def test_a_run_that_took_turns_is_in_a_context_of_its_own() -> None:
    alone, shared = run_on(1, 1.0), in_turns(2, 3.0)
    old, new = context_key(alone, alone.models[0]), context_key(shared, shared.models[0])

    assert (old.load, new.load) == ("one stream", "one stream, in turns")
    assert context_key(shared, shared.models[0], FOUR.words).load == "closed loop, 4 streams, in turns"
    assert [one.values("e2e_s") for one in histories_of(alone, shared)] == [(1.0,), (3.0,)]
    assert differing(old, new) == (Differing("load", "one stream", "one stream, in turns"),)


CONTEXT = Context(
    "laptop", "foundry", "CPU", None, "5" * 64, '{"generation": {"seed": 1, "top_p": null}, "stream": true}'
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"machine": "kiosk"}, ("machine", "laptop", "kiosk")),
        ({"provider": "openai"}, ("provider", "foundry", "openai")),
        ({"device": "GPU"}, ("device", "CPU", "GPU")),
        ({"device": None}, ("device", "CPU", "not stated")),
        ({"execution_provider": "CUDA"}, ("execution provider", "not stated", "CUDA")),
        ({"prompt_set_sha256": "6" * 64}, ("prompts", "5" * 12, "6" * 12)),
        ({"load": "closed loop, 4 streams"}, ("load", "one stream", "closed loop, 4 streams")),
        ({"prompt_cache": "warm"}, ("prompt cache", "as-is", "warm")),
        (
            {"generation": '{"generation": {"seed": 2, "top_p": null}, "stream": true}'},
            ("generation seed", "1", "2"),
        ),
        (
            {"generation": '{"generation": {"seed": 1, "top_p": 0.9}, "stream": true}'},
            ("generation top_p", "not stated", "0.9"),
        ),
        ({"generation": '{"generation": {"seed": 1, "top_p": null}, "stream": false}'}, ("streaming", "true", "false")),
    ],
)
def test_two_contexts_say_in_words_what_keeps_them_apart(
    change: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    assert differing(CONTEXT, CONTEXT._replace(**change)) == (Differing(*expected),)


def test_a_parameter_that_is_not_set_is_the_same_as_one_that_an_older_config_does_not_know() -> None:
    known = {"temperature": 0.0, "top_p": None}
    before = run_on(1, 1.0, config=builders.config(resolved={"stream": True, "generation": known}))
    after = run_on(2, 1.0, config=builders.config(resolved={"stream": True, "generation": known | {"top_k": None}}))

    assert context_key(before, before.models[0]) == context_key(after, after.models[0])


def test_equal_contexts_differ_in_nothing_and_others_in_everything_that_differs() -> None:
    other = CONTEXT._replace(device="NPU", machine="kiosk", generation='{"generation": null, "stream": true}')

    assert differing(CONTEXT, CONTEXT) == ()
    assert [one.words for one in differing(CONTEXT, other)] == ["machine", "device", "generation seed"]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, ()),
        ({"omit": ["stream_options"], "rename": {"max_tokens": "n"}, "headers_from": {"X-Key": "K"}, "body": {}}, ()),
        ({"omit": ["stream_options", "seed"]}, (Differing("request.omit", "not stated", '["seed"]'),)),
        ({"body": {"ignore_eos": True}}, (Differing("request.body.ignore_eos", "not stated", "true"),)),
    ],
)
def test_what_a_config_makes_of_a_models_requests_is_another_context(
    request_: dict[str, Any], expected: tuple[Differing, ...]
) -> None:
    models = [{"name": "other", "request": {"body": {"n": 1}}}, {"name": "tiny", "request": request_}]
    plain, shaped = (
        run_on(1, 1.0, config=builders.config(resolved={"models": entries})) for entries in ([{"name": "tiny"}], models)
    )
    old, new = context_key(plain, plain.models[0]), context_key(shaped, shaped.models[0])

    assert differing(old, new) == expected
    assert (old == new) == (expected == ())


def test_each_field_of_a_context_is_broken_by_something() -> None:
    assert {condition.breaks for condition in CONDITIONS if condition.breaks} == set(Context._fields)


def test_what_breaks_a_context_and_what_is_noted_are_fields_of_a_run() -> None:
    # Two runs that differ in everything: each condition of the table but the load stands for one of their fields.
    resolved = {"stream": True, "rounds": 1, "warmup": 1, "loads": 1, "generation": {"seed": 1}}
    gpu: dict[str, Any] = {"memory_bytes": 1, "name": "Test GPU"}
    request = {"omit": ["seed"], "body": {"ignore_eos": True}, "rename": {"max_tokens": "n"}}
    before = run_on(
        1,
        1.0,
        config=builders.config(resolved=resolved | {"models": [{"name": "tiny", "base_url": "http://a"}]}),
        machine=builders.machine(accelerators=(Accelerator(driver="1", **gpu),)),
    )
    after = run_on(
        2,
        1.0,
        {
            "provider": "openai",
            "variant_id": "tiny:2",
            "variant_version": "2",
            "device": "GPU",
            "execution_provider": "CUDA",
            "parameters": 1,
            "precision": "int4",
            "transport": "direct",
            "prompt_cache": "warm",
            "runtime": Runtime(name="llama.cpp", version="b1"),
            "stamp_clock": StampClock(readings=2, drift_ns=0, refused=0),
        },
        config=builders.config(
            resolved={"stream": False, "rounds": 2, "warmup": 2, "loads": 2, "generation": {"seed": 2}}
            | {"models": [{"name": "tiny", "base_url": "http://b", "request": request}]}
        ),
        machine=builders.machine(
            name="kiosk",
            os="Debian 13",
            cpu="Other CPU",
            logical_cores=4,
            memory_bytes=1,
            power_source="battery",
            versions={"python": "3.12.1"},
            accelerators=(Accelerator(driver="2", **gpu),),
        ),
        prompt_set=builders.prompt_set(sha256="6" * 64),
        run=builders.run_info(tool_version="0.2.0", commit="c000000002"),
    )
    fields = [
        one.field.replace("models.tiny", "model").replace("config.models.tiny", "config.model")
        for one in changed_conditions(before, after)
    ]

    unknown = [one.path for one in CONDITIONS if not any(in_words(one, field) for field in fields)]
    assert unknown == ["load"]
