"""Building models: what is made, what it says of itself, and that a build which fails leaves nothing behind."""

import hashlib
import json
import signal
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from bench.errors import UsageError
from bench.models.build import BuildStep, build
from bench.models.checkpoint import ARCHITECTURES, GGUF_ARCHITECTURES
from bench.providers.model_directory import read_card
from tests.gguf_files import write_gguf
from tests.interrupting import ctrl_c_known
from tests.models.builder_stubs import stubs, write_checkpoint

__all__ = ["stubs"]


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["models", "build", *(str(argument) for argument in arguments)])


def refused(*arguments: object) -> str:
    done = bench(*arguments)
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    last = done.stderr.splitlines()[-1]
    assert last.startswith("bench: ")
    return last.removeprefix("bench: ").replace("\N{NO-BREAK SPACE}", " ")


def left(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_gguf_file_becomes_a_directory_for_each_precision(stubs: Path, tmp_path: Path) -> None:
    source, out = write_gguf(tmp_path / "Tiny-Chat.Q4_1.gguf"), tmp_path / "made"

    done = bench(source, "-o", out, "--precision", "int4,fp32,gguf")

    assert done.exit_code == 0, done.output
    assert [line.split(" (")[0] for line in done.stdout.splitlines()] == [
        f"Wrote {out / 'gguf'}",
        f"Wrote {out / 'int4'}",
        f"Wrote {out / 'fp32'}",
    ]
    assert done.stderr.splitlines() == [
        "tiny-chat.q4_1: taking its checksum",
        "gguf: copying",
        "expanding: starting",
        "expanding: reading the weights",
        "int4: starting",
        "int4: reading the layers",
        "int4: writing the model",
        "fp32: starting",
        "fp32: reading the layers",
        "fp32: writing the model",
    ]
    assert left(out) == [
        "fp32",
        "fp32/card.json",
        "fp32/genai_config.json",
        "fp32/model.onnx",
        "gguf",
        "gguf/Tiny-Chat.Q4_1.gguf",
        "gguf/card.json",
        "int4",
        "int4/card.json",
        "int4/genai_config.json",
        "int4/model.onnx",
    ]
    assert (out / "int4" / "model.onnx").read_text() == "int4 of {'from': 'Tiny-Chat.Q4_1.gguf'}"
    assert (out / "gguf" / "Tiny-Chat.Q4_1.gguf").read_bytes() == source.read_bytes()


def test_a_card_says_what_a_model_was_made_from_and_how(stubs: Path, tmp_path: Path) -> None:
    source, out = write_gguf(tmp_path / "Tiny-Chat.Q4_1.gguf"), tmp_path / "made"

    build(str(source), out, ["int4", "gguf"], lambda step: None)

    written = json.loads((out / "int4" / "card.json").read_text())
    builder = written["made_with"].pop("builder")
    assert builder == "python -m onnxruntime_genai.models.builder -i SOURCE -o DIR -p int4 -e cpu"
    assert "benchledger" in written.pop("made_with")
    assert written == {
        "name": "tiny-chat.q4_1-int4",
        "parameters": 256,
        "precision": "int4",
        "licence": "apache-2.0",
        "publisher": "The Makers",
        "context_length": 512,
        "capabilities": ["chat"],
        "source": {
            "name": "Tiny-Chat.Q4_1.gguf",
            "form": "GGUF",
            "quantisation": "Q4_1",
            "sha256": {"Tiny-Chat.Q4_1.gguf": sha256(source)},
        },
        "sha256": {
            "genai_config.json": sha256(out / "int4" / "genai_config.json"),
            "model.onnx": sha256(out / "int4" / "model.onnx"),
        },
        "description": "Made from Tiny-Chat.Q4_1.gguf. Its weights were Q4_1 there: int4 adds nothing to them.",
    }
    card = read_card(out / "gguf")
    assert (card.name, card.precision, card.parameters) == ("tiny-chat.q4_1-gguf", "Q4_1", 256)
    assert card.sha256 == {source.name: sha256(source)}
    assert not card.instrument


def test_a_hugging_face_directory_is_built_from_as_it_lies(stubs: Path, tmp_path: Path) -> None:
    source, out = write_checkpoint(tmp_path / "Tiny-Instruct"), tmp_path / "made"

    done = bench(source, "-o", out)

    assert done.exit_code == 0, done.output
    card = read_card(out / "int4")
    assert (card.name, card.licence, card.parameters, card.context_length) == (
        "tiny-instruct-int4",
        "apache-2.0",
        12,
        256,
    )
    assert card.source is not None
    assert (card.source.name, card.source.form, card.source.quantisation) == ("Tiny-Instruct", "Hugging Face", None)
    assert set(card.source.sha256) == {"config.json", "model.safetensors"}
    assert card.description == "Made from Tiny-Instruct."
    assert (out / "int4" / "LICENSE").read_text() == "Do as you like.\n"


def test_the_share_of_a_step_that_is_done_is_told(stubs: Path, tmp_path: Path) -> None:
    steps: list[BuildStep] = []

    build(str(write_gguf(tmp_path / "tiny.gguf")), tmp_path / "made", ["int4"], steps.append)

    assert BuildStep("expanding", "reading the weights", 0.5) in steps
    # The first of the two layers that the file's header tells of.
    assert BuildStep("int4", "reading the layers", 0.0) in steps
    assert BuildStep("int4", "writing the model", 0.25) in steps


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        ("fails", "the model builder failed: NotImplementedError: the model has a layer that nobody knows"),
        ("memory", "the process was out of memory; to build takes some fifteen bytes for each weight"),
        ("full", "the disk is full; nothing of it was kept; make room, or name a folder on another disk with -o"),
    ],
)
def test_a_build_that_fails_keeps_what_is_whole_and_nothing_else(
    stubs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: str, reason: str
) -> None:
    monkeypatch.setenv("STUB_PLAN", json.dumps({"int8": plan}))
    source, out = write_gguf(tmp_path / "tiny.gguf"), tmp_path / "made"

    assert refused(source, "-o", out, "--precision", "int4,int8").startswith(f"int8: {reason}")
    assert left(out) == ["int4", "int4/card.json", "int4/genai_config.json", "int4/model.onnx"]


