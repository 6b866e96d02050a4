"""guidellm and AIPerf against the reference server, where their commands are on the path.

They are asked as their users ask them, in processes of their own. Their requests cannot be told apart in the server's
log: so their errors are against its schedule, which it keeps within microseconds. Processor time is the difference of
two runs, one with more requests than the other, so that starting up is in none of it.
"""

import json
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.runner.calibration.client_check import Reference, reference_server
from bench.runner.calibration.server import MODEL

TOKENIZER = Path(__file__).parents[2] / "bench" / "reference" / "models" / "ledger-xs-fp32"
LIMIT_S = 300.0


@dataclass(frozen=True)
class Told:
    """What a peer tells of its requests after the warm-up, in seconds; it keeps gaps, or it does not."""

    ttft_s: tuple[float, ...]
    gap_s: tuple[float, ...]


@dataclass(frozen=True)
class PeerFound:
    """What was found of one peer."""

    ttft_error_ns: list[int]
    gap_error_ns: list[int]
    cpu_s: float
    requests: int


Peer = Callable[[Reference, int, int, int, Path], Told]


def guidellm(server: Reference, streams: int, requests: int, chunks: int, folder: Path) -> Told:
    """Run guidellm; it has no warm-up of its own, so the first two requests of each stream are left out."""
    written = folder / "guidellm.json"
    _run(
        *("guidellm", "run", "--disable-console"),
        *("--backend", f"kind=openai_http,target=http://127.0.0.1:{server.port},model={MODEL}"),
        *("--profile", f"kind=concurrent,streams={streams}"),
        *("--constraint", f"kind=max_requests,count={requests + 2 * streams}"),
        *("--tokenizer", f"kind=huggingface_auto,model={_tokenizer(folder)}"),
        *("--data", f"kind=synthetic_text,prompt_tokens=16,output_tokens={chunks}"),
        *("--output", f"kind=json,path={written}"),
    )
    (benchmark,) = json.loads(written.read_bytes())["benchmarks"]
    answers = sorted(benchmark["requests"]["successful"], key=lambda answer: float(answer["request_start_time"]))
    return Told(tuple(answer["time_to_first_token_ms"] / 1e3 for answer in answers[2 * streams :]), ())


def aiperf(server: Reference, streams: int, requests: int, chunks: int, folder: Path) -> Told:
    """Run AIPerf, with two requests of each stream as warm-up."""
    written = folder / "aiperf"
    _run(
        *("aiperf", "profile", "-m", MODEL, "--url", f"http://127.0.0.1:{server.port}", "--endpoint-type", "chat"),
        *("--streaming", "--tokenizer", str(_tokenizer(folder)), "--concurrency", str(streams)),
        *("--request-count", str(requests), "--warmup-request-count", str(2 * streams), "--ui", "none"),
        *("--output-tokens-mean", str(chunks), "--use-legacy-max-tokens", "--synthetic-input-tokens-mean", "16"),
        *("--artifact-dir", str(written), "--export-level", "records"),
    )
    records = [json.loads(line) for line in (written / "profile_export.jsonl").read_text().splitlines()]
    measured = [each["metrics"] for each in records if each["metadata"]["benchmark_phase"] == "profiling"]
    gaps = (gap / 1e3 for metrics in measured for gap in metrics["inter_chunk_latency"]["value"])
    return Told(tuple(metrics["time_to_first_token"]["value"] / 1e3 for metrics in measured), tuple(gaps))


PEERS: dict[str, Peer] = {"guidellm": guidellm, "aiperf": aiperf}


def peer_found(name: str, streams: int, requests: int, chunks: int, first_s: float, gap_s: float) -> PeerFound | None:
    """Return what is found of a peer, or None where its command is not there."""
    if shutil.which(name) is None:
        return None
    cpu_s = []
    told = []
    few = max(2 * streams, requests // 4)
    for count in (few, few + requests):
        with reference_server(first_s, gap_s) as server, tempfile.TemporaryDirectory() as folder:
            before_s = _children_s()
            told.append(PEERS[name](server, streams, count, chunks, Path(folder)))
            cpu_s.append(_children_s() - before_s)
    return PeerFound(
        ttft_error_ns=[round((each - first_s) * 1e9) for each in told[1].ttft_s],
        gap_error_ns=[round((each - gap_s) * 1e9) for each in told[1].gap_s],
        cpu_s=cpu_s[1] - cpu_s[0],
        requests=requests,
    )


def _tokenizer(folder: Path) -> Path:
    """Return a copy of a reference model's tokenizer with the one file more by which the peers know its kind."""
    copy = folder / "tokenizer"
    copy.mkdir(exist_ok=True)
    for path in TOKENIZER.glob("tokenizer*.json"):
        shutil.copy(path, copy)
    (copy / "config.json").write_text('{"model_type": "qwen2"}')
    return copy


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=LIMIT_S)
