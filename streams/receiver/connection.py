"""One HTTP/1.1 connection: aiohttp's parser, our limits, one request at a time, answers in order.

Why not aiohttp's own handler: `deploy/decisions/0002-receiver-server.md`.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol, cast

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from aiohttp.http_writer import HttpVersion11
from aiohttp.streams import StreamReader

from streams.receiver.limits import ReceiverLimits

BAD_REQUEST, TIMEOUT, TOO_LARGE, HEADERS_TOO_LARGE, UNAVAILABLE = 400, 408, 413, 431, 503
LINGER_S = 2.0
"""How long a sender that we refuse in the middle of its request may go on, so that it reads our answer."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
NEVER = math.inf


class Request(NamedTuple):
    """One whole request: `body` is cut at the limit, `size` is its true size."""

    message: RawRequestMessage
    body: bytes
    size: int


class Answer(NamedTuple):
    """What goes back."""

    status: int
    body: bytes = b""
    retry_after_s: int | None = None


class Desk(Protocol):
    """The server of a connection."""

    limits: ReceiverLimits

    def opened(self, connection: "Connection") -> bool:
        """A new connection; False when there are too many."""

    def closed(self, connection: "Connection") -> None:
        """It is gone."""

    def hold(self, size: int) -> bool:
        """Account for `size` more bytes of an unfinished body (fewer, if negative); False when there are too many already."""

    def wire(self, answer: Answer, *, close: bool) -> bytes:
        """The bytes of an answer."""

    @property
    def draining(self) -> bool:
        """Whether each connection shall close after its next answer."""


Serve = Callable[["Connection", Request], Answer | None]
"""Answer a request now, or return None and call `Connection.reply` later."""


class Unthrottled(BaseProtocol):
    """What aiohttp's parser wants behind it; our connection empties each body at once, so nothing is ever paused."""

    def pause_reading(self) -> None:
        """Not needed."""

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002  # aiohttp's signature
        """Not needed."""


