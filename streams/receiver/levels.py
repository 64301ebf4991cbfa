"""`level.<c>.v1` ─▶ receiver: what a channel should show, for a remote that waits for numbers in our answer."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from models import topics
from models.codec import Decoder
from models.errors import PoisonError
from models.level import Level

log = structlog.get_logger(__name__)

READ_MS = 500
AGAIN_S = 1.0


class NoLevels:
    """The view of a connection that is told no stock: it is known that there is nothing."""

    complete = True

    def get(self, _sku: str) -> Level | None:
        """None."""
        return None


class LevelView:
    """The newest level of each SKU of one channel, read from the topic's beginning outside any consumer group.

    It may lag behind the topic: whoever answers from it has the numbers said again (`Resend`), so that a stale one never stays.
    `client` is what a Kafka client is told besides the address.
    """

    def __init__(self, bootstrap: str, connection: str, client: Mapping[str, Any]) -> None:
        self.complete = False
        self._topic = topics.level(connection)
        self._client = {"bootstrap_servers": bootstrap, **client}
        self._decode = Decoder[Level](Level)
        self._values: dict[str, bytes] = {}
        self._reading: asyncio.Task[None] | None = None

    def get(self, sku: str) -> Level | None:
        """The newest level read so far; None for a SKU that was never said, or cannot be read."""
        value = self._values.get(sku)
        try:
            return None if value is None else self._decode(value)
        except PoisonError as error:
            log.warning("level_not_understood", topic=self._topic, sku=sku, reason=str(error))
            return None

    def start(self) -> None:
        """Begin to read; goes on until `stop`, through anything that Kafka does."""
        self._reading = asyncio.get_running_loop().create_task(self._keep_reading(), name=f"view of {self._topic}")

    async def stop(self) -> None:
        """Read no more."""
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading

    async def _keep_reading(self) -> None:
        while True:
            try:
                await self._read()
            except (KafkaError, OSError) as error:
                log.warning("view_not_read", topic=self._topic, reason=repr(error), again_in_s=AGAIN_S)
            await asyncio.sleep(AGAIN_S)

    async def _read(self) -> None:
        consumer: Any = AIOKafkaConsumer(  # type: ignore[no-untyped-call]  # aiokafka has no types
            self._topic, group_id=None, auto_offset_reset="earliest", enable_auto_commit=False, **self._client
        )
        try:
            await consumer.start()
            ends: dict[Any, int] = await consumer.end_offsets(consumer.assignment())
            while True:
                for records in (await consumer.getmany(timeout_ms=READ_MS)).values():
                    for record in records:
                        self._take(record.key, record.value)
                if not self.complete:
                    self.complete = bool(ends) and all([await consumer.position(part) >= end for part, end in ends.items()])
        finally:
            await consumer.stop()

    def _take(self, key: bytes | None, value: bytes | None) -> None:
        sku = (key or b"").decode(errors="replace")
        if value is None:
            self._values.pop(sku, None)
        else:
            self._values[sku] = value
