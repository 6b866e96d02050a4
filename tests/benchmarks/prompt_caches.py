"""TTFT of one model on two runtimes with a cold and a warm prompt cache, and what guidellm makes of the same server.

guidellm has its turn on a llama-server of its own, with the same prompts as often, where its command is on the path: it
asks for no cold prompt and looks at no count of cached tokens, as every tool that repeats its prompts.

    python -m tests.benchmarks.prompt_caches --directory models/smollm2-135m/int4 \
        --gguf models/smollm2-135m/gguf/SmolLM2-135M-Instruct.Q4_1.gguf --tokenizer models/smollm2-135m/int4
"""

import argparse
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.metrics.timing import ttft_s
from bench.quality.prompts.prompt_set import load_prompt_set
from bench.schema.sample import Sample
from bench.store.files import load

OUTPUT_TOKENS = 16
READY_S = 60.0


@dataclass(frozen=True)
class Row:
    """Who measured what: the TTFT of every good request, and the median share of its prompt that was cached."""

    measured: str
    ttfts_s: list[float]
    cached_share: float | None


@dataclass(frozen=True)
class Asked:
    """What is measured, and how often."""

    directory: Path
    gguf: Path
    tokenizer: Path
    threads: int
    rounds: int


def server_command(asked: Asked, model: str, port: str) -> list[str]:
    """Return the command of llama-server, the same for both sides."""
    return ["llama-server", "-m", model, "--port", port, "-t", str(asked.threads), "-c", "2048", "-np", "1"]


def ours(asked: Asked, folder: Path) -> Iterator[Row]:
    """Run one config with the directory, and the GGUF cold and warm."""
    served = {
        "provider": "openai",
        "model_file": str(asked.gguf.resolve()),
        "server": {"command": server_command(asked, "{model}", "{port}"), "ready": "/health"},
    }
    models = [
        {"name": "foundry-local-cold", "path": str(asked.directory.resolve())},
        {"name": "llama.cpp-cold", "prompt_cache": "cold", **served},
        {"name": "llama.cpp-warm", "prompt_cache": "warm", **served},
    ]
    path = folder / "caches.json"
    generation = {"max_output_tokens": OUTPUT_TOKENS}
    path.write_text(json.dumps({"models": models, "rounds": asked.rounds, "warmup": 2, "generation": generation}))
    command = (sys.executable, "-m", "bench", "run", str(path), "--results", str(folder), "--quiet")
    written = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    for model in load(Path(written.strip().splitlines()[-1])).models:
        good = [sample for sample in model.samples if sample.failure is None]
        yield Row(model.name, [value for sample in good if (value := ttft_s(sample)) is not None], _share(good))


def _share(samples: Sequence[Sample]) -> float | None:
    shares = [
        sample.cached_prompt_tokens / sample.prompt_tokens
        for sample in samples
        if sample.cached_prompt_tokens is not None and sample.prompt_tokens
    ]
    return statistics.median(shares) if shares else None


@contextmanager
def serving(asked: Asked) -> Iterator[int]:
    """Start llama-server and yield its port once it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = server_command(asked, str(asked.gguf), str(port))
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end_by_s = time.monotonic() + READY_S
        while time.monotonic() < end_by_s:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health"):
                break
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def by_guidellm(asked: Asked, folder: Path) -> Row:
    """Run guidellm with our prompts, one after another, as many rounds of them; those of the first are unread."""
    prompts = [record.text for record in load_prompt_set("default").prompts if record.text]
    data, written = folder / "prompts.jsonl", folder / "guidellm.json"
    lines = [json.dumps({"prompt": text, "output_tokens_count": OUTPUT_TOKENS}) for text in prompts * asked.rounds]
    data.write_text("\n".join(lines) + "\n")
    with serving(asked) as port:
        command = (
            *("guidellm", "run", "--disable-console"),
            *("--backend", f"kind=openai_http,target=http://127.0.0.1:{port},model={asked.gguf.name}"),
            *("--profile", "kind=synchronous"),
            *("--constraint", f"kind=max_requests,count={len(lines)}"),
            *("--tokenizer", f"kind=huggingface_auto,model={asked.tokenizer}"),
            *("--data", f"kind=json_file,path={data}"),
            *("--output", f"kind=json,path={written}"),
        )
        subprocess.run(command, check=True, capture_output=True, timeout=600)
    (benchmark,) = json.loads(written.read_bytes())["benchmarks"]
    answers = benchmark["requests"]["successful"]
    return Row("llama.cpp-by-guidellm", [one["time_to_first_token_ms"] / 1e3 for one in answers], None)


def main() -> None:
    """Measure, then print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, required=True, help="a model directory for Foundry Local")
    parser.add_argument("--gguf", type=Path, required=True, help="a GGUF of the same model")
    parser.add_argument("--tokenizer", type=Path, required=True, help="a folder with its tokenizer, for guidellm")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    asked = Asked(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory() as folder:
        rows = list(ours(asked, Path(folder)))
        if shutil.which("guidellm") is None:
            sys.stderr.write("guidellm is not on the path: it is left out\n")
        else:
            rows.append(by_guidellm(asked, Path(folder)))
    cold_s = statistics.median(rows[1].ttfts_s)
    sys.stdout.write("| measured | requests | TTFT p50, ms | ratio | of the prompt cached |\n")
    sys.stdout.write("| --- | ---: | ---: | ---: | ---: |\n")
    for row in rows:
        middle_s = statistics.median(row.ttfts_s)
        share = "not said" if row.cached_share is None else f"{row.cached_share:.0%}"
        sys.stdout.write(
            f"| {row.measured} | {len(row.ttfts_s)} | {middle_s * 1e3:.0f} | {middle_s / cold_s:.2f} | {share} |\n"
        )


if __name__ == "__main__":
    main()
