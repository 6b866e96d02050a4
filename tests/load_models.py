"""Models for tests of load, behind the seam that users have for their own: they may be asked by several at once."""

import os
import signal
import threading
import time
from collections.abc import Iterator

from tests.replay_model import Plain


class Together(Plain):
    """Answers several at once, each in three words after a hundredth of a second, and counts words."""

    concurrent = True

    def generate(self, prompt: str, **params: object) -> Iterator[str]:  # type: ignore[override]
        """Yield three words, of which the last is the prompt."""
        time.sleep(0.01)
        yield from ("one ", "two ", prompt)

    def count_tokens(self, text: str) -> int:
        """Return the number of words."""
        return len(text.split())


class OneAtATime(Together):
    """Does not say that several may ask it."""

    concurrent = False


class DiesUnderLoad(Together):
    """Is killed by the second of two that ask at once."""

    _at_once = threading.Semaphore(1)

    def generate(self, prompt: str, **params: object) -> Iterator[str]:  # type: ignore[override]
        """Kill this process where another answer is under way."""
        if not self._at_once.acquire(blocking=False):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.01)
        yield prompt
        self._at_once.release()


class HangsUnderLoad(Together):
    """Never comes back where it is not asked in the main thread."""

    def generate(self, prompt: str, **params: object) -> Iterator[str]:  # type: ignore[override]
        """Sleep for ever in a thread."""
        if threading.current_thread() is not threading.main_thread():
            time.sleep(3600)
        yield prompt


class Swelling(Together):
    """Holds more memory for each answer that is under way."""

    def generate(self, prompt: str, **params: object) -> Iterator[str]:  # type: ignore[override]
        """Hold 40 MB for a fifth of a second."""
        held = bytearray(os.urandom(1024)) * 40_000
        time.sleep(0.2)
        yield f"{prompt} {len(held)}"


class Uncounting(Plain):
    """Counts no tokens; several may ask it."""

    concurrent = True
