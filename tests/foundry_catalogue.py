"""A catalogue like Foundry Local's public one, served on loopback, with one model that is in the cache already."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ALIAS = "tiny"
VARIANT = "tiny-generic-cpu:1"


@dataclass(frozen=True)
class Catalogue:
    """Where the catalogue is asked, and the folder in which its model lies."""

    url: str
    cache_dir: Path


def entry(
    variant: str = VARIANT,
    alias: str = ALIAS,
    device: str = "cpu",
    provider: str = "CPUExecutionProvider",
    licence: str = "apache-2.0",
    size_bytes: int = 472_259,
) -> dict[str, object]:
    """Return what the catalogue says of one variant."""
    name, _, version = variant.partition(":")
    return {
        "assetId": f"azureml://registries/azureml/models/{name}/versions/{version}",
        "entityId": variant,
        "annotations": {
            "tags": {"alias": alias, "foundryLocal": ""},
            "systemCatalogData": {
                "publisher": "Benchledger",
                "displayName": alias.title(),
                "inferenceTasks": ["chat-completion"],
                "license": licence,
                "maxOutputTokens": 512,
            },
        },
        "properties": {
            "id": variant,
            "name": name,
            "version": int(version),
            "variantInfo": {
                "parents": [{"assetId": f"azureml://registries/azureml/models/{alias}/versions/1"}],
                "variantMetadata": {
                    "modelType": "ONNX",
                    "device": device,
                    "executionProvider": provider,
                    "fileSizeBytes": size_bytes,
                },
            },
            "creationContext": {"createdTime": "2026-01-01T00:00:00Z"},
        },
    }


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = json.dumps({"value": [entry()], "totalCount": 1}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *message: object) -> None:
        return


@contextmanager
def catalogue(model: Path, folder: Path) -> Iterator[Catalogue]:
    """Serve a catalogue whose one model is a copy of `model`, in a cache below `folder`."""
    place = folder / "cache" / "Benchledger" / VARIANT.replace(":", "-")
    shutil.copytree(model, place)
    (place / "inference_model.json").write_text(json.dumps({"Name": VARIANT}), encoding="utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/asset-gallery/v1.0/models"
        yield Catalogue(url, folder / "cache")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
