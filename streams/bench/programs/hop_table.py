"""J4, the middle, on aiokafka alone: event ─▶ running sum ─▶ command, with a changelog record beside it; committed each second."""

import asyncio
import sys
import time

import msgspec
import uvloop

from streams.bench.hops import Command, Event, Setup
from streams.bench.programs import client

FETCH_WAIT_MS = 200
COMMIT_EVERY_S = 1.0

decode = msgspec.json.Decoder(Event).decode
encode = msgspec.json.Encoder().encode


async def main(setup: Setup) -> None:
    """For ever."""
    consumer = client.consumer(setup.bootstrap, setup.source, group=setup.group)
    producer = client.producer(setup.bootstrap)
    await consumer.start()
    await producer.start()
    sums, committed_s = dict[str, int](), time.monotonic()
    while True:
        sent = []
        for records in (await consumer.getmany(timeout_ms=FETCH_WAIT_MS)).values():
            for record in records:
                event = decode(record.value)
                key, total = event.sku.encode(), sums.get(event.sku, 0) + event.delta
                sums[event.sku] = total
                sent.append(await producer.send(setup.log, b"%d" % total, key=key))
                sent.append(await producer.send(setup.target, encode(Command(event.id, event.sku, total)), key=key))
        await asyncio.gather(*sent)
        if time.monotonic() - committed_s > COMMIT_EVERY_S:
            await consumer.commit()
            committed_s = time.monotonic()


if __name__ == "__main__":
    uvloop.run(main(msgspec.json.decode(sys.argv[1], type=Setup)))
