"""Ends a process that stands still: a hung fetch or rebalance never ends by itself, and a new process is always safe."""

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, cast

from aiokafka.errors import KafkaError
from faust.types import TP

from streams.engine.ending import die

if TYPE_CHECKING:
    from streams.engine.app import EngineApp
    from streams.engine.channel import BatchConsumer
    from streams.engine.recovery import BulkTableManager

LOOK_EVERY_S = 15.0
REBALANCE_LIMITS = 3
"""A rebalance may take the others' time-out, ours, and one more to be sure."""


class Standstill:
    """Tells for each partition how long it has had more records and fetched none."""

    def __init__(self) -> None:
        self._since: dict[TP, tuple[int, float]] = {}

    def seconds(self, now: float, positions: dict[TP, int], ends: dict[TP, int]) -> float:
        """The longest standstill, in seconds, given the next and the end offset of each partition."""
        behind = {tp: position for tp, position in positions.items() if position < ends.get(tp, 0)}
        known = self._since
        self._since = {tp: known[tp] if tp in known and known[tp][0] == position else (position, now) for tp, position in behind.items()}
        return max((now - since for _, since in self._since.values()), default=0.0)


async def watch(app: "EngineApp") -> None:
    """Look for ever."""
    standstill = Standstill()
    moving_since = time.monotonic()
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        now = time.monotonic()
        if not app.rebalancing or cast("BulkTableManager", app.tables).recovery.in_recovery:  # which watches over itself
            moving_since = now
        if now - moving_since > REBALANCE_LIMITS * app.settings.rebalance_timeout_s:
            die(f"no assignment of partitions for {now - moving_since:.0f} s")
        if app.ready and (stood := standstill.seconds(now, *await _offsets(app))) > app.settings.standstill_s:
            die(f"records wait, and nothing has been fetched for {stood:.0f} s")


async def _offsets(app: "EngineApp") -> tuple[dict[TP, int], dict[TP, int]]:
    """Next and end offsets of the partitions of which nothing is in flight."""
    consumer = cast("BatchConsumer", app.consumer)
    positions = consumer.idle_positions()
    ends: dict[TP, int] = {}
    if positions:
        with contextlib.suppress(KafkaError, TimeoutError):  # the broker is away: no verdict
            ends = dict(await consumer.highwaters(*positions))
    return positions, ends
