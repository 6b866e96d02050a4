"""A chat session of the Foundry Local runtime that keeps each piece of text with the time at which it was handed over.

The SDK makes an object of each item while the model generates, and passes it from the runtime's thread to the caller's
through a queue; both then contend for the interpreter's lock. A model of a few hundred tokens a second is delayed, and
its pieces reach the caller in bursts. Here the runtime's own handles stay in a list until the answer is complete.
"""

from typing import Any

from foundry_local_sdk import ChatSession, Item
from foundry_local_sdk._native import ffi
from foundry_local_sdk._native.api import api

from bench.providers.endpoint_failures import Stage
from bench.providers.protocol import Arrived, Clock, Request


class Arrivals:
    """What came of one answer, each item with the clock's reading when it came.

    `late` is the limit of the request that was reached, or None.
    """

    def __init__(self, clock: Clock, request: Request) -> None:
        self.late: Stage | None = None
        self._items: list[Arrived] = []
        self._handles: list[tuple[int, Any]] = []
        self._handle = ffi.new("flItem**")
        self._pop = api.item.ItemQueue_TryPop
        self._clock = clock
        self._first_ns = int(request.first_text_s * 1e9)
        self._gap_ns = int(request.gap_s * 1e9)
        self._whole_ns = int(request.request_s * 1e9)
        self._start_ns = self._last_ns = clock()

    @property
    def items(self) -> list[Arrived]:
        """The items in order of arrival, for when the answer is over: only here are they made of the handles."""
        self._items += [Arrived(at_ns, Item.from_native(handle, owns=True)) for at_ns, handle in self._handles]
        self._handles = []
        return self._items

    def take(self, data: Any) -> int:
        """Keep what the runtime hands over. Returns 1, which cancels the request, past a limit, else 0."""
        queue, handle = data.item_queue, self._handle
        # Past a limit as well: the runtime calls again and again until its queue is empty.
        while queue and self._pop(queue, handle):
            # More can come while this runs: each has a time of its own.
            now_ns = self._clock()
            if now_ns - self._start_ns > self._whole_ns:
                self.late = self.late or "whole"
            elif now_ns - self._last_ns > (self._gap_ns if self._handles else self._first_ns):
                self.late = self.late or ("gap" if self._handles else "first-text")
            if self.late is None:
                self._handles.append((now_ns, handle[0]))
                self._last_ns = now_ns
            else:
                # Let go of with its last reference.
                Item.from_native(handle[0], owns=True)
        return 0 if self.late is None else 1


class StampingSession(ChatSession):  # type: ignore[misc]
    """A chat session whose stream goes to `arrivals`."""

    arrivals: Arrivals | None = None

    def set_streaming(self, enabled: bool) -> "StampingSession":
        """Have the runtime hand its items over as they come, or not."""
        if not enabled:
            super().set_streaming(False)
            return self

        def take(data: Any, _: Any) -> int:
            return self.arrivals.take(data) if self.arrivals is not None else 1

        # Kept for as long as the runtime may call it. An error in it cancels the request.
        self._streaming_callback = ffi.callback("flStreamingCallback", take, error=1)
        self._streaming_enabled = True
        with self._native_lifetime() as session:
            api.check_status(api.inference.Session_SetStreamingCallback(session, self._streaming_callback, ffi.NULL))
        return self
