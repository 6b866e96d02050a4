"""Whether models repeat themselves, within a run and from run to run, worked out once for a site."""

from collections.abc import Sequence

from bench.analysis.answers import AnswerChanges, Consistency, answer_changes, consistency
from bench.analysis.summary import ModelSummary
from bench.results.schema import Result


class Drift:
    """What models of some runs said otherwise, each kept from the first time that it is asked for."""

    def __init__(self, results: Sequence[Result]) -> None:
        self._results = results
        self._consistency: dict[tuple[str, str], Consistency] = {}
        self._changes: dict[tuple[str, str], AnswerChanges] = {}

    def consistency(self, summary: ModelSummary) -> Consistency:
        """Return whether a model said one thing to each prompt in its run."""
        key = (summary.result.run.id, summary.model.name)
        if key not in self._consistency:
            self._consistency[key] = consistency(summary.result, summary.model)
        return self._consistency[key]

    def changes(self, summary: ModelSummary) -> AnswerChanges:
        """Return how a model's answers changed since the last run in the same context."""
        key = (summary.result.run.id, summary.model.name)
        if key not in self._changes:
            self._changes[key] = answer_changes(self._results, summary.result, summary.model)
        return self._changes[key]
