"""The Foundry Local runtime itself: real models, in child processes, with no network but loopback."""

import shutil
from pathlib import Path

import pytest

from bench.config.settings import Config
from bench.quality.prompts.prompt_set import load_prompt_set, single_prompt
from bench.runner.run import Ran
from bench.schema.model_run import ModelRun
from bench.schema.prompts import Turn
from tests.foundry_catalogue import ALIAS, VARIANT, Catalogue, catalogue
from tests.running import run_models

pytestmark = pytest.mark.runtime

SMALLEST = Path(__file__).parents[2] / "bench" / "reference" / "models" / "ledger-xs-fp32"
PROMPTS = single_prompt("List 3 privacy benefits of local inference.")


def ran(model: object, **settings: object) -> Ran:
    document = {"models": [model], "rounds": 2, "warmup": 1, "probe": False, **settings}
    return run_models(Config.model_validate(document), PROMPTS)


def only(outcome: Ran) -> ModelRun:
    (model,) = outcome.models
    return model


def copy(folder: Path) -> Path:
    return Path(shutil.copytree(SMALLEST, folder / "model"))


def failure(model: ModelRun) -> tuple[str, str]:
    assert model.failure is not None
    return model.failure.kind, model.failure.message


def test_a_model_directory() -> None:
    outcome = ran({"path": str(SMALLEST)})

    model = only(outcome)
    assert model.failure is None
    assert model.name == "ledger-xs-fp32"
    assert model.requested == "ledger-xs-fp32"
    assert model.variant_id == "ledger-xs-fp32:1"
    assert (model.device, model.execution_provider) == ("CPU", "CPUExecutionProvider")
    assert (model.licence, model.precision, model.context_length) == ("MIT", "fp32", 1024)
    assert model.publisher == "Benchledger"
    assert model.footprint_bytes == sum(path.stat().st_size for path in SMALLEST.iterdir())
    assert set(model.unmeasured) <= {"gpu_memory_peak_bytes", "energy"}
    assert model.memory_unique_bytes is not None
    assert model.memory_peak_bytes is not None
    assert model.memory_loaded_bytes is not None
    assert model.memory_unique_bytes < model.memory_loaded_bytes
    assert model.memory_peak_bytes >= model.memory_loaded_bytes
    assert model.memory_watch is not None
    assert model.memory_watch.readings > 0
    assert model.transport == "in-process"
    assert model.cold_load_ns is not None
    assert model.cold_load_ns > 0
    assert model.memory_before_bytes is not None
    assert model.memory_loaded_bytes is not None
    assert model.memory_loaded_bytes > model.memory_before_bytes
    assert {"foundry-local-sdk", "onnxruntime"} <= set(outcome.versions)


def test_the_same_prompt_gives_the_same_answer_in_every_round_and_process() -> None:
    first, second = ran({"path": str(SMALLEST)}), ran({"path": str(SMALLEST)})

    assert len(first.outputs) == 1
    assert first.outputs == second.outputs


def test_streamed_text_comes_in_pieces_over_the_time_of_the_answer() -> None:
    samples = only(ran({"path": str(SMALLEST)})).samples

    for sample in samples:
        assert sample.failure is None
        assert sample.finish_reason in ("stop", "length")
        assert sample.tokens_source == "usage"
        assert sample.prompt_tokens is not None
        assert sample.output_tokens is not None
        assert 1 < len(sample.chunk_ns) <= sample.output_tokens
        assert len(set(sample.chunk_ns)) == len(sample.chunk_ns) - sample.shared_reads


def test_streamed_and_whole_answers_are_the_same_text() -> None:
    whole = ran({"path": str(SMALLEST)}, stream=False)

    assert whole.outputs == ran({"path": str(SMALLEST)}).outputs
    assert all(sample.chunk_ns == () and sample.failure is None for sample in only(whole).samples)


def test_a_conversation_reaches_the_model_whole() -> None:
    turns = (Turn(role="user", text="Sort 3, 1, 2."), Turn(role="assistant", text="1, 2, 3."))
    (single,) = PROMPTS.prompts
    talk = single.model_copy(update={"id": "talk", "system": "Be brief.", "turns": turns})
    prompts = PROMPTS.model_copy(update={"prompts": (single, talk)})

    document = {"models": [{"path": str(SMALLEST)}], "rounds": 1, "warmup": 0, "probe": False}
    model = only(run_models(Config.model_validate(document), prompts))

    tokens = {one.prompt: one.prompt_tokens for one in model.samples if one.prompt_tokens is not None}
    # Three messages more, each with at least its two marks, its role and its text.
    assert tokens["talk"] >= tokens["prompt"] + 3 * 4


def test_the_limit_on_the_answer_holds() -> None:
    outcome = ran({"path": str(SMALLEST)}, generation={"max_output_tokens": 3})

    for sample in only(outcome).samples:
        assert sample.output_tokens == 3
        assert sample.finish_reason == "length"
        assert sample.failure is None


