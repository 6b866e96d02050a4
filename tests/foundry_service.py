"""A Foundry Local service in a process of its own, as `python -m tests.foundry_service URL CACHE_DIR MODEL`.

It prints the service's address, loads the model, and stops when its standard input ends.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from tests.foundry_catalogue import ALIAS, Catalogue


@contextmanager
def service(catalogue: Catalogue) -> Iterator[str]:
    """Run the runtime's own web service with the catalogue's model loaded; yields its base URL, ending in /v1."""
    command = [sys.executable, "-m", "tests.foundry_service", catalogue.url, str(catalogue.cache_dir), ALIAS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"{process.stdout.readline().strip().rstrip('/')}/v1"
        finally:
            process.stdin.close()
            process.wait(timeout=30)


def main() -> None:
    """Serve until standard input ends."""
    os.environ["CI"] = "true"
    from foundry_local_sdk import Configuration, FoundryLocalManager

    url, cache_dir, alias = sys.argv[1:]
    with tempfile.TemporaryDirectory() as app_data:
        configuration = Configuration(
            app_name="benchledger-tests",
            app_data_dir=app_data,
            model_cache_dir=cache_dir,
            catalog_urls=[(url, None)],
        )
        FoundryLocalManager.initialize(configuration)
        manager = FoundryLocalManager.instance
        manager.get_catalog().get_model(alias).load()
        manager.start_web_service()
        sys.stdout.write(f"{manager.urls[0]}\n")
        sys.stdout.flush()
        sys.stdin.read()
        manager.stop_web_service()
        manager.close()


if __name__ == "__main__":
    main()
