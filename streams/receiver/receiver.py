"""webhooks ─▶ receiver ─▶ Kafka: the server. 2xx only after all replicas have the record."""

import asyncio
import contextlib
import functools
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, NamedTuple

import structlog

from models.agent import Count
from models.topics import DEAD, FACT_STOCK, POLL, inbound
from streams.metrics import count, exposition
from streams.receiver.commit import Deposit, GroupCommit, Together
from streams.receiver.connection import JSON, Answer, Connection, Serve
from streams.receiver.door import METHOD, NOT_FOUND, STORED, Admission, Door, Letter
from streams.receiver.levels import LevelView
from streams.receiver.limits import ReceiverLimits
from streams.receiver.request import Request
from streams.systems.spec import Callback, Webhook

log = structlog.get_logger(__name__)

LOOK_S = 0.25
RETRY_AFTER_S = 5
BACKLOG = 1_024
LIVE, READY, METRICS = OPERATIONS = ("/live", "/ready", "/metrics")
OK, UNAVAILABLE = 200, 503
AGAIN = f"Kafka is not there; ask again in {RETRY_AFTER_S} s"
STORED_ANSWER, UNAVAILABLE_ANSWER = Answer(STORED), Answer(UNAVAILABLE, retry_after_s=RETRY_AFTER_S)


class Address(NamedTuple):
    """Where to listen; port 0: any free one. Without `admin_port` operations share `port`."""

    host: str
    port: int
    admin_port: int | None


