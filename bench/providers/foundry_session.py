"""A chat session of the Foundry Local runtime that keeps each piece of text with the time at which it was handed over.

The SDK passes each item from the runtime's thread to the caller's through a queue, and both then contend for the
interpreter's lock: a model of a few hundred tokens a second is delayed, and its pieces reach the caller in bursts. Here
the items stay in a list until the answer is complete, so that no other thread wakes up while it is generated.
"""

from typing import Any

from foundry_local_sdk import ChatSession, Item

from bench.providers.endpoint_failures import Stage
from bench.providers.protocol import Arrived, Clock, Request


class LimitReached(Exception):
    """The answer was not complete within its limit."""


class Arrivals:
    """What came of one answer: items in order of arrival, each with the clock's reading when it came.

    `late` is the limit of the request that was reached, or None.
    """

    def __init__(self, clock: Clock, request: Request) -> None:
        self.items: list[Arrived] = []
        self.late: Stage | None = None
        self._clock = clock
        self._first_ns = int(request.first_text_s * 1e9)
        self._gap_ns = int(request.gap_s * 1e9)
        self._whole_ns = int(request.request_s * 1e9)
        self._start_ns = self._last_ns = clock()

    def put(self, entry: object) -> None:
        """Keep an item. Raises LimitReached past a limit, which the SDK turns into a cancelled request."""
        now_ns = self._clock()
        if not isinstance(entry, Item):
            # The SDK reports an exception of this very method through it.
            return
        if now_ns - self._start_ns > self._whole_ns:
            self.late = "whole"
        elif now_ns - self._last_ns > (self._gap_ns if self.items else self._first_ns):
            self.late = "gap" if self.items else "first-text"
        if self.late is not None:
            raise LimitReached
        self._last_ns = now_ns
        self.items.append(Arrived(now_ns, entry))


class StampingSession(ChatSession):  # type: ignore[misc]
    """A chat session whose streaming callback puts its items into `arrivals`."""

    arrivals: Arrivals | None = None

    # The SDK's callback looks its queue up under this name for every item, and sets it in ways not used here.
    @property
    def _stream_queue(self) -> Arrivals | None:
        return self.arrivals

    @_stream_queue.setter
    def _stream_queue(self, _: Any) -> None:
        return