def test_a_builder_that_makes_nothing_is_told_and_leaves_no_folder(
    stubs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_PLAN", json.dumps({"int4": "nothing"}))
    out = tmp_path / "new" / "made"

    told = refused(write_checkpoint(tmp_path / "tiny"), "-o", out)

    assert told == "the model builder ended without a model for int4"
    assert not out.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_build_that_is_interrupted_leaves_no_process_and_no_file(
    stubs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setenv("STUB_PLAN", json.dumps({"int4": "waits"}))
    monkeypatch.setenv("STUB_PID", str(tmp_path / "pid"))
    out = tmp_path / "made"

    def interrupt(step: BuildStep) -> None:
        if step == BuildStep("int4", "reading the layers", 0.5):
            signal.raise_signal(number)

    with ctrl_c_known(), pytest.raises(KeyboardInterrupt):
        build(str(write_checkpoint(tmp_path / "tiny")), out, ["int4"], interrupt)

    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert not out.exists()


def test_a_directory_that_is_there_is_not_written_over(stubs: Path, tmp_path: Path) -> None:
    source, out = write_gguf(tmp_path / "tiny.gguf"), tmp_path / "made"
    (out / "int8").mkdir(parents=True)

    told = refused(source, "-o", out, "--precision", "int4,int8")

    assert told == f"{out / 'int8'}: is there already; remove it, or name another directory with -o"
    assert left(out) == ["int8"]


def test_too_little_room_is_told_before_anything_is_made(stubs: Path, tmp_path: Path) -> None:
    # 2 ** 50 weights, of a type whose size is not known, so that the file need not have them.
    source = write_gguf(tmp_path / "huge.gguf", tensors=[("w", (2**25, 2**25), 99)])
    out = tmp_path / "made"

    told = refused(source, "-o", out)

    # 5.1 bytes for each weight are 5.74e15.
    assert told.startswith(f"{out}: up to 5,740,000 GB are needed, ")
    assert told.endswith(
        " are free; make room, name a folder on another disk with -o, or build one precision at a time"
    )
    assert not out.exists()


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.models.build.EXTRA", {"json": "json", "nowhere": "nowhere-to-be", "none": "none-such"})
    source, out = write_gguf(tmp_path / "tiny.gguf"), tmp_path / "made"

    assert refused(source, "-o", out) == (
        "nowhere-to-be, none-such are not installed; install the extra: pip install 'benchledger[build]'"
    )
    # A file is copied without it.
    assert bench(source, "-o", out, "--precision", "gguf").exit_code == 0


SUPPORTED = ", ".join(sorted(ARCHITECTURES))
GGUF_SUPPORTED = ", ".join(sorted(GGUF_ARCHITECTURES))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            {"general__architecture": "rwkv7"},
            f'the architecture "rwkv7" is not supported; these are: {GGUF_SUPPORTED}',
        ),
        (
            {"drop": "tokenizer.ggml.tokens"},
            "has no tokenizer (tokenizer.ggml.tokens); take a GGUF of the whole model",
        ),
        (
            {"drop": "tokenizer.chat_template"},
            "has no chat template (tokenizer.chat_template): a base model does not answer; "
            "take the model's instruct or chat version",
        ),
        ({"split__count": 2}, "is one of 2 parts of a model; join them first with llama-gguf-split --merge"),
    ],
)
def test_a_gguf_file_that_cannot_be_built_from_is_told(tmp_path: Path, given: dict[str, object], reason: str) -> None:
    source = write_gguf(tmp_path / "odd.gguf", **given)  # type: ignore[arg-type]

    assert refused(source, "-o", tmp_path / "made") == f"{source}: {reason}"
    assert not (tmp_path / "made").exists()


