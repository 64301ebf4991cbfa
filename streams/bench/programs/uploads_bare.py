"""The uploads of a CRM on aiokafka and aiohttp alone: level ─▶ row ─▶ call of 250 ─▶ commit, two calls at once.

It knows no row of what was sent, no outcome, no retry, no newer number, no offer that is missing: the floor of the cost in this
language, not something to run.
"""

import asyncio
import sys
import time
from decimal import Decimal
from typing import NamedTuple
from urllib.parse import urlencode

import aiohttp
import msgspec
import uvloop
from aiokafka import TopicPartition

from streams.bench.installation import CRM_KEY, STORE
from streams.bench.programs import client
from streams.bench.uploads import ROWS_MAX, Moment, Setup

AT_ONCE = 2
FETCH_RECORDS = 8_000
FETCH_WAIT_MS = 200
COMMIT_EVERY_S = 1.0
HEADERS = {"X-API-KEY": CRM_KEY, "Content-Type": "application/x-www-form-urlencoded"}


class Told(msgspec.Struct, frozen=True):
    """What it needs of a level."""

    sku: str
    level: Decimal


class Row(NamedTuple):
    """One offer, and where its level stands."""

    place: TopicPartition
    offset: int
    body: bytes


decode = msgspec.json.Decoder(Told).decode
encode = msgspec.json.Encoder().encode


class Uploader:
    """Makes calls, at most `AT_ONCE`."""

    def __init__(self, http: aiohttp.ClientSession, setup: Setup) -> None:
        self._http = http
        self._url = f"{setup.url}/api/v5/store/inventories/upload"
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def upload(self, rows: list[Row]) -> None:
        """One call."""
        offers = b"[" + b",".join(row.body for row in rows) + b"]"
        body = urlencode({"site": "main", "offers": offers.decode()}).encode()
        async with self._slots, self._http.post(self._url, data=body, headers=HEADERS) as answer:
            answer.raise_for_status()
            await answer.read()


def row_of(value: bytes) -> bytes:
    """What the call says of one offer."""
    told = decode(value)
    return encode({"xmlId": told.sku, "stores": [{"code": STORE, "available": int(told.level)}]})


async def main(setup: Setup) -> None:
    """For ever; says when it begins, and when all offers are told and committed."""
    consumer = client.consumer(setup.bootstrap, setup.source, group=setup.group)
    await consumer.start()
    say(Moment(ready_s=time.time()))
    rows, told, committed_s, finished = list[Row](), 0, time.monotonic(), dict[TopicPartition, int]()
    async with aiohttp.ClientSession() as http:
        uploader = Uploader(http, setup)
        while True:
            fetched = await consumer.getmany(timeout_ms=FETCH_WAIT_MS, max_records=FETCH_RECORDS)
            rows += [Row(place, record.offset, row_of(record.value)) for place, records in fetched.items() for record in records]
            leaving = rows[: len(rows) // ROWS_MAX * ROWS_MAX] if fetched else rows
            rows = rows[len(leaving) :]
            await asyncio.gather(*(uploader.upload(leaving[at : at + ROWS_MAX]) for at in range(0, len(leaving), ROWS_MAX)))
            finished |= {row.place: row.offset + 1 for row in leaving}
            told += len(leaving)
            if finished and (told == setup.offers or time.monotonic() - committed_s > COMMIT_EVERY_S):
                await consumer.commit(finished)
                committed_s, finished = time.monotonic(), {}
                if told == setup.offers:
                    say(Moment(done_s=time.time()))


def say(moment: Moment) -> None:
    """Tell the bench."""
    print(msgspec.json.encode(moment).decode(), flush=True)  # noqa: T201  # read by the bench


if __name__ == "__main__":
    uvloop.run(main(msgspec.json.decode(sys.argv[1], type=Setup)))
