"""Parts of a page that speak of one machine: on the page where they are few, in data files where they are many.

A part is made from the runs of its machine and from little that all machines share. So it can be kept until one of
these changes, and a machine with a new run costs what one machine costs, whatever the number of others.
"""

import base64
import gzip
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from markupsafe import Markup

from bench.report import format as form
from bench.report.text import key, relative
from bench.schema.result import Result
from bench.site.charts.figures import Artist, embedded
from bench.site.dataset import Board
from bench.site.urls import PARTS, REPORT
from bench.store.cache import Cache, key_of

View = TypeVar("View")

KIND: Final = "parts"
"""Kind of the cache's entries: the data file of one part."""

COMPRESSION: Final = 6
"""Level of gzip."""

MOST_ON_PAGE: Final = 4
"""Parts of one kind that a page shows one below the other. Of more it has the first, and loads each other on demand."""


@dataclass(frozen=True)
class MachinePart(Generic[View]):
    """A part of a page: the id of its first heading, what that says, its machine, and how to make what it shows.

    `note` is what the line says of it from which it is loaded. `beside` is what it shows, or decides by, that is not of
    its machine and not shared by all parts.
    """

    anchor: str
    heading: str
    machine: str
    note: str
    view: Callable[[], View]
    beside: str = ""


def of_board(board: Board, view: Callable[[], View], prefix: str = "", beside: str = "") -> MachinePart[View]:
    """Return the part of a board; a page with several of one board tells them apart by a prefix of their ids."""
    note = newest_on([board.result])
    return MachinePart(f"{prefix}{board.anchor}", board.heading, board.machine, note, view, beside)


def newest_on(runs: Iterable[Result]) -> str:
    """Return the note of a part that is made from these runs."""
    return f"newest run {form.day(max(one.run.started_utc for one in runs))}"


@dataclass
class Press:
    """Renders the parts of one page after the other; `keys` has for each machine what its parts are made from.

    A machine without a key is made anew each time.
    """

    artist: Artist
    cache: Cache
    version: str
    keys: dict[str, str]
    used: set[str] = field(default_factory=set)
    files: dict[str, bytes] = field(default_factory=dict)

    def part(
        self, page: str, one: MachinePart[Any], among: Collection[MachinePart[Any]], caller: Callable[[Any], str]
    ) -> Markup:
        """Return a part for its place on a page: all of it, or a line that loads it.

        `caller` is the block of the template that shows the part's view.
        """
        if len(among) <= MOST_ON_PAGE or one is next(iter(among)):
            return Markup(caller(one.view()))
        # Two names can make one anchor, and must not share a file.
        own = key_of(one.machine, one.heading)[:8]
        name = f"{PARTS}/{key(page.removesuffix('.html'))}/{key(one.anchor)}-{own}.js"
        self.files[name] = self._kept(page, one, caller)
        return Markup(
            '<details class="bl-fold bl-part" id="{}" data-src="{}"><summary><span>{}</span>'
            '<span class="bl-summary-score">{}</span></summary>'
            '<p class="bl-hint" role="status"><span>To open this part takes JavaScript; without it, see</span> '
            '<a href="{}">the list of runs</a>.</p></details>\n'
        ).format(one.anchor, relative(page, name), one.heading, one.note, relative(page, f"{REPORT}/runs.html"))

    def _kept(self, page: str, one: MachinePart[Any], caller: Callable[[Any], str]) -> bytes:
        of_machine = self.keys.get(one.machine)
        if of_machine is None:
            return self._made(one, caller)
        entry = key_of(self.version, of_machine, page, one.anchor, one.beside)
        self.used.add(entry)
        known = self.cache.get(KIND, entry)
        if known is None:
            known = self._made(one, caller)
            self.cache.put(KIND, entry, known)
        return known

    def _made(self, one: MachinePart[Any], caller: Callable[[Any], str]) -> bytes:
        # A static picture is for readers without JavaScript, who do not see this part.
        with self.artist.resting():
            html = str(caller(one.view()))
        # Tables and charts repeat themselves: packed, a part is a fifth as long, and as easy to load from a disk.
        packed = base64.b64encode(gzip.compress(html.encode(), COMPRESSION, mtime=0)).decode()
        return f"benchledger.part({embedded([one.anchor, packed])});\n".encode()
