"""One HTTP/1.1 connection: our limits, one request at a time, answers in order.

Why not a web framework: `deploy/decisions/0002-receiver-server.md`.
"""

import asyncio
import math
from collections.abc import Callable
from typing import NamedTuple, Protocol, cast

from streams.receiver.limits import ReceiverLimits
from streams.receiver.request import Request, RequestParser

TIMEOUT, TOO_LARGE, UNAVAILABLE = 408, 413, 503
LINGER_S = 2.0
"""How long a sender that we refuse in the middle of its request may go on, so that it reads our answer."""
TEXT, JSON = "text/plain; version=0.0.4; charset=utf-8", "application/json"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
NEVER = math.inf


class Answer(NamedTuple):
    """What goes back; a `body` is of the content type `kind`."""

    status: int
    body: bytes = b""
    retry_after_s: int | None = None
    kind: str = TEXT


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


class Connection(asyncio.Protocol):
    """`expires` is the loop time at which it has been silent or slow for too long; whoever owns it calls `expire` then."""

    def __init__(self, desk: Desk, serve: Serve, loop: asyncio.AbstractEventLoop) -> None:
        self._desk, self._answer, self._loop = desk, serve, loop
        self._parser = RequestParser(desk.limits)
        self._requests = self._parser.requests
        self._broken: Answer | None = None
        self._held = 0
        self._close = False
        self._reading = self._busy = self._ended = self._reading_paused = self._writing_paused = self._welcomed = False
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
        self._let_go()
        self._parser.end()
        self._desk.closed(self)

    def data_received(self, data: bytes) -> None:
        """Parse, and serve what is whole."""
        if self._ended or self._broken:
            return
        if not self._reading and not self._busy:
            self._reading = True
            self.expires = self._loop.time() + self._desk.limits.request_within_s
        refused = self._parser.feed(data)
        if refused:
            self._broken = Answer(refused)
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

    def _go_on(self) -> None:
        while not self._busy and not self._ended and not self._writing_paused:
            if self._requests:
                self._serve(self._requests.popleft())
            elif self._broken:
                self._refuse(self._broken)
            else:
                self._resume_reading()
                self._wait()
                return

    def _wait(self) -> None:
        """For the rest of a request, as long as what has come of it is not too much."""
        parser, held = self._parser, self._held
        self._held = parser.kept_bytes
        if not self._desk.hold(self._held - held):
            self._refuse(Answer(UNAVAILABLE, retry_after_s=1))
        elif parser.size > self._desk.limits.discard_max_bytes:
            self._refuse(Answer(TOO_LARGE))
        elif not self._welcomed:
            self._welcome(parser.expected_bytes)

    def _welcome(self, expected_bytes: int | None) -> None:
        """Tell a sender that waits for it (`Expect: 100-continue`) to send its body."""
        if expected_bytes is None:
            return
        if expected_bytes > self._desk.limits.discard_max_bytes:
            self._refuse(Answer(TOO_LARGE))
        else:
            self._welcomed = True
            self._transport.write(CONTINUE)

    def _let_go(self) -> None:
        """Nothing is held of an unfinished body any more."""
        if self._held:
            self._desk.hold(-self._held)
            self._held = 0

    def _serve(self, request: Request) -> None:
        self._let_go()
        self._reading, self._busy, self._welcomed = False, True, False
        self._close = request.close
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
        self._let_go()
        self._parser.end()
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
