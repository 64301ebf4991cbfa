"""Input of the stock agent: facts of one warehouse whose true numbers we know, as its two channels must be told in the end.

One is told differences (`web`, whose own sales are part of the moves), the other numbers (`outlet`). Each SKU is read
once, then moved and read in turn, 50 s between two facts of it, so that no fact is in doubt.
"""

import random
import time
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from models.codec import encode
from models.config import ChannelConfig, StockConfig, WarehouseConfig
from models.facts import StockCounted, StockMoved
from models.message import Message
from streams.bench.desk import Feed

WAREHOUSE, PLACE, WEB, OUTLET, SELLER = "warehouse", "shelf", "web", "outlet", "90100041"
CONFIG = StockConfig(
    warehouses={PLACE: WarehouseConfig(connection=WAREHOUSE)},
    channels={
        WEB: ChannelConfig(incremental=True, orders_mode=False, places=(PLACE,), sellers={PLACE: (SELLER,)}),
        OUTLET: ChannelConfig(incremental=False, orders_mode=False, places=(PLACE,)),
    },
)
READ_EACH = 4
"""One fact in so many is a reading."""
SOLD_SHARE = 0.3
MOVE_WIDTH_MS, ANSWER_MS = 7_000, 200
APART_MS = 50_000


class Shelves(msgspec.Struct):
    """`rounds` facts of each of `skus` items, ending now; `stock` is the truth, `told` the same without own sales."""

    skus: int
    rounds: int
    stock: dict[str, Decimal] = {}
    told: dict[str, Decimal] = {}

    def facts(self) -> Iterator[tuple[str, int, Message]]:
        """SKU, our time (ms) and fact, in order; always the same but for the times."""
        chance = random.Random(1)  # noqa: S311  # nothing secret
        order = [f"SKU-{number:07d}" for number in range(self.skus)]
        chance.shuffle(order)
        step_ms = max(1, APART_MS // self.skus)
        now_ms = time.time_ns() // 1_000_000 - step_ms * self.skus * self.rounds
        for turn in range(self.rounds):
            for number, sku in enumerate(order):
                now_ms += step_ms
                if turn == 0:
                    self.stock[sku] = self.told[sku] = Decimal(chance.randrange(20, 500))
                is_reading = turn == 0 or (turn + number) % READ_EACH == 0
                yield sku, now_ms, self._reading(sku, now_ms) if is_reading else self._move(sku, now_ms, turn, chance)

    def feed(self) -> list[Feed]:
        """The facts as they stand in Kafka."""
        return [Feed(sku.encode(), encode(fact), now_ms) for sku, now_ms, fact in self.facts()]

    def _reading(self, sku: str, now_ms: int) -> StockCounted:
        t0, t1 = now_ms - 2 * ANSWER_MS, now_ms - ANSWER_MS
        return StockCounted(
            connection=WAREHOUSE, place=PLACE, sku=sku, item=sku[4:], value=self.stock[sku], t0_ms=t0, t1_ms=t1, sweep=f"sweep-{t0}"
        )

    def _move(self, sku: str, now_ms: int, turn: int, chance: random.Random) -> StockMoved:
        sold = chance.random() < SOLD_SHARE
        delta = Decimal(-1 if sold else chance.choice((-3, -2, -1, 1, 2, 12)))
        self.stock[sku] += delta
        self.told[sku] += 0 if sold else delta
        return StockMoved(
            connection=WAREHOUSE,
            place=PLACE,
            sku=sku,
            item=sku[4:],
            id=f"{sku}-{turn}",
            lo_ms=now_ms - MOVE_WIDTH_MS,
            hi_ms=now_ms,
            delta=delta,
            seller=SELLER if sold else None,
            stamp_ms=now_ms,
        )