class Receiver:
    """The server of one process. `start`, later `stop`; after `start` the ports are those it listens at.

    It is ready without waiting for `views`: from one that has not read all, an answer leaves out what it does not know yet and has
    it sent, while to wait would keep the deliveries of every other connection out.
    """

    def __init__(self, commit: GroupCommit, door: Door, limits: ReceiverLimits, address: Address, views: Sequence[LevelView] = ()) -> None:
        self.limits = limits
        self._commit, self._door, self._views = commit, door, views
        self._host, self.port, self.admin_port = address
        self._connections: set[Connection] = set()
        self._listeners: list[asyncio.Server] = []
        self._looking: asyncio.Task[None] | None = None
        self._all_closed = asyncio.Event()
        self._date = b""
        self._unfinished_bytes = 0
        self._answered: Counter[tuple[str, str]] = Counter()
        self.draining = False

    # Life

    async def start(self) -> None:
        """Listen; deliveries are answered 503 until Kafka is reached."""
        self._look(asyncio.get_running_loop().time())
        self._commit.start()
        for view in self._views:
            view.start()
        self._looking = asyncio.get_running_loop().create_task(self._keep_looking())
        self.port = await self._listen(self.port, self._serve_all if self.admin_port is None else self._serve_hook)
        if self.admin_port is not None:
            self.admin_port = await self._listen(self.admin_port, self._serve_operations)
        log.info("receiver_started", host=self._host, port=self.port, admin_port=self.admin_port)

    async def _listen(self, port: int, serve: Serve) -> int:
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(lambda: Connection(self, serve, loop), self._host, port, backlog=BACKLOG)
        self._listeners.append(listener)
        return int(listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Drain: take no more connections, answer what is under way, then leave; within `drain_within_s`."""
        self.draining = True
        for listener in self._listeners:
            listener.close()
        for connection in [one for one in self._connections if one.idle]:
            connection.close()
        if self._connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_closed.wait(), self.limits.drain_within_s)
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await self._commit.stop()
        await asyncio.gather(*(view.stop() for view in self._views))
        log.info("receiver_stopped", cut_off=len(self._connections))
        for connection in list(self._connections):
            connection.abort()

    async def _keep_looking(self) -> None:
        while True:
            self._look(asyncio.get_running_loop().time())
            await asyncio.sleep(LOOK_S)

    def _look(self, now: float) -> None:
        """End what is overdue."""
        self._show_counts()
        self._date = formatdate(usegmt=True).encode()
        self._commit.expire(now)
        for connection in [one for one in self._connections if one.expires < now]:
            connection.expire()

    def _show_counts(self) -> None:
        """Bring the metrics up to date, for all answers at once."""
        count(Count("deliveries_held_bytes", (), self._commit.held_bytes + self._unfinished_bytes))
        for labels, answers in self._answered.items():
            count(Count("deliveries_answered_total", labels, answers))
        self._answered.clear()

    # What a connection asks of it

    def opened(self, connection: Connection) -> bool:
        """Keep count of the connections."""
        self._connections.add(connection)
        return len(self._connections) <= self.limits.connections_max

    def closed(self, connection: Connection) -> None:
        """One less."""
        self._connections.discard(connection)
        if self.draining and not self._connections:
            self._all_closed.set()

    def hold(self, size: int) -> bool:
        """Bound the memory of unfinished bodies, of all connections together."""
        self._unfinished_bytes += size
        return self._unfinished_bytes <= self.limits.unfinished_max_bytes

    def wire(self, answer: Answer, *, close: bool) -> bytes:
        """The bytes of an answer."""
        head, tail = _frame(answer.status, len(answer.body), answer.kind, answer.retry_after_s, close)
        return b"%b%b%b%b" % (head, self._date, tail, answer.body)

    # Requests

    def _serve_all(self, connection: Connection, request: Request) -> Answer | None:
        """Where there is only one port."""
        return self._serve_operations(connection, request) if request.path in OPERATIONS else self._serve_hook(connection, request)

    def _serve_operations(self, _connection: Connection, request: Request) -> Answer:
        answer = self._operation(request.path)
        return answer._replace(body=b"") if request.method == "HEAD" else answer

    def _operation(self, path: str) -> Answer:
        if path == LIVE:
            return Answer(OK, b"live\n")
        if path == READY:
            ready = self._commit.connected and not self.draining
            return Answer(OK, b"ready\n") if ready else Answer(UNAVAILABLE, b"not ready\n", RETRY_AFTER_S)
        if path == METRICS:
            self._show_counts()
            return Answer(OK, exposition())
        return Answer(NOT_FOUND)

    def _serve_hook(self, connection: Connection, request: Request) -> Answer | None:
        admission = self._door.admit(request, time.time())
        letter = admission.letter
        if letter is None:
            return self._answer(admission)

        def done(stored: bool) -> None:  # noqa: FBT001  # the one thing it is told
            connection.reply(self._answer(admission) if stored else self._unavailable(admission.connection))

        since = asyncio.get_running_loop().time()
        if admission.also:
            offered = self._offer_all([letter, *admission.also], since, done)
        else:
            offered = self._commit.offer(Deposit(letter.topic, letter.key, letter.value, letter.headers, letter.time_ms, since, done))
        return None if offered else self._unavailable(admission.connection)

    def _offer_all(self, letters: Sequence[Letter], since: float, done: Callable[[bool], None]) -> bool:
        """Offer them to be acknowledged as one; of those refused as one, some may be stored all the same: twice is fine."""
        together = Together(len(letters), done)
        deposits = [Deposit(one.topic, one.key, one.value, one.headers, one.time_ms, since, together.settle) for one in letters]
        offered = all(map(self._commit.offer, deposits))
        if not offered:
            together.forget()
        return offered

    def _answer(self, admission: Admission) -> Answer:
        self._answered[admission.connection, admission.outcome] += 1
        return STORED_ANSWER if admission.status == STORED else Answer(admission.status, admission.body, kind=JSON)

    def _unavailable(self, connection: str) -> Answer:
        self._answered[connection, "unavailable"] += 1
        refusal = self._door.refusal(connection, AGAIN)
        return UNAVAILABLE_ANSWER._replace(body=refusal, kind=JSON) if refusal else UNAVAILABLE_ANSWER


@functools.lru_cache(maxsize=256)
def _frame(status: int, body_bytes: int, kind: str, retry_after_s: int | None, close: bool) -> tuple[bytes, bytes]:  # noqa: FBT001  # a cache key
    """What stands before and after the date."""
    lines = [] if status == STORED else [f"Content-Length: {body_bytes}"]
    lines += [f"Content-Type: {kind}"] if body_bytes else []
    lines += ["Allow: POST"] if status == METHOD else []
    lines += [f"Retry-After: {retry_after_s}"] if retry_after_s is not None else []
    lines += ["Connection: close"] if close else []
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nDate: "
    return head.encode(), "".join(f"\r\n{line}" for line in [*lines, "", ""]).encode()


def make_receiver(  # noqa: PLR0913  # one line per decision of the caller
    bootstrap: str,
    connections: Mapping[str, Webhook],
    limits: ReceiverLimits | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    admin_port: int | None = None,
    client: Mapping[str, Any] | None = None,
    views: Sequence[LevelView] = (),
) -> Receiver:
    """A receiver for `connections` (name to webhook); `port` 0: any free one. Without `admin_port` operations share `port`.

    `client` adds security to what the Kafka client is told. `views` are what callbacks answer from; they live as long as it does.
    The topics `inbound.<c>.v1` and `dead.v1` must exist, where there are callbacks also `fact.stock.v1` and `poll.v1`.
    """
    limits = limits or ReceiverLimits()
    asked = any(isinstance(one, Callback) for one in connections.values())
    commit = GroupCommit(
        bootstrap,
        [DEAD, *(inbound(name) for name in connections), *((FACT_STOCK, POLL) if asked else ())],
        deadline_s=limits.acknowledge_within_s,
        queue_bytes=limits.queue_max_bytes,
        client=client or {},
    )
    return Receiver(commit, Door(connections, limits), limits, Address(host, port, admin_port), views)
