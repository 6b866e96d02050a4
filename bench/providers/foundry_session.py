"""A chat session of the Foundry Local runtime that keeps each piece of text with the time at which it was handed over.

The SDK passes each item from the runtime's thread to the caller's through a queue, and both then contend for the
interpreter's lock: a model of a few hundred tokens a second is delayed, and its pieces reach the caller in bursts. Here
the items stay in a list until the answer is complete, so that no other thread wakes up while it is generated.
"""

from typing import Any

from foundry_local_sdk import ChatSession, Item

from bench.providers.protocol import Arrived, Clock


class LimitReached(Exception):
    """The answer was not complete within its limit."""


class Arrivals:
    """What came of one answer: items in order of arrival, each with the clock's reading when it came."""

    def __init__(self, clock: Clock, limit_ns: int) -> None:
        self.items: list[Arrived] = []
        self.limit_reached = False
        self._clock = clock
        self._limit_ns = limit_ns
        self._start_ns = clock()

    def put(self, entry: object) -> None:
        """Keep an item. Raises LimitReached past the limit, which the SDK turns into a cancelled request."""
        now_ns = self._clock()
        if not isinstance(entry, Item):
            # The SDK reports an exception of this very method through it.
            return
        if now_ns - self._start_ns > self._limit_ns:
            self.limit_reached = True
            raise LimitReached
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