def test_a_gguf_file_cut_in_half_is_told(tmp_path: Path) -> None:
    source = write_gguf(tmp_path / "half.gguf")
    content = source.read_bytes()
    source.write_bytes(content[: len(content) - 100])

    assert refused(source, "-o", tmp_path / "made") == (
        f"{source}: is cut short: it has {len(content) - 100:,} of the {len(content):,} bytes that its header tells "
        "of; fetch it again"
    )


@pytest.mark.parametrize(
    ("drop", "config", "reason"),
    [
        (
            "",
            {"architectures": ["BertModel"]},
            f'/config.json: the architecture "BertModel" is not supported; these are: {SUPPORTED}',
        ),
        ("", {"architectures": []}, f'/config.json: the architecture "none" is not supported; these are: {SUPPORTED}'),
        (
            "config.json",
            {},
            "/config.json: there is no such file; SOURCE is a GGUF file, or a directory as the Hugging Face hub has "
            "them",
        ),
        (
            "tokenizer.json",
            {},
            ": has no tokenizer (tokenizer.json, tokenizer.model or vocab.json); fetch the whole repository",
        ),
        (
            "tokenizer_config.json",
            {},
            ": has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json): "
            "a base model does not answer; take the model's instruct or chat version",
        ),
        (
            "model.safetensors",
            {},
            ": has no weights as safetensors (model.safetensors); pickled weights (*.bin) are not read, "
            "since to read them can run code",
        ),
    ],
)
def test_a_directory_that_cannot_be_built_from_is_told(
    tmp_path: Path, drop: str, config: dict[str, object], reason: str
) -> None:
    source = write_checkpoint(tmp_path / "odd", drop, **config)

    assert refused(source, "-o", tmp_path / "made") == f"{source}{reason}"


def test_weights_that_are_cut_short_damaged_or_missing_are_told(tmp_path: Path) -> None:
    source, out = write_checkpoint(tmp_path / "odd"), tmp_path / "made"
    weights = source / "model.safetensors"
    content = weights.read_bytes()

    weights.write_bytes(content[:-8])
    assert refused(source, "-o", out) == (
        f"{weights}: is cut short: it has {len(content) - 8} of the {len(content)} bytes that its header tells of; "
        "fetch it again"
    )
    weights.write_bytes(content[:20])
    assert refused(source, "-o", out) == f"{weights}: is cut short or damaged: it has 20 bytes; fetch it again"
    weights.write_bytes(content[:8] + b"x" + content[9:])
    assert refused(source, "-o", out) == f"{weights}: its header is damaged; fetch it again"
    (source / "model.safetensors.index.json").write_text('{"weight_map": {"w": "model-00002-of-00002.safetensors"}}')
    assert refused(source, "-o", out) == (
        f"{source}: model-00002-of-00002.safetensors is missing, which model.safetensors.index.json names; "
        "fetch the whole repository"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["nowhere.gguf"],
            "nowhere.gguf: there is no such file or directory; SOURCE is a GGUF file, a Hugging Face directory, "
            "or one of: smollm2-135m",
        ),
        (
            ["Qwen/Qwen2.5-0.5B-Instruct"],
            "Qwen/Qwen2.5-0.5B-Instruct: there is no such file or directory; SOURCE is a GGUF file, a Hugging Face "
            "directory, or one of: smollm2-135m; a model of the Hugging Face hub has to be fetched first: "
            "hf download Qwen/Qwen2.5-0.5B-Instruct --local-dir DIR",
        ),
        (
            ["smollm2-135m", "--precision", "int4,q5"],
            "--precision: must be of int4, int8, fp32, gguf, found 'q5'",
        ),
    ],
)
def test_a_mistake_in_what_is_asked_for_is_told(tmp_path: Path, arguments: Sequence[str], told: str) -> None:
    assert refused(*arguments, "-o", tmp_path / "made") == told


def test_a_checkpoint_has_no_gguf_file_to_keep(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "tiny")

    assert refused(source, "-o", tmp_path / "made", "--precision", "int4,gguf") == (
        f"{source}: is no GGUF file; choose among the precisions int4, int8, fp32"
    )


def test_an_output_that_cannot_be_a_folder_is_told(stubs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match=r"file/made: cannot be written: Not a directory"):
        build(str(write_gguf(tmp_path / "tiny.gguf")), tmp_path / "file" / "made", ["int4"], lambda step: None)
