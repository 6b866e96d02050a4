"""Models for tests, behind the seam that users have for their own: they answer from a file, or fail on purpose."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil


class Replay:
    """Answers each prompt with the pieces that a JSON file has for it, and counts a token for each word."""

    def load(self, weights_path: str | None) -> None:
        """Read the answers: prompt -> pieces of text."""
        assert weights_path is not None
        self._answers: dict[str, list[str]] = json.loads(Path(weights_path).read_text(encoding="utf-8"))

    def generate(self, prompt: str, **params: object) -> Iterator[str]:
        """Yield the pieces; a prompt without an answer is an error."""
        yield from self._answers[prompt]

    def count_tokens(self, text: str) -> int:
        """Return the number of words."""
        return len(text.split())


class Plain:
    """Answers in one text, and counts nothing."""

    def load(self, weights_path: str | None) -> None:
        """Nothing to load."""

    def generate(self, prompt: str, **params: object) -> str:
        """Return the prompt and what it was asked with."""
        return f"{prompt} {json.dumps(params, sort_keys=True)}"


class FailsToLoad(Plain):
    """Cannot be loaded."""

    def load(self, weights_path: str | None) -> None:
        """Raise."""
        raise MemoryError("not enough memory")


class LoadsOnce(Plain):
    """Can be loaded once: the next time its weights are there already."""

    def load(self, weights_path: str | None) -> None:
        """Make the weights. Raises FileExistsError."""
        assert weights_path is not None
        Path(weights_path).touch(exist_ok=False)


class RunsOutOfMemory(Plain):
    """May take a little more memory than it has, and asks for much more at its second answer."""

    calls = 0

    def generate(self, prompt: str, **params: object) -> str:
        """Take a gigabyte at the second call."""
        self.calls += 1
        if self.calls == 2:
            # Not on every system.
            import resource

            held_bytes = psutil.Process().memory_info().vms
            resource.setrlimit(resource.RLIMIT_AS, (held_bytes + 2**26, resource.RLIM_INFINITY))
            return str(len(bytearray(2**30)))
        return "fine"


class DiesAtTheThird(Plain):
    """Is killed while it answers for the third time."""

    calls = 0

    def generate(self, prompt: str, **params: object) -> str:
        """Kill this process at the third call."""
        self.calls += 1
        if self.calls == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return "fine"


class Slow(Plain):
    """Takes two tenths of a second before each piece."""

    def generate(self, prompt: str, **params: object) -> Iterator[str]:  # type: ignore[override]
        """Yield five pieces, slowly."""
        for number in range(5):
            time.sleep(0.2)
            yield f"{number} "


class HangsAtTheSecond(Plain):
    """Never comes back from its second answer."""

    calls = 0

    def generate(self, prompt: str, **params: object) -> str:
        """Sleep for ever at the second call."""
        self.calls += 1
        if self.calls == 2:
            time.sleep(3600)
        return "fine"


class Paced(Plain):
    """Answers after a few hundredths of a second, so that a test can interrupt it."""

    def generate(self, prompt: str, **params: object) -> Iterator[str]:  # type: ignore[override]
        """Yield two pieces."""
        time.sleep(0.03)
        yield "fine, "
        yield prompt
