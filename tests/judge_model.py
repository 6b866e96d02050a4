"""Judges for tests, behind the seam that users have for models of their own: they answer what a judge is asked."""

import json
import os
import re
import signal
from pathlib import Path


def _facets(prompt: str) -> list[str]:
    return re.findall(r'"([a-z0-9-]+)": \{"why"', prompt)


def _answer(prompt: str) -> str:
    fenced = re.findall(r"<(text-\w+)>\n(.*?)\n</\1>", prompt, re.DOTALL)
    return str(fenced[1][1])


class ByWord:
    """Gives each facet the score that a JSON file has for a word of the answer, and prefers the answer shown first."""

    def load(self, weights_path: str | None) -> None:
        """Read the scores: word -> score."""
        assert weights_path is not None
        self._scores: dict[str, int] = json.loads(Path(weights_path).read_text(encoding="utf-8"))

    def generate(self, prompt: str, **params: object) -> str:
        """Return a verdict in a code fence."""
        if not _facets(prompt):
            return 'Sure. {"why": "it came first", "better": "A"}'
        score = next((score for word, score in self._scores.items() if word in _answer(prompt)), 3)
        facets = {name: {"why": f"for {name}", "score": score} for name in _facets(prompt)}
        return f"```json\n{json.dumps({'facets': facets})}\n```"


class FirstFacetBest:
    """Gives the facet that it is told first a 5 and every other one a 4, and prefers the longer answer."""

    def load(self, weights_path: str | None) -> None:
        """Nothing to load."""

    def generate(self, prompt: str, **params: object) -> str:
        """Return a verdict."""
        if not _facets(prompt):
            _, first, second = re.findall(r"<(text-\w+)>\n(.*?)\n</\1>", prompt, re.DOTALL)
            return json.dumps({"why": "longer", "better": "A" if len(first[1]) > len(second[1]) else "B"})
        return json.dumps({"facets": {name: 5 if not place else 4 for place, name in enumerate(_facets(prompt))}})


class Chatty:
    """Says what nobody can read."""

    def load(self, weights_path: str | None) -> None:
        """Nothing to load."""

    def generate(self, prompt: str, **params: object) -> str:
        """Return prose."""
        return "I would say four out of five, all in all."


class DiesOnce(ByWord):
    """Is killed at its second answer, unless the file beside its scores says that it was before."""

    calls = 0

    def load(self, weights_path: str | None) -> None:
        """Read the scores, and note where it is said that this model was killed."""
        super().load(weights_path)
        self._killed = Path(str(weights_path)).with_name("killed")

    def generate(self, prompt: str, **params: object) -> str:
        """Kill this process at the second call."""
        self.calls += 1
        if self.calls == 2 and not self._killed.exists():
            self._killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().generate(prompt, **params)
