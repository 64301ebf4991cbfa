"""From a simulated Thetis through translate: what a fact says about time holds, whatever the source's clock does."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from agents.ports import Element, Reader
from agents.translate.agent import translate_agent
from models.agent import Record, View
from models.config import ClockSlack, TranslateConfig
from models.facts import StockCounted, StockMoved
from models.inbound import Inbound
from models.message import Message
from streams.http import HttpClient
from streams.systems.spec import Hook
from streams.systems.thetis import SYSTEM
from streams.systems.thetis.settings import ThetisSettings
from streams.systems.thetis.webhook import ThetisWebhook
from tests.eventually import eventually

from .conftest import Inbox, Remote, Start

CONFIG = TranslateConfig(connection="wh", place="aarhus", clock=ClockSlack())
Https = Callable[[ThetisSettings], HttpClient]


class Line:
    """One connection's translate agent, fed with what really came."""

    def __init__(self, remote: Remote, inbox: Inbox, reader: Reader) -> None:
        self.rows: dict[str, Any] = {}
        self._remote = remote
        self._inbox = inbox
        self._reader = reader
        self._shared: dict[str, Any] = {}
        self._agent = translate_agent(CONFIG, SYSTEM.translate)
        self._webhook = ThetisWebhook("wh", remote.settings)
        self._sequence = 0

    async def move(self, delta: int) -> tuple[list[Message | bytes | None], int]:
        """Move goods; the facts, and when it really was."""
        true_ms = now_ms()
        await self._remote.admin("POST", "move", {"sku": "TEE", "delta": delta})
        body = await eventually(lambda: self._body(delta))
        taken = self._webhook.take(Hook(secret="", headers={}, body=body, now_s=0))
        return self._hear(Element(key=taken.key, value=body, inbound=Inbound(kind="webhook", received_ms=now_ms()))), true_ms

    async def read(self) -> list[Message | bytes | None]:
        """Read the item; the facts."""
        item = (await self._remote.admin("GET", "items"))["TEE"]
        (element,) = await self._reader.read(str(item))
        return self._hear(element)

    async def _body(self, delta: int) -> bytes:
        found = [body for body in self._inbox.bodies if body["detail"].get("delta") == delta]
        return msgspec.json.encode(found[0]) if found else b""

    def _hear(self, element: Element) -> list[Message | bytes | None]:
        self._sequence += 1
        record = Record(
            topic="inbound.wh.v1",
            partition=0,
            offset=self._sequence,
            sequence=self._sequence,
            time_ms=element.inbound.received_ms,
            key=element.key,
            value=element.value,
            headers=element.inbound.headers(),
            body=element.value,
        )
        decision = self._agent.decide(View(element.key, self.rows.get(element.key), CONFIG, self._shared), record)
        assert decision.dead == ()
        self._shared |= decision.shared
        if decision.row is not None:
            self.rows[element.key] = decision.row
        return [emit.value for emit in decision.emits]


def now_ms() -> int:
    return int(time.time() * 1_000)


@pytest.mark.req("T-35", "T-39")
@pytest.mark.parametrize("step_s", [3_600, -3_600])
async def test_move_when_the_source_clock_is_off_and_steps_then_its_true_moment_lies_in_its_interval(
    start: Start, inbox: Inbox, http: Https, step_s: int
) -> None:
    remote = await start(items=[{"sku": "TEE", "available": 10}], webhook={"url": inbox.url}, clock_offset_s=-1_234.5)
    assert SYSTEM.reader is not None
    line = Line(remote, inbox, SYSTEM.reader("wh", remote.settings, http(remote.settings)))
    assert [type(fact).__name__ for fact in (await line.move(1))[0]] == ["ReadItem"]
    assert [type(fact).__name__ for fact in await line.read()] == ["StockMoved", "StockCounted"]
    for delta, offset_s in ((2, -1_234.5), (3, step_s)):
        await remote.admin("POST", "clock", {"offset_s": offset_s})
        (counted,) = await line.read()
        assert isinstance(counted, StockCounted)
        (moved,), true_ms = await line.move(delta)
        assert isinstance(moved, StockMoved)
        assert moved.lo_ms is not None
        assert moved.lo_ms <= true_ms <= moved.hi_ms
        assert moved.hi_ms - moved.lo_ms < 12_000
    (counted,) = await line.read()
    assert isinstance(counted, StockCounted)
    assert counted.value == 16
