"""The receiver's view of a channel's levels, on the real broker."""

import secrets
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from models import topics
from models.codec import encode
from models.level import Level
from streams.receiver.levels import LevelView
from streams.topics import create, register
from tests.eventually import eventually

pytestmark = pytest.mark.broker


def level(sku: str, sequence: int, number: int) -> bytes:
    return encode(Level(connection="crm", sku=sku, sequence=sequence, level=Decimal(number)))


async def written(kafka: str, topic: str, records: Mapping[str, bytes | None]) -> None:
    producer: Any = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")  # type: ignore[no-untyped-call]  # aiokafka has no types
    async with producer:
        for key, value in records.items():
            await producer.send_and_wait(topic, value, key=key.encode())


async def until_complete(view: LevelView) -> None:
    async def complete() -> bool:
        return view.complete

    await eventually(complete)


@pytest.mark.req("R-24")
async def test_view_when_complete_then_has_the_newest_of_each_sku_and_follows(kafka: str) -> None:
    connection = f"crm-{secrets.token_hex(3)}"
    topic = topics.level(connection)
    create(kafka, [register(topic, 4)])
    await written(kafka, topic, {f"S-{number}": level(f"S-{number}", 1, number) for number in range(200)})
    await written(kafka, topic, {"S-1": level("S-1", 2, 77), "S-2": None, "S-3": b"{"})
    view = LevelView(kafka, connection, {})
    view.start()
    try:
        await until_complete(view)
        found = view.get("S-1")
        assert found is not None
        assert found.level == 77
        assert found.sequence == 2
        assert view.get("S-2") is None
        assert view.get("S-3") is None
        assert view.get("never") is None
        last = view.get("S-199")
        assert last is not None
        assert last.level == 199
        await written(kafka, topic, {"S-199": level("S-199", 3, 5)})

        async def newer() -> bool:
            now = view.get("S-199")
            return now is not None and now.level == 5

        await eventually(newer)
    finally:
        await view.stop()


async def test_view_when_the_topic_is_empty_then_complete_at_once(kafka: str) -> None:
    connection = f"crm-{secrets.token_hex(3)}"
    create(kafka, [register(topics.level(connection), 2)])
    view = LevelView(kafka, connection, {})
    view.start()
    try:
        await until_complete(view)
    finally:
        await view.stop()
