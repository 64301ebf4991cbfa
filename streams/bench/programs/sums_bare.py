"""J2 on aiokafka alone: fetch, dict, one batch of outputs and one of changelog per fetch, acknowledged, then committed.

One process has all partitions. It knows no rebalance, no errors, no dead letters, no order of effects, no timers: the
floor of the cost in this language, not something to run.
"""

import asyncio
import sys
import time
from collections.abc import Iterable
from typing import Any

import msgspec
import uvloop
from aiokafka import TopicPartition

from streams.bench.programs import client
from streams.bench.sums import Delta, Setup, Sum

PARTITIONS = 4
FETCH_RECORDS = 8_000
FETCH_WAIT_MS = 200
BATCH_BYTES = 524_288
COMMIT_EVERY_S = 1.0

KeyValue = tuple[bytes, bytes]

decode = msgspec.json.Decoder(Delta).decode
encode = msgspec.json.Encoder().encode


async def recover(setup: Setup) -> list[dict[bytes, int]]:
    """The sums per partition as the changelog has them."""
    tables: list[dict[bytes, int]] = [{} for _ in range(PARTITIONS)]
    consumer = client.consumer(setup.bootstrap)
    await consumer.start()
    places = [TopicPartition(setup.changelog, number) for number in range(PARTITIONS)]
    consumer.assign(places)
    ends = await consumer.end_offsets(places)
    while any([await consumer.position(place) < ends[place] for place in places]):  # `any` takes no asynchronous generator
        for place, records in (await consumer.getmany(timeout_ms=FETCH_WAIT_MS)).items():
            tables[place.partition].update((record.key, int(record.value)) for record in records)
    await consumer.stop()
    return tables


async def ship(producer: Any, topic: str, partition: int, rows: Iterable[KeyValue]) -> list[asyncio.Future[object]]:  # noqa: ANN401  # of `client`
    """Send in as few batches as they fit in; the futures are their acknowledgements."""
    sent, batch, now_ms = [], producer.create_batch(), time.time_ns() // 1_000_000
    for key, value in rows:
        if batch.append(key=key, value=value, timestamp=now_ms) is None:
            sent.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=now_ms)
    sent.append(await producer.send_batch(batch, topic, partition=partition))
    return sent


async def main(setup: Setup) -> None:
    """For ever."""
    started_s = time.time()
    tables = await recover(setup)
    print(msgspec.json.encode({"assigned_s": started_s, "ready_s": time.time()}).decode(), flush=True)  # noqa: T201  # read by the bench
    consumer = client.consumer(setup.bootstrap, setup.source, group=setup.group)
    producer = client.producer(setup.bootstrap, batch_bytes=BATCH_BYTES)
    await consumer.start()
    await producer.start()
    committed_s, finished = time.monotonic(), dict[TopicPartition, int]()
    while True:
        sent: list[asyncio.Future[object]] = []
        positions: dict[TopicPartition, int] = {}
        for place, records in (await consumer.getmany(timeout_ms=FETCH_WAIT_MS, max_records=FETCH_RECORDS)).items():
            table, outputs, changed = tables[place.partition], list[KeyValue](), dict[bytes, int]()
            for record in records:
                event, key = decode(record.value), record.key
                table[key] = changed[key] = table.get(key, 0) + event.delta
                outputs.append((key, encode(Sum(event.sku, event.seq, table[key]))))
            sent += await ship(producer, setup.target, place.partition, outputs)
            sent += await ship(producer, setup.changelog, place.partition, ((key, b"%d" % value) for key, value in changed.items()))
            positions[place] = records[-1].offset + 1
        await asyncio.gather(*sent)
        finished |= positions
        if finished and time.monotonic() - committed_s > COMMIT_EVERY_S:
            await consumer.commit(finished)
            committed_s, finished = time.monotonic(), {}


if __name__ == "__main__":
    uvloop.run(main(msgspec.json.decode(sys.argv[1], type=Setup)))
