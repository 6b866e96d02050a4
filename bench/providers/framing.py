"""An HTTP/1.1 answer, taken apart read by read: its head, its transfer coding, its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from http.client import BadStatusLine

HEAD_BYTES = 256 * 1024
"""The longest head of an answer, or line inside a chunked body, that is read."""

END = b"\r\n\r\n"
"""What the read with the end of a chunked answer ends with, if it is as long."""

NO_END = b"\r\n\r\n\r\n"
"""With this it is a chunk instead, whose data end with an empty line."""

_HEX = frozenset(b"0123456789abcdefABCDEF")


class NotHttp(BadStatusLine):
    """What arrived is no HTTP answer."""


@dataclass(frozen=True)
class Head:
    """Status and headers of an answer; the names are in lower case, and of several values the last one counts."""

    status: int
    headers: Mapping[str, str]
    keeps_alive: bool


class Answer:
    """The bytes of one answer, fed in the reads in which they arrived, cut anywhere.

    `head` is None until it is whole, and `chunked` says whether the body is in chunks. `complete` says that the last
    byte is here; `surplus` that bytes came after it.
    """

    def __init__(self) -> None:
        self.head: Head | None = None
        self.complete = False
        self.surplus = False
        self.chunked = False
        self._rest = b""
        # Bytes of the body or of the chunk that are still to come; None: as many as come until the connection closes.
        self._left: int | None = 0
        self._expected = "size"

    def feed(self, read: bytes) -> bytes:
        """Return the bytes of the body that a read brought. Raises NotHttp."""
        if self.head is None:
            head, end, body = (self._rest + read).partition(b"\r\n\r\n")
            if not end:
                self._rest = _bounded(head)
                return b""
            self._rest = b""
            self._begin(_head(_bounded(head)))
            # What comes before the answer, such as 100 Continue, is passed over.
            return self.feed(body) if body or self.head is None else b""
        if self.chunked:
            return self._dechunked(read)
        if self._left is None:
            return read
        self.surplus = self.surplus or len(read) > self._left
        body = read[: self._left]
        self._left -= len(body)
        self.complete = self._left == 0
        return body

    def feed_all(self, reads: Sequence[bytes], bodies: list[bytes]) -> None:
        """Add to `bodies` what each of the reads brought of the body. Raises NotHttp."""
        between = self._between_chunks
        for read in reads:
            # Nearly every read is one chunk, whole.
            if between and read.endswith(b"\r\n"):
                begin = read.find(b"\r\n") + 2
                size = read[: begin - 2]
                if size and _HEX.issuperset(size) and len(read) - 2 == begin + int(size, 16) > begin:
                    bodies.append(read[begin:-2])
                    continue
            bodies.append(self.feed(read))
            between = self._between_chunks

    @property
    def _between_chunks(self) -> bool:
        return self.chunked and self._expected == "size" and not self._left and not self._rest

    def end(self) -> bool:
        """Take note that the connection was closed; returns whether the answer is complete with that."""
        if self.head is not None and self._left is None and not self.chunked:
            self.complete = True
        return self.complete

    def _begin(self, head: Head) -> None:
        if 100 <= head.status < 200:
            return
        self.head = head
        length = head.headers.get("content-length")
        if head.status in (204, 304):
            self.complete = True
        elif "chunked" in head.headers.get("transfer-encoding", "").lower():
            self.chunked = True
        elif length is not None:
            if not (length.isascii() and length.isdigit()):
                raise NotHttp(f"Content-Length: {length[:80]}")
            self._left = int(length)
            self.complete = self._left == 0
        else:
            self._left = None

    def _dechunked(self, read: bytes) -> bytes:
        parts: list[bytes] = []
        at = 0
        while at < len(read):
            if self.complete:
                self.surplus = True
                break
            if self._left:
                part = read[at : at + self._left]
                parts.append(part)
                at += len(part)
                self._left -= len(part)
                continue
            stop = read.find(b"\n", at)
            if stop < 0:
                self._rest = _bounded(self._rest + read[at:])
                break
            self._line((self._rest + read[at:stop]).removesuffix(b"\r"))
            self._rest = b""
            at = stop + 1
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _line(self, line: bytes) -> None:
        """Read one line between the chunks' data: a size, the end of a chunk's data, or a trailer."""
        if self._expected == "size":
            size = line.partition(b";")[0].strip()
            if not size or not _HEX.issuperset(size):
                raise NotHttp(f"chunk size {line[:80]!r}")
            self._left = int(size, 16)
            self._expected = "end of data" if self._left else "trailer"
        elif self._expected == "end of data":
            if line:
                raise NotHttp(f"{line[:80]!r} after a chunk")
            self._expected = "size"
        elif not line:
            self.complete = True


def _bounded(head: bytes) -> bytes:
    if len(head) > HEAD_BYTES:
        raise NotHttp(f"more than {HEAD_BYTES} bytes without an end of line")
    return head


# An endpoint says the same before each answer, or the same for a second.
@lru_cache(maxsize=16)
def _head(data: bytes) -> Head:
    first, *lines = data.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    status = rest[:3]
    if not version.startswith("HTTP/1.") or not (status.isascii() and status.isdigit() and len(status) == 3):
        raise NotHttp(repr(first[:80]))
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    connection = headers.get("connection", "").lower()
    keeps_alive = "close" not in connection and (version != "HTTP/1.0" or "keep-alive" in connection)
    return Head(int(status), headers, keeps_alive)
