"""Decode and prefill of one GGUF by this program, through llama-server, and by llama.cpp's own llama-bench.

Both take turns on the same threads, with the same lengths: the prompt is read at once, and the answer is decoded behind
it. What lies between them is HTTP, the chat template, and the first token, which counts with the prompt in a TTFT.

    python -m tests.benchmarks.llama_bench --model models/smollm2-135m/gguf/SmolLM2-135M-Instruct.Q4_1.gguf
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.metrics.lengths import length_matrix
from bench.store.files import load

PROMPT_TOKENS = 512
OUTPUT_TOKENS = 64
METRICS = ("prefill_tokens_per_s", "decode_tokens_per_s")
CONTEXT_TOKENS = 2048


@dataclass(frozen=True)
class Asked:
    """What is measured: a GGUF, the two programs of llama.cpp, and on how many threads."""

    model: Path
    server: str
    llama_bench: str
    threads: int


def by_us(asked: Asked, folder: Path) -> dict[str, float]:
    """Run the config of one model with one cell of lengths, and return both speeds in tokens/s."""
    command = [asked.server, "-m", "{model}", "--port", "{port}", "-t", str(asked.threads), "-c", str(CONTEXT_TOKENS)]
    model = {
        "provider": "openai",
        "name": "gguf",
        "model_file": str(asked.model.resolve()),
        "server": {"command": [*command, "-np", "1"], "ready": "/health"},
        "request": {"body": {"ignore_eos": True}},
    }
    config = {
        "models": [model],
        "rounds": 1,
        "warmup": 0,
        "lengths": {"prompt_tokens": [PROMPT_TOKENS], "output_tokens": [OUTPUT_TOKENS], "repeats": 1},
    }
    path = folder / "gguf.json"
    path.write_text(json.dumps(config))
    run = ("run", str(path), "--results", str(folder), "--prompt", "Hello.", "--quiet")
    written = _output(sys.executable, "-m", "bench", *run)
    result = load(Path(written.strip().splitlines()[-1]))
    matrix = length_matrix(result.models[0])
    if matrix is None:
        raise SystemExit(f"nothing was measured: {result.models[0].failure}")
    cell = matrix.cells[PROMPT_TOKENS, OUTPUT_TOKENS]
    found = {metric_id: value for metric_id in METRICS if (value := cell.value(metric_id)) is not None}
    if len(found) < len(METRICS):
        raise SystemExit(f"nothing was measured: {cell.undefined}")
    return found


def by_llama_bench(asked: Asked) -> dict[str, float]:
    """Run llama-bench and return both speeds in tokens/s, the decoding behind a prompt of the same length."""
    common = ("-m", str(asked.model), "-t", str(asked.threads), "-r", "1", "-o", "json")
    (prefill,) = json.loads(_output(asked.llama_bench, *common, "-p", str(PROMPT_TOKENS), "-n", "0"))
    (decode,) = json.loads(
        _output(asked.llama_bench, *common, "-p", "0", "-n", str(OUTPUT_TOKENS), "-d", str(PROMPT_TOKENS))
    )
    return {METRICS[0]: prefill["avg_ts"], METRICS[1]: decode["avg_ts"]}


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """Take turns, then print a Markdown table of the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--llama-server", default="llama-server")
    parser.add_argument("--llama-bench", default="llama-bench")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    asked = Asked(given.model, given.llama_server, given.llama_bench, given.threads)
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    for turn in range(given.turns):
        with tempfile.TemporaryDirectory() as folder:
            # Who begins changes from turn to turn: what a machine loses in a minute is charged to both alike.
            first, second = (ours, theirs) if turn % 2 == 0 else (theirs, ours)
            for side in (first, second):
                side.append(by_us(asked, Path(folder)) if side is ours else by_llama_bench(asked))
        sys.stderr.write(f"turn {turn + 1} of {given.turns}: {ours[-1]} {theirs[-1]}\n")
    sys.stdout.write("| | this program | llama-bench | ratio |\n| --- | ---: | ---: | ---: |\n")
    for metric_id in METRICS:
        mine, its = (statistics.median(one[metric_id] for one in side) for side in (ours, theirs))
        sys.stdout.write(f"| {metric_id} | {mine:.1f} | {its:.1f} | {mine / its:.3f} |\n")


if __name__ == "__main__":
    main()
