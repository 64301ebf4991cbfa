"""Pollers under SIGKILL and SIGTERM: a cursor moves only after what it covers is in Kafka."""

import asyncio
import itertools
import signal
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from agents.poll.decide import first_cursor, key_of
from models.codec import Decoder, encode
from models.cursor import Cursor
from models.topics import DEAD, POLL, inbound
from streams.topics import create, kept
from tests.eventually import eventually
from tests.faults.engine_fleet import Worker
from tests.faults.poll_worker import ROWS
from tests.receiver_case import records

PARTITIONS = 4
SCRIPT = Path(__file__).with_name("poll_worker.py")
DECODE = Decoder[Cursor](Cursor)


async def _seed(bootstrap: str, cursor: Cursor) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)  # type: ignore[no-untyped-call]  # aiokafka has no types
    await producer.start()  # type: ignore[no-untyped-call]  # as above
    await producer.send_and_wait(POLL, encode(cursor), key=key_of(cursor).encode())  # type: ignore[no-untyped-call]  # as above
    await producer.stop()  # type: ignore[no-untyped-call]  # as above


async def _finished(bootstrap: str, connection: str) -> list[str]:
    """The sweeps behind which a cursor of the next one stands, in order."""
    cursors = [DECODE(record.value or b"") for record in await records(bootstrap, POLL) if record.key == f"{connection}/stock".encode()]
    sweeps = [before.sweep for before, after in itertools.pairwise(cursors) if before.sweep and not after.sweep]
    return list(dict.fromkeys(sweeps))


async def _rows(bootstrap: str, connection: str) -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for record in await records(bootstrap, inbound(connection)):
        found[dict(record.headers)["sweep"].decode()].add(int(record.value or b""))
    return found


@pytest.mark.broker
async def test_poller_when_killed_in_the_middle_then_every_finished_sweep_is_whole_and_the_list_goes_on(
    kafka: str, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    connection = fresh("wh")
    create(kafka, [kept(POLL, PARTITIONS, days=1), kept(DEAD, PARTITIONS, days=1), kept(inbound(connection), PARTITIONS, days=1)])
    environ = {
        "WORKER_KAFKA": kafka,
        "WORKER_GROUP": fresh("poller"),
        "WORKER_PARTITIONS": str(PARTITIONS),
        "WORKER_CONNECTION": connection,
    }
    await _seed(kafka, first_cursor(connection, "stock", 0))
    # Two chains from the start: a second seed while the first list is being read.
    await _seed(kafka, first_cursor(connection, "stock", 1))
    worker = Worker(environ, tmp_path / "worker.log", SCRIPT)
    try:
        for end in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            await worker.ready()
            begun = len(await _rows(kafka, connection))

            async def more(begun: int = begun) -> bool:
                return len(await _rows(kafka, connection)) > begun + 1

            await eventually(more, within_s=40, what=f"another sweep; {worker.words[-2000:]}")
            worker.signal(end)
            await worker.ended()
            worker = Worker(environ, tmp_path / "worker.log", SCRIPT)
        await worker.ready()
        before = await _finished(kafka, connection)

        async def one_more() -> bool:
            return len(await _finished(kafka, connection)) > len(before)

        await eventually(one_more, within_s=40, what=f"a sweep of the last worker; {worker.words[-2000:]}")
        rows = await _rows(kafka, connection)
        finished = await _finished(kafka, connection)
        assert len(finished) >= 4
        assert {sweep: rows[sweep] for sweep in finished} == {sweep: set(range(ROWS)) for sweep in finished}
    finally:
        worker.signal(signal.SIGKILL)
        await asyncio.wait_for(worker.ended(), 30)
