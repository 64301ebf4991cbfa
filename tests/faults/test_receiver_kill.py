"""Every delivery that was answered 2xx is in the topic, whatever dies and whenever."""

import asyncio
import contextlib
import itertools
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from models.topics import inbound
from streams.broker import RealBroker
from tests.eventually import eventually
from tests.receiver_case import SECRET, ask, event, make_topics, post, read_answer, records

pytestmark = pytest.mark.broker
PROGRAM = Path(__file__).with_name("receiver_process.py")


class Process:
    """A receiver that the test may end in any way."""

    def __init__(self, bootstrap: str, connection: str) -> None:
        self._arguments = (bootstrap, connection)
        self.port = 0

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(sys.executable, str(PROGRAM), *self._arguments, stdout=asyncio.subprocess.PIPE)
        self._rest = asyncio.create_task(self._read())
        await eventually(self._has_port)
        await eventually(self._ready)

    async def _read(self) -> None:
        assert self._process.stdout
        async for line in self._process.stdout:
            if line.startswith(b"port "):
                self.port = int(line.split()[1])

    async def _has_port(self) -> bool:
        return self.port > 0

    async def _ready(self) -> bool:
        return (await ask(self.port, b"GET /ready HTTP/1.1\r\nHost: t\r\n\r\n")).status == 200

    def kill(self) -> None:
        self._process.kill()

    def terminate(self) -> None:
        self._process.terminate()

    async def ended(self) -> int:
        code = await asyncio.wait_for(self._process.wait(), 20)
        await self._rest
        return code

    async def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self.ended()


class Senders:
    """Keep posting numbered events on `count` connections until the other side is gone or `enough` is set."""

    def __init__(self, connection: str, numbers: Iterator[int], count: int = 16) -> None:
        self._connection, self._numbers, self._count = connection, numbers, count
        self.statuses: Counter[int] = Counter()
        self.retry_after: set[str] = set()
        self.accepted: set[bytes] = set()
        self.unanswered = 0
        self.enough = asyncio.Event()

    async def run(self, port: int) -> None:
        await asyncio.gather(*(self._send(port) for _ in range(self._count)))

    async def _send(self, port: int) -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while not self.enough.is_set():
                number = next(self._numbers)
                body = event(number, f"i{number % 20}")
                writer.write(post(f"/hooks/{self._connection}/{SECRET}", body))
                self.unanswered += 1
                answer = await asyncio.wait_for(read_answer(reader), 20)
                self.unanswered -= 1
                self.statuses[answer.status] += 1
                if answer.status == 204:
                    self.accepted.add(body)
                if answer.status == 503:
                    self.retry_after.add(answer.headers.get("retry-after", ""))
                if answer.headers.get("connection") == "close":
                    break
        writer.close()


async def _accepted(senders: Senders, at_least: int) -> None:
    async def enough() -> bool:
        return senders.statuses[204] >= at_least

    await eventually(enough, within_s=30, what=f"{at_least} answers 204")


@pytest.fixture
async def process(request: pytest.FixtureRequest, fresh: Callable[[str], str]) -> AsyncIterator[tuple[Process, str, str]]:
    """A running receiver, the bootstrap of its Kafka (the paused one where the test asks for `broker`), and its connection."""
    own = "broker" in request.fixturenames
    bootstrap = request.getfixturevalue("broker").bootstrap if own else request.getfixturevalue("kafka")
    connection = fresh("wh")
    make_topics(bootstrap, [connection])
    running = Process(bootstrap, connection)
    await running.start()
    yield running, bootstrap, connection
    await running.stop()


async def _stored(bootstrap: str, connection: str) -> list[bytes]:
    return [record.value or b"" for record in await records(bootstrap, inbound(connection))]


@pytest.mark.req("T-22")
async def test_receiver_when_killed_under_load_then_everything_answered_2xx_is_stored(process: tuple[Process, str, str]) -> None:
    receiver, bootstrap, connection = process
    senders = Senders(connection, itertools.count())
    for turn in range(1, 4):
        load = asyncio.create_task(senders.run(receiver.port))
        await _accepted(senders, 300 * turn)
        receiver.kill()
        await load
        assert await receiver.ended() == -9
        receiver.port = 0
        await receiver.start()
    assert senders.unanswered > 0
    stored = await _stored(bootstrap, connection)
    assert senders.accepted - set(stored) == set()
    assert len(stored) <= len(senders.accepted) + senders.unanswered


async def test_receiver_when_told_to_stop_under_load_then_all_under_way_is_answered_and_it_ends_well(
    process: tuple[Process, str, str],
) -> None:
    receiver, bootstrap, connection = process
    senders = Senders(connection, itertools.count())
    load = asyncio.create_task(senders.run(receiver.port))
    await _accepted(senders, 500)
    receiver.terminate()
    assert await receiver.ended() == 0
    await load
    assert set(senders.statuses) == {204}
    assert sorted(await _stored(bootstrap, connection)) == sorted(senders.accepted)


async def test_receiver_when_kafka_hangs_then_503_with_retry_after_and_nothing_answered_2xx_is_lost(
    broker: RealBroker, process: tuple[Process, str, str]
) -> None:
    receiver, bootstrap, connection = process
    senders = Senders(connection, itertools.count())
    load = asyncio.create_task(senders.run(receiver.port))
    await _accepted(senders, 300)
    broker.pause()
    try:
        await eventually(lambda: _refused(senders, 50), what="50 answers 503")
        before = senders.statuses[204]
    finally:
        broker.resume()
    await _accepted(senders, before + 300)
    senders.enough.set()
    await load
    assert set(senders.statuses) == {204, 503}
    assert senders.retry_after == {"5"}
    assert senders.accepted - set(await _stored(bootstrap, connection)) == set()


async def _refused(senders: Senders, at_least: int) -> bool:
    return senders.statuses[503] >= at_least


async def test_receiver_when_kafka_dies_and_comes_back_then_it_goes_on_by_itself(
    broker: RealBroker, process: tuple[Process, str, str]
) -> None:
    receiver, bootstrap, connection = process
    senders = Senders(connection, itertools.count(), count=4)
    load = asyncio.create_task(senders.run(receiver.port))
    await _accepted(senders, 100)
    await asyncio.to_thread(broker.kill)
    await eventually(lambda: _refused(senders, 10), what="10 answers 503")
    before = senders.statuses[204]
    await asyncio.to_thread(broker.start)
    await _accepted(senders, before + 100)
    senders.enough.set()
    await load
    assert senders.accepted - set(await _stored(bootstrap, connection)) == set()
