"""What else differs between two runs."""

from bench.analysis.contexts import ConditionChange, changed_conditions
from tests import builders
from tests.builders import machine, model_run, result


def test_equal_runs_differ_in_nothing() -> None:
    assert changed_conditions(result(), result()) == ()


def test_what_differs_in_order() -> None:
    before = result(
        [model_run(variant_version="1"), model_run(name="old")],
        machine=machine(versions={"python": "3.11.7", "onnxruntime": "1.30.0"}, power_source="mains"),
        config=builders.config(resolved={"rounds": 5, "generation": {"seed": 1, "top_p": None}, "gone": True}),
    )
    after = result(
        [model_run(variant_version="2", precision=None), model_run(name="new")],
        commit="ffffffffff",
        machine=machine(versions={"python": "3.11.7", "onnxruntime": "1.31.0", "cuda": "12"}, power_source=None),
        config=builders.config(resolved={"rounds": 5, "generation": {"seed": 1, "top_p": 0.9}}),
        prompt_set=builders.prompt_set(sha256="6" * 64),
    )

    assert changed_conditions(before, after) == (
        ConditionChange("commit", "1a2b3c4d5e", "ffffffffff"),
        ConditionChange("machine.power_source", "mains", "null"),
        ConditionChange("machine.versions.onnxruntime", "1.30.0", "1.31.0"),
        ConditionChange("machine.versions.cuda", None, "12"),
        ConditionChange("models.tiny.variant_version", "1", "2"),
        ConditionChange("models.tiny.precision", "int8", "null"),
        ConditionChange("prompt_set.sha256", "5" * 64, "6" * 64),
        ConditionChange("config.generation.top_p", "null", "0.9"),
        ConditionChange("config.gone", "true", None),
    )


def test_lists_of_named_things_go_by_name_and_others_as_a_whole() -> None:
    first = {"models": [{"name": "a", "device": "CPU"}, {"name": "b", "device": "GPU"}], "stop": ["x"], "empty": []}
    second = {
        "models": [{"name": "b", "device": "NPU"}, {"name": "a", "device": "CPU"}],
        "stop": ["x", "y"],
        "empty": [],
    }
    before, after = (result(config=builders.config(resolved=resolved)) for resolved in (first, second))

    assert changed_conditions(before, after) == (
        ConditionChange("config.models.b.device", "GPU", "NPU"),
        ConditionChange("config.stop", '["x"]', '["x", "y"]'),
    )


def test_two_things_of_one_name_are_compared_as_a_whole() -> None:
    cards = [{"name": "GPU", "driver": "1"}, {"name": "GPU", "driver": "1"}]
    newer = [{"name": "GPU", "driver": "1"}, {"name": "GPU", "driver": "2"}]
    before, after = (result(config=builders.config(resolved={"cards": one})) for one in (cards, newer))

    assert [change.field for change in changed_conditions(before, after)] == ["config.cards"]
