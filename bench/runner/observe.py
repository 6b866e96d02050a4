"""What is seen of a model's process and of the machine from outside, while the model is measured."""

from types import TracebackType
from typing import Self

from bench.config import Config, CustomModel, EndpointModel, FoundryModel
from bench.runner.child import Report
from bench.runner.outcome import Seen
from bench.runner.supervise import Heard


class Observer:
    """Watches one model's process from its start to its end."""

    def __init__(self, config: Config, model: FoundryModel | EndpointModel | CustomModel) -> None:
        self._config = config

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def notice(self, heard: Heard, report: Report | None) -> None:
        """Follow the process: called at its start, after each report and at its end."""

    def seen(self, heard: Heard) -> Seen:
        """Return what was seen, with a reason for what was not."""
        loaded = heard.loaded
        if loaded is None or loaded.remote is not None:
            return Seen()
        peak = heard.finished.memory_peak_bytes if heard.finished is not None else None
        return Seen(
            memory_before_bytes=loaded.memory_before_bytes,
            memory_loaded_bytes=loaded.memory_loaded_bytes,
            memory_peak_bytes=peak,
            unmeasured={"memory_peak_bytes": "the process was lost before it could tell"},
        )

    @staticmethod
    def nothing_seen() -> Seen:
        """Return what is known of a model whose measuring was broken off."""
        return Seen(unmeasured={"memory_peak_bytes": "the run was stopped"})