class Connection(asyncio.Protocol):
    """`expires` is the loop time at which it has been silent or slow for too long; whoever owns it calls `expire` then."""

    def __init__(self, desk: Desk, serve: Serve, loop: asyncio.AbstractEventLoop, behind: Unthrottled) -> None:
        self._desk, self._answer, self._loop = desk, serve, loop
        limits = desk.limits
        self._parser = HttpRequestParser(
            behind,
            loop,
            limits.discard_max_bytes,
            max_line_size=limits.header_max_bytes,
            max_field_size=limits.header_max_bytes,
            max_headers=limits.headers_max,
            auto_decompress=False,
        )
        self._requests: deque[tuple[RawRequestMessage, StreamReader]] = deque()
        self._broken: Answer | None = None
        self._pieces: list[bytes] = []
        self._size = self._held = 0
        self._close = False
        self._reading = self._busy = self._ended = self._reading_paused = self._writing_paused = False
        self.expires = NEVER

    @property
    def idle(self) -> bool:
        """Whether no request is under way."""
        return not self._reading and not self._busy

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class
        self.expires = self._loop.time() + self._desk.limits.request_within_s
        if not self._desk.opened(self):
            self._refuse(Answer(UNAVAILABLE, retry_after_s=1))

    def connection_lost(self, _error: Exception | None) -> None:
        """Nobody is there for an answer any more; what is on its way to Kafka goes on."""
        self._ended = True
        self._drop_body()
        self._desk.closed(self)

    def data_received(self, data: bytes) -> None:
        """Parse, and serve what is whole."""
        if self._ended:
            return
        if self.idle:
            self._reading = True
            self.expires = self._loop.time() + self._desk.limits.request_within_s
        try:
            messages, upgraded, _ = self._parser.feed_data(data)
        except HttpProcessingError as error:
            self._break(Answer(HEADERS_TOO_LARGE if isinstance(error, LineTooLong) else BAD_REQUEST))
        else:
            self._requests.extend(messages)
            if upgraded:
                self._break(Answer(BAD_REQUEST))
        if self._busy:
            self._pause_reading()
        else:
            self._go_on()

    def pause_writing(self) -> None:
        """The sender does not read our answers: hear no more of its requests until it does."""
        self._writing_paused = True
        self._pause_reading()
        self.expires = self._loop.time() + self._desk.limits.request_within_s

    def resume_writing(self) -> None:
        """It reads again."""
        self._writing_paused = False
        self._go_on()

    # One request after the other

    def _break(self, answer: Answer) -> None:
        """Nothing behind this point can be understood."""
        if self._requests and not self._requests[-1][1].is_eof():
            self._requests.pop()
        self._broken = answer

    def _go_on(self) -> None:
        while not self._busy and not self._ended and not self._writing_paused:
            if not self._requests:
                if self._broken:
                    self._refuse(self._broken)
                self._resume_reading()
                return
            message, payload = self._requests[0]
            if not self._collect(message, payload):
                self._resume_reading()
                return
            self._requests.popleft()
            self._serve(message)

    def _collect(self, message: RawRequestMessage, payload: StreamReader) -> bool:
        """Take what has come of the body, keeping no more than the limit; whether it is whole."""
        limits = self._desk.limits
        piece = payload.read_nowait()
        if not payload.is_eof() and not self._size and not piece and not self._welcome(message):
            return False
        kept = piece[: max(0, limits.body_max_bytes - self._size)]
        self._pieces.append(kept)
        self._size += len(piece)
        if payload.is_eof():
            return True
        self._held += len(kept)
        if not self._desk.hold(len(kept)):
            self._refuse(Answer(UNAVAILABLE, retry_after_s=1))
        elif self._size > limits.discard_max_bytes:
            self._refuse(Answer(TOO_LARGE))
        return False

    def _drop_body(self) -> None:
        self._pieces, self._size = [], 0
        if self._held:
            self._desk.hold(-self._held)
            self._held = 0

    def _welcome(self, message: RawRequestMessage) -> bool:
        """Tell a sender that waits for it (`Expect: 100-continue`) to send its body."""
        if message.headers.get("expect", "").lower() == "100-continue":
            length = message.headers.get("content-length", "0")
            if int(length) > self._desk.limits.discard_max_bytes:
                self._refuse(Answer(TOO_LARGE))
                return False
            self._transport.write(CONTINUE)
        return True

    def _serve(self, message: RawRequestMessage) -> None:
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        request = Request(message, body, self._size)
        self._drop_body()
        self._reading, self._busy = False, True
        self._close = message.should_close or message.version < HttpVersion11
        self.expires = NEVER
        answer = self._answer(self, request)
        if answer is not None:
            self._write(answer)

    def reply(self, answer: Answer) -> None:
        """The answer to the request at hand, which was not given at once."""
        self._write(answer)
        if self._requests or self._broken or self._reading_paused:
            self._go_on()

    def _write(self, answer: Answer) -> None:
        self._busy = False
        if self._ended:
            return
        close = self._close or self._desk.draining
        self.expires = self._loop.time() + self._desk.limits.idle_within_s
        self._transport.write(self._desk.wire(answer, close=close))
        if close:
            self.close()

    # The end

    def close(self) -> None:
        """No more requests; what is written still goes out."""
        self._ended = True
        self.expires = self._loop.time() + LINGER_S
        self._transport.close()

    def abort(self) -> None:
        """At once."""
        self._ended = True
        self._transport.abort()

    def expire(self) -> None:
        """Too slow: say so if it was in the middle of a request."""
        if self._ended or self._writing_paused:
            self.abort()
        elif self._reading:
            self._refuse(Answer(TIMEOUT))
        else:
            self.close()

    def _refuse(self, answer: Answer) -> None:
        """The last answer, to a sender that may be in the middle of its request."""
        self._ended = True
        self._requests.clear()
        self._drop_body()
        self.expires = self._loop.time() + LINGER_S
        self._resume_reading()  # what still comes is dropped: closing on unread bytes would reset the answer away
        self._transport.write(self._desk.wire(answer, close=True))
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _pause_reading(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()
