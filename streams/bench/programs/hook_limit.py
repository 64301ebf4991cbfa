"""J1 at the limit of the language: a protocol that hardly reads HTTP, and group commit: what arrives meanwhile is the next batch."""

import asyncio
import sys
import time
from collections import deque
from typing import Any, cast

import msgspec
import uvloop

from streams.bench.hooks import Setup
from streams.bench.programs import client

BATCH_BYTES = 262_144
IN_FLIGHT = 2
"""Partitions that are written to, one batch in flight on each."""

LENGTH = b"Content-Length: "
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

Waiting = deque[tuple[asyncio.Transport, bytes]]


class Hook(asyncio.Protocol):
    """One connection, of a client that waits for each answer and writes its headers as ours does."""

    def __init__(self, waiting: Waiting, arrived: asyncio.Event) -> None:
        self._waiting, self._arrived = waiting, arrived
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class

    def data_received(self, data: bytes) -> None:
        """Take a whole request."""
        self._data += data
        head, end, body = self._data.partition(b"\r\n\r\n")
        if not end:
            return
        if head.startswith(b"GET"):
            self._transport.write(OK)
        elif len(body) == int(head.partition(LENGTH)[2].split(b"\r\n", 1)[0]):
            self._waiting.append((self._transport, body))
            self._arrived.set()
        else:
            return
        self._data = b""


async def pump(producer: Any, setup: Setup, partition: int, waiting: Waiting, arrived: asyncio.Event) -> None:  # noqa: ANN401  # of `client`
    """Write what waits, batch by batch, and answer when it is acknowledged."""
    while True:
        await arrived.wait()
        if not waiting:
            arrived.clear()
            continue
        batch, answers, now_ms = producer.create_batch(), list[asyncio.Transport](), time.time_ns() // 1_000_000
        while waiting and batch.append(key=None, value=waiting[0][1], timestamp=now_ms) is not None:
            answers.append(waiting.popleft()[0])
        await (await producer.send_batch(batch, setup.topic, partition=partition))
        for transport in answers:
            transport.write(OK)


async def main(setup: Setup) -> None:
    """For ever."""
    waiting, arrived = Waiting(), asyncio.Event()
    producer = client.producer(setup.bootstrap, batch_bytes=BATCH_BYTES)
    await producer.start()
    await asyncio.get_running_loop().create_server(lambda: Hook(waiting, arrived), "127.0.0.1", setup.port)
    await asyncio.gather(*(pump(producer, setup, partition, waiting, arrived) for partition in range(IN_FLIGHT)))


if __name__ == "__main__":
    uvloop.run(main(msgspec.json.decode(sys.argv[1], type=Setup)))
