"""A lane in memory, for tests of agents that act: remembers what was done, in order; time is a number."""

import asyncio
import random
from typing import Any

import msgspec

from models.agent import Abandoned, Count, Dead, Emit, Record
from models.message import Message


class Clock:
    """Seconds that pass only where someone sleeps."""

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


class MemoryLane:
    """`newer_at` is when a newer record of the key arrives; `abandoned_at` when the partition is given up."""

    row: None = None

    def __init__(self, clock: Clock, *, newer_at: float | None = None, abandoned_at: float | None = None) -> None:
        self.key = "k"
        self.emits: list[tuple[Emit, ...]] = []
        self.parked: list[Dead] = []
        self.counts: list[Count] = []
        self.slept: list[float] = []
        self._clock, self._newer_at, self._abandoned_at = clock, newer_at, abandoned_at

    async def save(self, row: None) -> None:
        raise AssertionError("there is no table", row)

    async def emit(self, *emits: Emit) -> None:
        self.emits.append(emits)

    async def dead(self, record: Record, dead: Dead, exchange: bytes = b"") -> None:
        del record, exchange
        self.parked.append(dead)

    def count(self, *counts: Count) -> None:
        self.counts += counts

    @property
    def newer(self) -> bool:
        return self._newer_at is not None and self._clock.now_s >= self._newer_at

    async def sleep(self, seconds: float, until: asyncio.Future[Any] | None = None) -> bool:  # noqa: ARG002  # nobody waits for any
        self.slept.append(seconds)
        end = self._clock.now_s + seconds
        if self._abandoned_at is not None and self._abandoned_at <= end:
            self._clock.now_s = max(self._clock.now_s, self._abandoned_at)
            raise Abandoned
        if self._newer_at is not None and self._newer_at <= end:
            self._clock.now_s = max(self._clock.now_s, self._newer_at)
            return True
        self._clock.now_s = end
        return False


class Middle(random.Random):
    """Chance is always one half."""

    def random(self) -> float:
        return 0.5


def record_of(body: Message) -> Record:
    value = msgspec.json.encode(body)
    return Record(topic="t", partition=0, offset=7, sequence=7, time_ms=0, key="k", value=value, headers={}, body=body)
