"""webhooks ─▶ receiver: the bytes of one HTTP/1.1 connection to whole requests, by llhttp in its strict mode. Pure."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from streams.receiver.limits import ReceiverLimits

BAD_REQUEST, HEADERS_TOO_LARGE = 400, 431
CLOSE = {b"connection": b"close"}


class Fields(Mapping[str, str]):
    """Headers by their names in lower case, the first of each name; a value is decoded when somebody asks for it."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Mapping[bytes, bytes]) -> None:
        self._raw = raw

    def __getitem__(self, name: str) -> str:
        """The value of a header."""
        return self._raw[name.encode()].strip(b" \t").decode("utf-8", "surrogateescape")

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return (name.decode() for name in self._raw)

    def __len__(self) -> int:
        """How many names."""
        return len(self._raw)


class Request(NamedTuple):
    """One whole request: `body` is cut at the limit, `size` is its true size; `close`: nothing may come after it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    size: int = 0
    close: bool = False


class RequestParser:
    """Feed it; what is whole stands in `requests`. The methods `on_...` are llhttp's callbacks, and what they raise ends its work."""

    def __init__(self, limits: ReceiverLimits) -> None:
        self._line_max, self._headers_max = limits.header_max_bytes, limits.headers_max
        self._head_max, self._body_max = limits.head_max_bytes, limits.body_max_bytes
        self.requests: deque[Request] = deque()
        self._parser = HttpRequestParser(self)
        self._status = BAD_REQUEST
        self._forget()

    def _forget(self) -> None:
        """Be ready for the next request."""
        self._url = b""
        self._fields: dict[bytes, bytes] = {}
        self._room = self._headers_max
        self._headed = False
        self._pieces: list[bytes] = []
        self.size = self._bare = 0

    def feed(self, data: bytes) -> int | None:
        """Parse; the status with which to refuse the rest, for nothing behind this point can be understood, or None."""
        self._bare += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as offer:
            return self._decline(data[offer.args[0] :])
        except HttpParserError:
            return self._status
        # llhttp itself bounds nothing: neither headers, nor trailers, nor what else stands between the pieces of a body.
        return HEADERS_TOO_LARGE if self._bare > self._head_max else None

    def end(self) -> None:
        """Let go of everything, this circle of references too."""
        self.requests.clear()
        self._forget()
        self._parser = HttpRequestParser(None)

    # What is unfinished

    @property
    def kept_bytes(self) -> int:
        """How much of an unfinished body is held."""
        return min(self.size, self._body_max)

    @property
    def expected_bytes(self) -> int | None:
        """The size of a body that the sender announced and will only send when told so (0: it does not know), else None."""
        if not self._headed or self.size or self._fields.get(b"expect", b"").strip().lower() != b"100-continue":
            return None
        return int(self._fields.get(b"content-length", b"0"))

    # What llhttp calls

    def on_url(self, piece: bytes) -> None:
        """Some of the target."""
        self._url += piece
        if len(self._url) > self._line_max:
            self._refuse(HEADERS_TOO_LARGE)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which may not add to what was said before the body."""
        if len(name) + len(value) > self._line_max:
            self._refuse(HEADERS_TOO_LARGE)
        if self._headed:
            return
        name = name.lower()
        if name in self._fields:
            self._repeated(name)
        else:
            self._fields[name] = value
        if len(self._fields) > self._room:
            self._refuse(BAD_REQUEST)

    def _repeated(self, name: bytes) -> None:
        self._room -= 1
        if name == b"host":
            self._refuse(BAD_REQUEST)

    def on_headers_complete(self) -> None:
        """The body follows, if there is one. llhttp has refused lengths that contradict each other."""
        self._headed = True
        if b"host" not in self._fields and self._parser.get_http_version() == "1.1":
            self._refuse(BAD_REQUEST)
        if self._fields.get(b"transfer-encoding", b"chunked").strip().lower() != b"chunked":
            self._refuse(BAD_REQUEST)

    def on_body(self, piece: bytes) -> None:
        """Some of the body; what is above the limit is only counted."""
        self._bare = 0
        room = self._body_max - self.size
        self.size += len(piece)
        if room > 0:
            self._pieces.append(piece[:room])

    def on_message_complete(self) -> None:
        """The request is whole, unless it offers another protocol: then llhttp has not looked at its body."""
        if b"upgrade" in self._fields and self._parser.should_upgrade():
            return
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        method, path = self._parser.get_method().decode(), self._url.decode("utf-8", "surrogateescape")
        self.requests.append(Request(method, path, Fields(self._fields), body, self.size, self._is_last()))
        self._forget()

    def _is_last(self) -> bool:
        """HTTP/1.0 can keep a connection, but only with words in the answer that we do not say."""
        if not self._parser.should_keep_alive():
            return True
        return b"connection" in self._fields and self._parser.get_http_version() != "1.1"

    def _refuse(self, status: int) -> None:
        self._status = status
        raise HttpParserError

    def _decline(self, rest: bytes) -> int | None:
        """Read a request that offers another protocol as if it did not, which is how to decline, and take none after it.

        Java's client offers HTTP/2 with every request over plain HTTP.
        """
        if b"upgrade" not in self._fields:  # CONNECT, which has been answered as any other wrong method
            return BAD_REQUEST
        fields = {name: value for name, value in self._fields.items() if name != b"upgrade"} | CLOSE
        head = b"%b %b HTTP/1.1\r\n" % (self._parser.get_method(), self._url)
        lines = b"".join(b"%b: %b\r\n" % field for field in fields.items())
        self._parser = HttpRequestParser(self)
        self._forget()
        return self.feed(head + lines + b"\r\n" + rest)
