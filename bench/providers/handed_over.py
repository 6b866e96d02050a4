"""Pieces of an answer that a runtime in this process handed over in one go: they were ready before, nobody knows when.

A runtime calls back from a thread of its own. Where that thread has to wait, for a core that the runtime's own threads
keep busy as a rule, it then hands over at once what has come in the meantime. It is the same as several events in one
read of a connection, and is told in the same way.
"""

from collections.abc import Iterator, Sequence

from bench.providers.protocol import Arrived

TOGETHER_NS = 20_000
"""Pieces less than this apart came together. To take one that waits costs some 1 to 10 microseconds; a model that makes
50,000 tokens a second for one stream does not exist."""


def in_one_go(items: Sequence[Arrived]) -> Iterator[Arrived]:
    """Yield items as events, in order: those that came together are one event, a tuple, with the first one's time."""
    together: list[object] = []
    first_ns = last_ns = 0
    for at_ns, item in items:
        if together and at_ns - last_ns >= TOGETHER_NS:
            yield Arrived(first_ns, tuple(together))
            together = []
        if not together:
            first_ns = at_ns
        together.append(item)
        last_ns = at_ns
    if together:
        yield Arrived(first_ns, tuple(together))