@pytest.mark.parametrize(
    ("limit", "kind"), [("first_text_s", "no-first-text"), ("gap_s", "stalled"), ("request_s", "timeout")]
)
def test_a_limit_cancels_the_answer_and_the_next_one_is_asked(limit: str, kind: str) -> None:
    model = only(ran({"path": str(SMALLEST)}, timeouts={limit: 1e-6}))

    assert model.failure is None
    assert [sample.failure.kind if sample.failure else None for sample in model.samples] == [kind] * 2


def test_prompt_and_answer_that_exceed_the_context() -> None:
    model = only(ran({"path": str(SMALLEST)}, generation={"max_output_tokens": 5000}))

    assert model.failure is None
    assert [sample.failure.kind if sample.failure else None for sample in model.samples] == ["too-long"] * 2


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    assert failure(only(ran({"path": str(tmp_path / "nowhere")}))) == (
        "register",
        "there is no model directory 'nowhere'; check the path in the config",
    )


def test_a_directory_without_its_configuration(tmp_path: Path) -> None:
    directory = copy(tmp_path)
    (directory / "genai_config.json").unlink()

    assert failure(only(ran({"path": str(directory)}))) == (
        "register",
        "the model directory 'model' has no genai_config.json; export the model in ONNX Runtime GenAI form",
    )


def test_truncated_weights(tmp_path: Path) -> None:
    directory = copy(tmp_path)
    weights = max(directory.iterdir(), key=lambda path: path.stat().st_size)
    weights.write_bytes(weights.read_bytes()[:1000])

    model = only(ran({"path": str(directory)}))

    kind, message = failure(model)
    assert kind == "load"
    assert message
    assert "\n" not in message
    assert model.samples == ()


@pytest.mark.parametrize("entry", [ALIAS, {"variant": VARIANT}, {"alias": ALIAS, "device": "cpu"}])
def test_a_model_of_the_catalogue(tmp_path: Path, entry: object) -> None:
    with catalogue(SMALLEST, tmp_path) as served:
        outcome = ran(entry, foundry=of(served))

    model = only(outcome)
    assert model.failure is None
    assert model.variant_id == VARIANT
    assert model.variant_version == "1"
    assert (model.licence, model.publisher) == ("apache-2.0", "Benchledger")
    assert (model.device, model.execution_provider) == ("CPU", "CPUExecutionProvider")
    assert all(sample.failure is None for sample in model.samples)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("tinny", "the catalogue has no model 'tinny'; it has tiny"),
        ({"variant": "tiny-generic-cpu:9"}, "the catalogue has no model 'tiny-generic-cpu:9'; it has tiny"),
    ],
)
def test_what_the_catalogue_does_not_have(tmp_path: Path, entry: object, message: str) -> None:
    with catalogue(SMALLEST, tmp_path) as served:
        assert failure(only(ran(entry, foundry=of(served)))) == ("not-found", message)


def test_a_device_that_is_not_there_is_skipped_and_not_a_failure(tmp_path: Path) -> None:
    with catalogue(SMALLEST, tmp_path) as served:
        model = only(ran({"alias": ALIAS, "device": "npu"}, foundry=of(served)))

    assert model.failure is None
    assert model.skipped == "'tiny' has no variant for the NPU on this machine"
    assert model.samples == ()


def test_a_model_that_may_not_be_downloaded(tmp_path: Path) -> None:
    with catalogue(SMALLEST, tmp_path) as served:
        settings = of(served) | {"cache_dir": str(tmp_path / "empty"), "download": False}

        assert failure(only(ran(ALIAS, foundry=settings))) == (
            "download",
            "'tiny' is not in the cache and foundry.download is false",
        )


def test_the_larger_reference_models_answer_and_the_smallest_does_not() -> None:
    from bench.analysis.summary import summarise
    from bench.quality.grading import grades
    from tests.builders import result

    models = SMALLEST.parent
    prompt_set = load_prompt_set("default")
    config = Config.model_validate(
        {
            "models": [{"path": str(models / f"ledger-{size}")} for size in ("xs-fp32", "l-int8")],
            "rounds": 1,
            "probe": False,
        }
    )
    outcome = run_models(config, prompt_set)
    made = result(
        outcome.models,
        prompts=prompt_set.prompts,
        outputs=outcome.outputs,
        grades=grades(prompt_set, outcome.models, outcome.outputs),
    )

    smallest, largest = (summary.score for summary in summarise(made).models)
    assert smallest is not None
    assert largest is not None
    assert smallest < 2.5
    assert largest >= 4.0


def of(served: Catalogue) -> dict[str, object]:
    return {"catalogue_url": served.url, "cache_dir": str(served.cache_dir)}
