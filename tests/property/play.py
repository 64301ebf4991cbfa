"""Play a world to the stock decision: each step changes the truth or hands over news of it, and the oracle looks after each."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from models.config import ChannelConfig, ClockSlack, StockConfig, WarehouseConfig
from models.facts import ChannelShown, LineCounted, LineDropped, LinePlaced, LineReserved, Resend, StockCounted, StockMoved, Told
from models.level import Level
from models.message import Message
from tests.property.driver import SKU, Decide, ViolationError, Worker
from tests.property.oracle import Oracle
from tests.property.world import (
    NO_ID,
    NO_SELLER,
    NO_TIME,
    SOURCE_AHEAD_MS,
    Clock,
    Interval,
    Line,
    Move,
    Reading,
    Shop,
    Step,
    Truth,
    stamped_interval,
)

CLOCKS: Final = (Clock(), Clock(early_ms=2, late_ms=4, staleness_ms=3, skew_ms=2), Clock(resolution_ms=1))
PLACES: Final = ("north", "south")
SHOPS: Final = ("level-shop", "total-shop")
LAG_MS: Final = 200
KEEP_MS: Final = 1_000_000_000
READS_AT_MOST: Final = 4

T = TypeVar("T")


@dataclass(frozen=True)
class Setup:
    """Which world: `orders` says whether the shops' orders go through us; `audited` adds what only an audit can mend.

    `apart`: one shop sells from one place only. `unread`: nothing was read before the first step. `limit`: readings
    further off than this are held until a second one agrees.
    """

    orders: bool = True
    cap: int = 60
    clock: int = 0
    audited: bool = False
    apart: bool = False
    unread: bool = False
    limit: int | None = None

    def places(self, shop: str) -> tuple[str, ...]:
        """Where a shop sells from."""
        return PLACES[:1] if self.apart and shop == SHOPS[0] else PLACES


class Play:
    """One run. `script` is what was done so far."""

    def __init__(self, setup: Setup, decide: Decide, interval: Interval = stamped_interval) -> None:
        self.setup = setup
        self.clock = CLOCKS[setup.clock]
        self.interval = interval
        self.truth = Truth(self.clock, (Shop(SHOPS[0], incremental=False), Shop(SHOPS[1], incremental=True)))
        self.worker = Worker(decide, _config(setup, self.clock))
        self.oracle = Oracle(self.truth, self.worker, orders=setup.orders, promises=not setup.audited, read=not setup.unread)
        self.waiting: list[Move] = []
        self.kept: list[Move] = []
        self.handed_readings: list[StockCounted] = []
        self.order_facts: list[Message] = []
        self.deliveries = 0
        self.sellers = 1
        self.script: list[Step] = []
        for place in () if setup.unread else PLACES:
            self._read(place)

    def do(self, *step: str | int) -> None:
        """Take one step, then look at everything that must hold now."""
        self.script.append(step)
        name, *choices = step
        getattr(self, f"on_{name}")(*choices)
        self._look()

    # time and readings

    def on_pass(self, ms: int) -> None:
        """Time passes; what had to be known within `lag` is known before."""
        if not self.setup.orders and not self.setup.audited:
            self._keep_promise(self.truth.now_ms + ms)
        self.truth.now_ms += ms

    def on_read(self, place: int) -> None:
        """A reading at once."""
        self._read(PLACES[place % 2])

    def on_start(self, place: int) -> None:
        """A reading is asked for; at most three are on their way."""
        if len(self.truth.readings) < 3:
            self.truth.readings.append(Reading(PLACES[place % 2], self.truth.now_ms))

    def on_figure(self, which: int, choice: int) -> None:
        """Its figure is taken."""
        reading = _pick([reading for reading in self.truth.readings if reading.position is None], which)
        if reading is not None:
            self.truth.take(reading, choice)

    def on_end(self, which: int) -> None:
        """Its answer is here."""
        ready = [reading for reading in self.truth.readings if reading.position is not None and reading.answered_ms is None]
        reading = _pick(ready, which)
        if reading is not None:
            reading.answered_ms = self.truth.now_ms

    def on_counted(self, which: int) -> None:
        """It is handed over."""
        reading = _pick([reading for reading in self.truth.readings if reading.answered_ms is not None], which)
        if reading is not None:
            self.truth.readings.remove(reading)
            self._hand_reading(reading)

    def on_recounted(self, which: int) -> None:
        """An old reading is handed over again."""
        fact = _pick(self.handed_readings, which)
        if fact is not None:
            self._feed_reading(fact)

    def on_serve(self) -> None:
        """The timer, and the readings that the row asks for."""
        self._take(self.worker.tick(self.truth.now_ms))
        asked, self.worker.asked = self.worker.asked, set()
        for connection in sorted(asked):
            self._read(connection.removeprefix("wh-"))

    # moves

    def on_foreign(self, place: int, delta: int, jitter: int) -> None:
        """Goods come in or go out, for a cause that is not one of the shops."""
        self.waiting.append(self.truth.move(PLACES[place % 2], delta, jitter=jitter))

    def on_moved(self, which: int, mask: int, delay: int, error: int) -> None:
        """A webhook is handed over for the first time, `delay` after it was received."""
        move = _pick(self.waiting, which)
        if move is not None:
            self.waiting.remove(move)
            self.kept.append(move)
            self._hand(move, mask, delay, error)

    def on_again(self, which: int, mask: int, delay: int, error: int) -> None:
        """A webhook comes again."""
        move = _pick(self.kept, which)
        if move is not None:
            self._hand(move, mask, delay, error)

    def on_lost(self, which: int) -> None:
        """A webhook never comes."""
        move = _pick(self.waiting, which)
        if move is not None:
            self.waiting.remove(move)
            self.truth.lost = True

    # orders

    def on_sell(self, shop: int, place: int, quantity: int) -> None:
        """A shop sells."""
        places = self.setup.places(SHOPS[shop % 2])
        self.truth.sell(SHOPS[shop % 2], places[place % len(places)], quantity)

    def on_advance(self, which: int, steps: int) -> None:
        """An order goes on by some steps: placed, asked, reserved, answered, said; or dropped."""
        line = _pick(self.truth.lines, which)
        for _ in range(steps if line is not None else 0):
            self._advance(line)  # type: ignore[arg-type]  # None takes no steps

    def on_cancel(self, which: int, quantity: int) -> None:
        """The shop cancels (a part of) a line."""
        line = _pick([line for line in self.truth.lines if line.live], which)
        if line is not None:
            self.truth.cancel(line, quantity)

    def on_hear(self, which: int) -> None:
        """We hear of a cancellation."""
        line = _pick([line for line in self.truth.lines if line.cancels and line.heard is not None], which)
        if line is not None:
            self._hear(line)

    def on_free(self, which: int, jitter: int) -> None:
        """The warehouse gives back what a cancelled line no longer needs."""
        line = _pick([line for line in self.truth.lines if self._surplus(line) and not line.packed], which)
        if line is not None:
            self._free(line, self._surplus(line), jitter)

    def on_pack(self, which: int) -> None:
        """The warehouse has packed a line: from now on it refuses to cancel it."""
        line = _pick([line for line in self.truth.lines if line.reserved is not None], which)
        if line is not None:
            line.packed = True

    def on_refuse(self, which: int) -> None:
        """The warehouse refuses an order."""
        line = _pick([line for line in self.truth.lines if line.asked and line.reserved is None], which)
        if line is not None:
            line.refused = True

    def on_staff_cancel(self, which: int, quantity: int) -> None:
        """Somebody in the warehouse cancels (a part of) a reserved line."""
        line = _pick([line for line in self.truth.lines if line.reserved is not None and line.reserved > line.freed], which)
        if line is not None and line.reserved is not None:
            self._free(line, min(quantity, line.reserved - line.freed), 0)

    def on_staff_ship(self, shop: int, place: int, quantity: int) -> None:
        """Somebody in the warehouse ships under a shop's seller id."""
        move = self.truth.move(PLACES[place % 2], -quantity, seller=self._seller(SHOPS[shop % 2]))
        self.waiting.append(move)

    def on_repeated(self, which: int) -> None:
        """The order side says something again."""
        fact = _pick(self.order_facts, which)
        if fact is not None:
            self._feed(fact)

    # configuration, sender, crash

    def on_buffer(self, shop: int, buffer: int) -> None:
        """A person changes a buffer."""
        self._reconfigure(SHOPS[shop % 2], buffer=Decimal(buffer))

    def on_seller(self) -> None:
        """A second seller id is configured for every shop; from now on orders use either."""
        self.sellers = 2
        for shop in SHOPS:
            self._reconfigure(shop, sellers=dict.fromkeys(self.setup.places(shop), (f"{shop}-0", f"{shop}-1")))

    def on_told(self, shop: int) -> None:
        """A shop takes its number, and the sender says so."""
        name = SHOPS[shop % 2]
        self.truth.shops[name].arrive()
        level = self.worker.said.get(name)
        if level is not None:
            value = level.level if level.total is None else level.total
            self._feed(Told(connection=name, sku=SKU, sequence=level.sequence, value=value))

    def on_resend(self, shop: int) -> None:
        """A shop is to be told its number again."""
        self._feed(Resend(connection=SHOPS[shop % 2], sku=SKU))

    def on_edit(self, quantity: int) -> None:
        """Somebody types a number into the shop that counts by itself."""
        self.truth.shops[SHOPS[1]].edits += quantity

    def on_shown(self) -> None:
        """The number of the shop that counts by itself is read."""
        shop, now_ms = self.truth.shops[SHOPS[1]], self.truth.now_ms
        shown = ChannelShown(connection=shop.name, sku=SKU, shown=shop.shown, asked_ms=now_ms, answered_ms=now_ms)
        self._feed(shown)

    def on_crash(self, back: int, more: int) -> None:
        """The worker dies and goes on from an older row and a still older offset."""
        before = self._arrived()
        self._take(self.worker.crash(back, more))
        after = self._arrived()
        if before != after:
            raise ViolationError(f"S6: the shops took {after} after the crash, had {before}")

    def _arrived(self) -> dict[str, tuple[int, Decimal]]:
        for shop in self.truth.shops.values():
            shop.arrive()
        return {name: (shop.sequence, shop.told) for name, shop in self.truth.shops.items()}

    # the end

    def finish(self) -> None:
        """Everything under way ends well, what is asked for is served; then S1 and S2 hold and nothing is asked any more."""
        self.script.append(("finish",))
        self._finish_orders()
        self._hand_everything()
        self._look()
        for _ in range(self._sweeps()):
            self.truth.now_ms += self._slack_ms()
            for place in PLACES:
                self._read(place)
                self._look()
        self._serve_all()
        if self.setup.audited:
            self._audit()
        self.oracle.at_rest()

    def _sweeps(self) -> int:
        """How many sweeps it takes: none if nothing was lost, a second one where the first is held back."""
        if not self.truth.lost and not self.setup.unread:
            return 0
        return 1 if self.setup.limit is None else 2

    def _finish_orders(self) -> None:
        for line in self.truth.lines:
            for _ in range(6):
                self._advance(line)
            if line.refused:
                self.truth.cancel(line, line.live)
            while line.cancels and self.setup.orders:
                self._hear(line)
            if not line.packed and self._surplus(line):
                self._free(line, self._surplus(line), 0)
            self._advance(line)

    def _hand_everything(self) -> None:
        for reading in self.truth.readings:
            if reading.position is None:
                self.truth.take(reading, 0)
            reading.answered_ms = reading.answered_ms or self.truth.now_ms
            self._hand_reading(reading)
        self.truth.readings.clear()
        while self.waiting:
            self.on_moved(0, 0, 0, 0)

    def _serve_all(self) -> None:
        """Serve the row until it asks for nothing; each place is read at most four times."""
        reads = dict.fromkeys(PLACES, 0)
        horizon_ms = self.truth.now_ms + KEEP_MS // 2
        while self.worker.due_ms is not None and self.worker.due_ms < horizon_ms:
            self.truth.now_ms = max(self.truth.now_ms, self.worker.due_ms)
            self._take(self.worker.tick(self.truth.now_ms))
            self._look()
            asked, self.worker.asked = self.worker.asked, set()
            for connection in sorted(asked):
                place = connection.removeprefix("wh-")
                reads[place] += 1
                if reads[place] > READS_AT_MOST:
                    raise ViolationError(f"S1: {place} is asked for again after {READS_AT_MOST} readings: {self.worker.row}")
                self._read(place)
                self._look()

    def _audit(self) -> None:
        """Look twice, `lag` apart, at a quiet shop; then read both places."""
        for shop in range(2):
            self.on_told(shop)
        for _ in range(3):
            self.truth.now_ms += 2 * LAG_MS
            self._serve_all()
            self.on_shown()
            for place in PLACES:
                self.truth.now_ms += self._slack_ms()
                self._read(place)
            self._serve_all()
            for shop in range(2):
                self.on_told(shop)

    # how news becomes facts

    def _hand(self, move: Move, mask: int, delay: int, error: int) -> None:
        received_ms = max(move.at_ms, self.truth.now_ms - delay)
        lo: int | None
        lo, hi = self.interval(move.stamp_ms, SOURCE_AHEAD_MS + self.clock.error(error), received_ms, self.clock)
        self.deliveries += 1
        if mask & NO_TIME:
            lo, hi = None, received_ms
        if mask & NO_ID:
            lo = None
        staff_hides = move.line is None and self.oracle.has_open_line(move)
        fact = StockMoved(
            connection=f"wh-{move.place}",
            place=move.place,
            sku=SKU,
            item=f"item-{move.place}",
            id=f"inbound-0-{self.deliveries}" if mask & NO_ID else move.id,
            lo_ms=lo,
            hi_ms=hi,
            delta=Decimal(move.delta),
            seller=None if mask & NO_SELLER or staff_hides else move.seller,
            stamp_ms=None if mask & NO_TIME else move.stamp_ms,
        )
        if move.delta > 0 and move.line is not None and not move.handed:
            move.line.freed_known += move.delta
        move.handed = True
        self._feed(fact)

    def _read(self, place: str) -> None:
        reading = Reading(place, self.truth.now_ms, len(self.truth.places[place].moves), self.truth.now_ms)
        self._hand_reading(reading)

    def _hand_reading(self, reading: Reading) -> None:
        if reading.position is None or reading.answered_ms is None:
            raise ValueError(reading)
        fact = StockCounted(
            connection=f"wh-{reading.place}",
            place=reading.place,
            sku=SKU,
            item=f"item-{reading.place}",
            value=Decimal(self.truth.places[reading.place].figure(reading.position)),
            t0_ms=reading.asked_ms - self.clock.staleness_ms,
            t1_ms=reading.answered_ms,
        )
        self.handed_readings.append(fact)
        self.oracle.positions[fact] = reading.position
        self._feed_reading(fact)

    def _feed_reading(self, fact: StockCounted) -> None:
        before = self.worker.row
        self._feed(fact)
        self.oracle.counted(fact, before)

    def _feed(self, fact: Message) -> None:
        self._take(self.worker.feed(fact, self.truth.now_ms))

    def _say(self, fact: Message) -> None:
        self.order_facts.append(fact)
        self._feed(fact)

    def _take(self, levels: Iterable[Level]) -> None:
        for level in levels:
            self.oracle.deliver(level)

    # orders, step by step

    def _advance(self, line: Line) -> None:
        if line.dropped or (line.refused and line.heard):
            return
        if not self.setup.orders:
            self._advance_alone(line)
        elif line.heard is None:
            line.heard = line.sold
            placed = LinePlaced(
                connection=line.channel,
                sku=SKU,
                line=line.id,
                place=line.place,
                quantity=Decimal(line.sold),
                said_ms=line.sold_ms,
            )
            self._say(placed)
        elif line.heard == 0 and (line.refused or not line.asked):
            line.dropped = True
            self._say(LineDropped(connection=line.channel, sku=SKU, line=line.id))
        elif not line.asked:
            line.asked = line.heard
        elif line.reserved is None:
            self.waiting.append(self.truth.reserve(line, line.asked, jitter=len(line.id), seller=self._seller(line.channel)))
        elif line.answered_ms is None:
            line.answered_ms = self.truth.now_ms
        elif not line.said:
            line.said = True
            self._say(LineReserved(connection=line.channel, sku=SKU, line=line.id, by_ms=line.answered_ms))

    def _advance_alone(self, line: Line) -> None:
        """The shop sends its order to the warehouse itself."""
        if line.reserved is None:
            line.dropped = line.live == 0
            if not line.dropped:
                line.cancelled_ms = None
                self.waiting.append(self.truth.reserve(line, line.live, jitter=0, seller=self._seller(line.channel)))

    def _hear(self, line: Line) -> None:
        was, now = line.cancels.pop(0)
        line.heard = now
        self._say(LineCounted(connection=line.channel, sku=SKU, line=line.id, was=Decimal(was), now=Decimal(now)))

    def _surplus(self, line: Line) -> int:
        """What the warehouse keeps for a line beyond what its shop wants, as far as the warehouse may know."""
        wanted = line.heard if self.setup.orders else line.live
        return max(0, line.reserved - line.freed - wanted) if line.reserved is not None and wanted is not None else 0

    def _free(self, line: Line, quantity: int, jitter: int) -> None:
        self.waiting.append(self.truth.free(line, quantity, jitter=jitter, seller=self._seller(line.channel)))

    def _seller(self, channel: str) -> str:
        """Orders use the shop's ids in turn; in orders mode some use one that is not configured (yet)."""
        return f"{channel}-{len(self.truth.lines) % self.sellers}"

    def _keep_promise(self, until_ms: int) -> None:
        """Seller mode: let happen and hand over what must be known before `until_ms`."""
        for line in self.truth.lines:
            if line.waits and line.sold_ms + LAG_MS <= until_ms:
                self._advance(line)
            if line.cancelled_ms is not None and line.cancelled_ms + LAG_MS <= until_ms and self._surplus(line):
                self._free(line, self._surplus(line), 0)
        for move in [move for move in self.waiting if move.since_ms + LAG_MS <= until_ms]:
            self.waiting.remove(move)
            self.kept.append(move)
            self._hand(move, 0, 0, 0)
            self._look()

    def _reconfigure(self, shop: str, **changes: object) -> None:
        config = self.worker.config
        channels = {**config.channels, shop: msgspec.structs.replace(config.channels[shop], **changes)}
        self._take(self.worker.reconfigure(msgspec.structs.replace(config, channels=channels), self.truth.now_ms))

    def _slack_ms(self) -> int:
        clock = self.clock
        return clock.resolution_ms + clock.early_ms + clock.late_ms + clock.staleness_ms + 2 * clock.skew_ms + 1

    def _look(self) -> None:
        self.oracle.look()
        quiet = not self.waiting and not self.truth.readings and not any(self._surplus(line) for line in self.truth.lines)
        self.oracle.after_audit(quiet=quiet)


def _config(setup: Setup, clock: Clock) -> StockConfig:
    slack = ClockSlack(
        resolution_ms=clock.resolution_ms,
        early_ms=clock.early_ms,
        late_ms=clock.late_ms,
        staleness_ms=clock.staleness_ms,
        skew_ms=clock.skew_ms,
    )
    limit = None if setup.limit is None else Decimal(setup.limit)
    warehouses = {place: WarehouseConfig(connection=f"wh-{place}", clock=slack, cap=setup.cap, correction_limit=limit) for place in PLACES}
    channels = {
        shop: ChannelConfig(
            incremental=shop == SHOPS[1],
            orders_mode=setup.orders,
            places=setup.places(shop),
            buffer=Decimal(1),
            sellers=dict.fromkeys(setup.places(shop), (f"{shop}-0",)),
            lag_ms=LAG_MS,
            keep_ms=KEEP_MS,
            cap=1_000,
            audited=setup.audited and shop == SHOPS[1],
        )
        for shop in SHOPS
    }
    return StockConfig(warehouses=warehouses, channels=channels)


def _pick(items: list[T], which: int) -> T | None:
    """One of them, by any number; None if there are none."""
    return items[which % len(items)] if items else None
