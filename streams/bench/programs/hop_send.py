"""J4, the end, on aiokafka and aiohttp alone: command ─▶ call ─▶ outcome; keys side by side, each key in order."""

import asyncio
import sys
import time
from typing import Any

import aiohttp
import msgspec
import uvloop
from aiokafka import TopicPartition

from streams.bench.hops import Setup
from streams.bench.programs import client

FETCH_WAIT_MS = 100
COMMIT_EVERY_S = 1.0
OUTCOME_LINGER_MS = 5


class Sender:
    """Calls the target for each record; knows what is under way and what is done, per partition."""

    def __init__(self, setup: Setup, producer: Any, http: aiohttp.ClientSession) -> None:  # noqa: ANN401  # of `client`
        self._setup, self._producer, self._http = setup, producer, http
        self._latest: dict[bytes, asyncio.Task[None]] = {}
        self._under_way: dict[TopicPartition, set[int]] = {}
        self._done: dict[TopicPartition, int] = {}

    def take(self, place: TopicPartition, record: Any, group: asyncio.TaskGroup) -> None:  # noqa: ANN401  # aiokafka's record
        """Call for it, after what came before it of the same key."""
        self._under_way.setdefault(place, set()).add(record.offset)
        self._latest[record.key] = group.create_task(self._call(place, record, self._latest.get(record.key)))

    def committable(self) -> dict[TopicPartition, int]:
        """Up to the first that is under way."""
        return {place: min(self._under_way[place], default=done) for place, done in self._done.items()}

    async def _call(self, place: TopicPartition, record: Any, before: asyncio.Task[None] | None) -> None:  # noqa: ANN401  # likewise
        if before is not None:
            await before
        async with self._http.post(self._setup.target, data=record.value, headers={"Content-Type": "application/json"}) as answer:
            answer.raise_for_status()
            await answer.read()
        await (await self._producer.send(self._setup.log, b'{"status":%d}' % answer.status, key=record.key))
        self._under_way[place].discard(record.offset)
        self._done[place] = max(self._done.get(place, 0), record.offset + 1)


async def main(setup: Setup) -> None:
    """For ever."""
    consumer = client.consumer(setup.bootstrap, setup.source, group=setup.group)
    producer = client.producer(setup.bootstrap, linger_ms=OUTCOME_LINGER_MS)
    await consumer.start()
    await producer.start()
    committed_s = time.monotonic()
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
        sender = Sender(setup, producer, http)
        while True:
            for place, records in (await consumer.getmany(timeout_ms=FETCH_WAIT_MS)).items():
                for record in records:
                    sender.take(place, record, group)
            if time.monotonic() - committed_s > COMMIT_EVERY_S and (positions := sender.committable()):
                await consumer.commit(positions)
                committed_s = time.monotonic()


if __name__ == "__main__":
    uvloop.run(main(msgspec.json.decode(sys.argv[1], type=Setup)))
