"""Rows that are due ─▶ `Tick`, written to their own input partition: timers are records, so they are replayed in order."""

import asyncio
import time
from collections.abc import Callable, Iterable

from models.agent import Count
from models.codec import encode, headers_of
from models.message import Tick
from streams.engine.effects import Outlet
from streams.engine.intake import TICK_KEY
from streams.engine.rows import Partition
from streams.metrics import count

LOOK_EVERY_S = 0.2
PAUSE_S = 1.0


class Timer:
    """Of one input partition: at most one Tick on its way, and at most one a second unless more rows are due at once."""

    def __init__(self, topic: str, number: int, partition: Partition) -> None:
        self.topic = topic
        self.number = number
        self._partition = partition
        self._on_its_way = False
        self._not_before = 0.0

    def wants_tick(self, now_ms: int) -> bool:
        """Whether a row is due and no Tick is on its way."""
        due = self._partition.next_due()
        return due is not None and due <= now_ms and not self._on_its_way and time.monotonic() >= self._not_before

    def ticks(self) -> None:
        """A Tick is on its way."""
        self._on_its_way = True

    def ticked(self, *, more: bool) -> None:
        """The Tick has been decided; `more`: its slice did not suffice."""
        self._on_its_way = False
        self._not_before = time.monotonic() + (0.0 if more else PAUSE_S)


async def keep_ticking(timers: Callable[[], Iterable[tuple[str, Timer]]], outlet: Outlet) -> None:
    """Write Ticks for ever; `timers` gives those of the partitions owned now, with the name of their agent."""
    while True:
        now_ms = time.time_ns() // 1_000_000
        due = [(agent, timer) for agent, timer in timers() if timer.wants_tick(now_ms)]
        await asyncio.gather(*(_tick(agent, timer, now_ms, outlet) for agent, timer in due))
        await asyncio.sleep(LOOK_EVERY_S)


async def _tick(agent: str, timer: Timer, now_ms: int, outlet: Outlet) -> None:
    timer.ticks()
    tick = Tick(now_ms=now_ms)
    await outlet.append(timer.topic, timer.number, TICK_KEY.encode(), encode(tick), list(headers_of(tick).items()))
    count(Count("ticks_written_total", (agent,)))
