"""A bulk sender before a strict CRM: full portions out of a backlog; killed in the middle, nothing is lost and the newest wins."""

import signal
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from models.codec import Decoder
from models.facts import Told
from models.level import Level
from models.message import Json
from models.topics import DEAD, FACT_STOCK, REVIEW, level, outcome
from streams.topics import changelog, changelog_topic, create, kept, register
from tests.eventually import eventually
from tests.faults.engine_fleet import Worker
from tests.integration.test_catalogue import produce
from tests.receiver_case import records
from tests.systems.retailcrm.simulated import KEY, Crm, simulated

PARTITIONS = 4
UPLOAD = "POST /store/inventories/upload"
SCRIPT = Path(__file__).with_name("bulk_worker.py")
DECODE = Decoder[Told](Told)


class Channel:
    """One CRM connection in Kafka: its topics, its levels, its sender."""

    def __init__(self, bootstrap: str, name: str, crm: Crm, directory: Path) -> None:
        self.bootstrap, self.name, self.crm = bootstrap, name, crm
        self._log, self._group = directory / "worker.log", f"{name}.sender"
        common = [kept(topic, PARTITIONS, days=1) for topic in (FACT_STOCK, DEAD, REVIEW)]
        own = [register(level(name), PARTITIONS), kept(outcome(name), PARTITIONS, days=1)]
        create(bootstrap, [*common, *own, changelog(changelog_topic(self._group, f"sent.{name}"), PARTITIONS)])

    def say(self, skus: Iterable[str], sequence: int, number: int) -> None:
        """Levels, all from one place."""
        quantity = Decimal(number)
        said = [(sku, Level(connection=self.name, sku=sku, sequence=sequence, level=quantity, parts={"aarhus": quantity})) for sku in skus]
        produce(self.bootstrap, level(self.name), said)

    def sender(self, calls_per_s: float = 10.0) -> Worker:
        environ = {
            "WORKER_KAFKA": self.bootstrap,
            "WORKER_GROUP": self._group,
            "WORKER_PARTITIONS": str(PARTITIONS),
            "WORKER_CONNECTION": self.name,
            "WORKER_URL": self.crm.url,
            "WORKER_API_KEY": KEY,
            "WORKER_CALLS_PER_S": str(calls_per_s),
        }
        return Worker(environ, self._log, SCRIPT)

    async def uploads(self) -> dict[str, Any]:
        calls: Any = await self.crm.admin("calls")
        found: dict[str, Any] = calls["counts"].get(UPLOAD, {"calls": 0, "offers": 0, "offers_max": 0, "statuses": {}})
        return found | {"sizes": [call["offers"] for call in calls["calls"] if call["endpoint"] == UPLOAD]}

    async def shown(self) -> dict[str, Json]:
        """What the CRM shows, by SKU; only what was ever told."""
        truth: Any = await self.crm.admin("truth")
        return {sku: stores["main-store"] for sku, stores in truth.items() if stores.get("main-store")}

    async def told(self) -> dict[str, int]:
        """The newest sequence per SKU that became a fact."""
        wanted = f'"connection":"{self.name}"'.encode()
        facts = [DECODE(record.value or b"") for record in await records(self.bootstrap, FACT_STOCK) if wanted in (record.value or b"")]
        newest: dict[str, int] = {}
        for fact in facts:
            newest[fact.sku] = max(fact.sequence, newest.get(fact.sku, -1))
        return newest


@pytest.mark.broker
@pytest.mark.req("R-20", "R-21")
async def test_ten_thousand_levels_wait_in_kafka_then_they_leave_in_forty_calls_of_250(
    kafka: str, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    async with simulated(offers=10_000, stores=[{"code": "main-store"}]) as crm:
        channel = Channel(kafka, fresh("crm"), crm, tmp_path)
        skus = list(await _offers(crm))
        channel.say(skus, 1, 5)
        worker = channel.sender()
        try:

            async def all_shown() -> bool:
                return (await channel.uploads())["offers"] >= 10_000 and len(await channel.told()) == 10_000

            await eventually(all_shown, within_s=60, every_s=0.5, what=f"10,000 offers; {worker.words[-2000:]}")
            worker.signal(signal.SIGTERM)
            assert await worker.ended() == 0
            assert (await channel.uploads())["sizes"] == [250] * 40
            assert set((await channel.shown()).values()) == {5}
        finally:
            worker.signal(signal.SIGKILL)
            await worker.ended()


@pytest.mark.broker
@pytest.mark.req("R-16", "R-20", "R-21", "X-11")
async def test_sender_when_third_portion_fails_and_it_is_killed_in_a_call_then_every_offer_arrives_with_its_newest_number(
    kafka: str, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    async with simulated(offers=1_000, stores=[{"code": "main-store"}]) as crm:
        channel = Channel(kafka, fresh("crm"), crm, tmp_path)
        skus = list(await _offers(crm))
        changed = skus[::20]
        channel.say(skus, 1, 5)
        worker = channel.sender(calls_per_s=4.0)
        try:

            async def two_calls() -> bool:
                return int((await channel.uploads())["calls"]) >= 2

            await eventually(two_calls, within_s=60, every_s=0.01, what=f"two portions; {worker.words[-2000:]}")
            await crm.admin("faults", {"endpoint": UPLOAD, "status": 503, "body": "html"})
            await crm.admin("faults", {"endpoint": UPLOAD, "hold_s": 20.0})

            async def acted_and_held() -> bool:
                return "503" in (await channel.uploads())["statuses"] and len(await channel.shown()) > 500

            await eventually(acted_and_held, within_s=30, every_s=0.01, what=f"a call under way; {worker.words[-2000:]}")
            channel.say(changed, 2, 0)
            channel.say(changed, 3, 7)
            worker.signal(signal.SIGKILL)
            await worker.ended()
            worker = channel.sender()
            newest = dict.fromkeys(skus, 1) | dict.fromkeys(changed, 3)

            async def all_told() -> bool:
                return await channel.told() == newest

            await eventually(all_told, within_s=60, every_s=0.5, what=f"all told; {worker.words[-2000:]}")
            assert await channel.shown() == dict.fromkeys(skus, 5) | dict.fromkeys(changed, 7)
            assert (await channel.uploads())["offers_max"] <= 250
            worker.signal(signal.SIGTERM)
            assert await worker.ended() == 0
        finally:
            worker.signal(signal.SIGKILL)
            await worker.ended()


async def _offers(crm: Crm) -> list[str]:
    stock: Any = await crm.admin("truth")
    return sorted(stock)
