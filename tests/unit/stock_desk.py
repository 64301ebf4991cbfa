"""A desk for tests of the stock rules: hands records to `decide` one by one and keeps what it decided.

Source seconds are real milliseconds here: a move stamped second `n` happened in `n*1000 .. n*1000+999`.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from agents.stock.decide import decide
from agents.stock.warehouse import value_of
from models.agent import Decision, Record, View
from models.codec import Decoder, encode
from models.config import ChannelConfig, ClockSlack, StockConfig, WarehouseConfig
from models.facts import (
    ChannelShown,
    LineCounted,
    LineDropped,
    LinePlaced,
    LineReserved,
    StockCounted,
    StockFact,
    StockMoved,
    Told,
)
from models.hint import ReadItem
from models.level import Level
from models.message import ConfigChanged, Message, Tick
from models.stock_row import Place, StockRow
from streams.metrics import METRICS

EXACT_CLOCK = ClockSlack(resolution_ms=1_000, early_ms=0, late_ms=0, staleness_ms=0, skew_ms=0)
SELLER = "90100042"
LAG_MS = 10_000

_decode_fact: Decoder[StockFact] = Decoder(StockFact)
_decode_row: Decoder[StockRow] = Decoder(StockRow)


def warehouse(connection: str = "wh", **changes: Any) -> WarehouseConfig:  # noqa: ANN401  # members of the struct
    return WarehouseConfig(connection=connection, clock=changes.pop("clock", EXACT_CLOCK), **changes)


def channel(**changes: Any) -> ChannelConfig:  # noqa: ANN401  # members of the struct
    settings: dict[str, Any] = {
        "incremental": True,
        "orders_mode": True,
        "places": ("w",),
        "sellers": {"w": (SELLER,)},
        "lag_ms": LAG_MS,
    }
    return ChannelConfig(**(settings | changes))


def one(**changes: Any) -> StockConfig:  # noqa: ANN401  # members of the channel, and wh_cap
    """One warehouse `w`, one channel `c`."""
    cap = changes.pop("wh_cap", 60)
    return StockConfig(warehouses={"w": warehouse(cap=cap)}, channels={"c": channel(**changes)})


class Desk:
    """The row of one SKU. `told` is the newest level per channel, `hints` what was asked so far."""

    def __init__(self, config: StockConfig, sku: str = "S-1") -> None:
        self.config = config
        self.sku = sku
        self.row: StockRow | None = None
        self.shared: dict[str, Any] = {}
        self.sequence = 100
        self.now = 0
        self.told: dict[str, Level] = {}
        self.hints: list[ReadItem] = []
        self.log: list[Record] = []

    def record(self, body: Message, now: int | None = None) -> Record:
        """The next record of the log; its body goes through JSON as in Kafka."""
        self.sequence += 1
        self.now = self.now if now is None else now
        value = encode(body)
        parsed = body if isinstance(body, ConfigChanged) else _decode_fact(value)
        record = Record(
            topic="fact.stock.v1",
            partition=0,
            offset=self.sequence,
            sequence=self.sequence,
            time_ms=self.now,
            key=self.sku,
            value=value,
            headers={},
            body=parsed,
        )
        self.log.append(record)
        return record

    def hand(self, record: Record) -> Decision:
        """Decide, and keep the row as JSON would."""
        decision = decide(View(key=self.sku, row=self.row, config=self.config, shared=self.shared), record)
        if decision.row is not None:
            self.row = _decode_row(encode(decision.row))
        self.shared = {**self.shared, **decision.shared}
        assert all(len(METRICS[count.metric].labels) == len(count.labels) for count in decision.counts)
        for emit in decision.emits:
            if isinstance(emit.value, Level):
                self.told[emit.value.connection] = emit.value
            elif isinstance(emit.value, ReadItem):
                self.hints.append(emit.value)
        return decision

    def say(self, body: Message, now: int | None = None) -> Decision:
        return self.hand(self.record(body, now))

    def reading(self, value: float | str | Decimal, t0: int, t1: int, *, place: str = "w", **more: Any) -> Decision:  # noqa: ANN401  # members of the fact
        """A reading whose figure was taken in `t0 .. t1` (ms)."""
        fact = StockCounted(
            connection=self._connection(place),
            place=place,
            sku=self.sku,
            item=f"{place}-1",
            value=Decimal(value),
            t0_ms=t0,
            t1_ms=t1,
            **more,
        )
        return self.say(fact, max(self.now, t1))

    def moved(  # noqa: PLR0913  # what a webhook may say
        self,
        delta: float | str,
        second: int | None,
        *,
        name: str | None = None,
        seller: str | None = None,
        place: str = "w",
        received: int | None = None,
        now: int | None = None,
    ) -> Decision:
        """A move stamped `second`, or without time (None); `received` cuts its interval."""
        stamp = None if second is None else second * 1_000
        latest = self.now if received is None else received
        hi = latest if stamp is None else stamp + 999 if received is None else min(stamp + 999, received)
        fact = StockMoved(
            connection=self._connection(place),
            place=place,
            sku=self.sku,
            item=f"{place}-1",
            id=f"m{self.sequence}" if name is None else name,
            lo_ms=stamp,
            hi_ms=hi,
            delta=Decimal(delta),
            seller=seller,
            stamp_ms=stamp,
        )
        return self.say(fact, now)

    def _connection(self, place: str) -> str:
        config = self.config.warehouses.get(place)
        return "gone" if config is None else config.connection

    def placed(self, line: str, quantity: float | str = 1, *, place: str = "w", c: str = "c", said: int | None = None) -> Decision:
        said_ms = self.now if said is None else said
        return self.say(LinePlaced(connection=c, sku=self.sku, line=line, place=place, quantity=Decimal(quantity), said_ms=said_ms))

    def reserved(self, line: str, by: int, *, c: str = "c") -> Decision:
        return self.say(LineReserved(connection=c, sku=self.sku, line=line, by_ms=by), max(self.now, by))

    def counted(self, line: str, was: float, now: float, *, c: str = "c") -> Decision:
        return self.say(LineCounted(connection=c, sku=self.sku, line=line, was=Decimal(was), now=Decimal(now)))

    def dropped(self, line: str, *, c: str = "c") -> Decision:
        return self.say(LineDropped(connection=c, sku=self.sku, line=line))

    def shown(self, value: float | str, asked: int, *, c: str = "c") -> Decision:
        fact = ChannelShown(connection=c, sku=self.sku, shown=Decimal(value), asked_ms=asked, answered_ms=asked + 10)
        return self.say(fact, max(self.now, asked + 10))

    def stores(self, asked: int, **shown: str | int) -> Decision:
        """What each store of channel `c` shows, by its code."""
        numbers = {code: Decimal(number) for code, number in shown.items()}
        total = sum(numbers.values(), start=Decimal(0))
        fact = ChannelShown(connection="c", sku=self.sku, shown=total, asked_ms=asked, answered_ms=asked + 10, stores=numbers)
        return self.say(fact, max(self.now, asked + 10))

    def taken(self, c: str = "c") -> Decision:
        """The channel acknowledges the number told last."""
        level = self.told[c]
        value = level.level if level.total is None else level.total
        return self.say(Told(connection=c, sku=self.sku, sequence=level.sequence, value=value))

    def tick(self, now: int) -> Decision:
        return self.say(Tick(now_ms=now), now)

    def configure(self, config: StockConfig) -> Decision:
        self.config = config
        return self.say(ConfigChanged(digest="x", config=msgspec.Raw(encode(config))))

    def place(self, name: str = "w") -> Place:
        assert self.row is not None
        return self.row.wh[name]

    def low(self, name: str = "w") -> Decimal:
        value = value_of(self.place(name))
        assert value is not None
        return value.low

    def high(self, name: str = "w") -> Decimal:
        value = value_of(self.place(name))
        assert value is not None
        return value.high

    def total(self, c: str = "c") -> Decimal:
        total = self.told[c].total
        assert total is not None
        return total

    def level(self, c: str = "c") -> Decimal:
        return self.told[c].level


def metrics(decision: Decision) -> Mapping[str, list[tuple[tuple[str, ...], float]]]:
    """The counts of a decision by metric."""
    found: dict[str, list[tuple[tuple[str, ...], float]]] = {}
    for count in decision.counts:
        found.setdefault(count.metric, []).append((count.labels, count.value))
    return found
