"""A poller killed in the middle of a catalogue run: another one goes on, every offer is said, and the run is reported."""

import asyncio
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.poll.decide import NEVER_MS
from models.codec import Decoder
from models.cursor import Cursor
from models.facts import Resend
from models.outcome import Done
from models.review import CatalogueReported
from models.topics import DEAD, FACT_STOCK, POLL, REVIEW, inbound, level, outcome
from streams.by_hand import write
from streams.catalogue import CATALOGUE, report_key
from streams.settings import KafkaSettings
from streams.topics import create, kept, register
from tests.eventually import eventually
from tests.faults.engine_fleet import Worker
from tests.integration.test_catalogue import levels, produce
from tests.receiver_case import records

PARTITIONS = 4
OFFERS = 1_000
SCRIPT = Path(__file__).with_name("catalogue_worker.py")
DECODE_CURSOR, DECODE_FACT, DECODE_REPORT = Decoder[Cursor](Cursor), Decoder[Resend](Resend), Decoder[CatalogueReported](CatalogueReported)


async def _said(bootstrap: str, channel: str) -> Counter[str]:
    """How often each SKU of the channel was said."""
    wanted = f'"connection":"{channel}"'.encode()
    return Counter(
        DECODE_FACT(record.value or b"").sku for record in await records(bootstrap, FACT_STOCK) if wanted in (record.value or b"")
    )


async def _newest(bootstrap: str, topic: str, key: str) -> bytes:
    """The value of a register; empty: none."""
    return next((record.value or b"" for record in reversed(await records(bootstrap, topic)) if record.key == key.encode()), b"")


@pytest.mark.broker
@pytest.mark.req("R-21", "X-11")
async def test_catalogue_when_poller_is_killed_in_the_middle_then_every_offer_is_said_and_the_run_is_reported(
    kafka: str, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    channel = fresh("crm")
    common = [kept(name, PARTITIONS, days=1) for name in (FACT_STOCK, POLL, REVIEW, DEAD, inbound(channel))]
    create(kafka, [*common, register(level(channel), PARTITIONS), kept(outcome(channel), PARTITIONS, days=1)])
    skus = [f"sku-{number}" for number in range(OFFERS)]
    levels(kafka, channel, skus)
    key = f"{channel}/{CATALOGUE}"
    write(KafkaSettings(bootstrap=kafka), [(POLL, key, Cursor(connection=channel, what=CATALOGUE, due_ms=1))])
    environ = {
        "WORKER_KAFKA": kafka,
        "WORKER_GROUP": fresh("poller"),
        "WORKER_PARTITIONS": str(PARTITIONS),
        "WORKER_CONNECTION": channel,
    }
    worker = Worker(environ, tmp_path / "worker.log", SCRIPT)
    try:
        for pages in (1, 4):  # once while it is said, once while outcomes are awaited
            await worker.ready()

            async def so_many(pages: int = pages) -> bool:
                return len(await _said(kafka, channel)) >= pages * 250

            await eventually(so_many, within_s=40, what=f"{pages} pages; {worker.words[-2000:]}")
            worker.signal(signal.SIGKILL)
            await worker.ended()
            worker = Worker(environ, tmp_path / "worker.log", SCRIPT)

        async def all_said() -> bool:
            return len(await _said(kafka, channel)) == OFFERS

        await eventually(all_said, within_s=40, what=f"all offers; {worker.words[-2000:]}")
        produce(kafka, outcome(channel), [(sku, Done(connection=channel, sku=sku)) for sku in skus])

        async def reported() -> bytes:
            return await _newest(kafka, REVIEW, report_key(channel))

        found = DECODE_REPORT(await eventually(reported, within_s=40, what=f"a report; {worker.words[-2000:]}"))
        assert (found.offers, found.taken, found.left, found.run) == (OFFERS, OFFERS, 0, f"{key}/1")
        twice = sum(times - 1 for times in (await _said(kafka, channel)).values())
        assert twice <= 2 * 250

        async def at_rest() -> bool:
            cursor = DECODE_CURSOR(await _newest(kafka, POLL, key))
            return (cursor.sweep, cursor.due_ms) == ("", NEVER_MS)

        await eventually(at_rest, what="the next run, which the rule says is never")
    finally:
        worker.signal(signal.SIGKILL)
        await asyncio.wait_for(worker.ended(), 30)
