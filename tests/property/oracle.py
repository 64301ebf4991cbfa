"""What must hold, said with the truth: S1 to S5 of the fence, exactly as defined there. S6 is in the driver's crash."""

from decimal import Decimal
from typing import Any

from models.facts import StockCounted
from models.level import Level
from models.stock_row import Channel, Place, StockRow
from tests.property.driver import ViolationError, Worker
from tests.property.world import Line, Move, Shop, Truth


class Oracle:
    """Compares a worker's row and its numbers with the truth.

    `positions` tells at which position of its place each reading's figure was taken, `adopted` the same of the reading
    that stands in the row. `read`: every place was read before anything happened.
    """

    def __init__(self, truth: Truth, worker: Worker, *, orders: bool, promises: bool = True, read: bool = True) -> None:
        self.truth = truth
        self.worker = worker
        self.orders = orders
        self.promises = promises
        self.read = read
        self.positions: dict[StockCounted, int] = {}
        self.adopted: dict[str, int] = {}

    def counted(self, fact: StockCounted, before: StockRow | None) -> None:
        """A reading was handed over: see whether the row adopted it."""
        was = before.wh.get(fact.place) if before is not None else None
        now = self._row().wh[fact.place]
        if now.base is not None and (was is None or (was.base, was.t0, was.t1) != (now.base, now.t0, now.t1)):
            self.adopted[fact.place] = self.positions[fact]

    def deliver(self, level: Level) -> None:
        """A number is on its way to its shop."""
        shop = self.truth.shops[level.connection]
        _holds((level.total is not None) == shop.incremental, "S2", f"{shop.name} is told in the wrong form: {level}")
        shop.coming.append((level.sequence, level.level if level.total is None else level.total))

    def look(self) -> None:
        """After every step: S3, S4, S5."""
        for name in self.adopted:
            self._counts_once(name, self._row().wh[name])
        if self.promises:
            for level in self.worker.said.values():
                self._is_safe(level)
        self._has_bounds()

    def at_rest(self) -> None:
        """When all is handed over and served: S1 and S2."""
        for name, place in self.truth.places.items():
            low, high = value(self._row().wh[name])
            _holds(low == high == place.available, "S1", f"{name} is {low}..{high}, truly {place.available}: {self._row().wh[name]}")
        for shop in self.truth.shops.values():
            shop.arrive()
            limit = self.limit(shop)
            _holds(shop.shown == limit, "S2", f"{shop.name} shows {shop.shown}, right is {limit}: {self._row()}")

    def after_audit(self, *, quiet: bool) -> None:
        """An audit that ended while all was quiet has put its shop right."""
        for name in self.worker.corrected:
            self._is_read_for_audit(name)
            shop = self.truth.shops[name]
            shop.arrive()
            known = all(value(self._row().wh[place])[0] == self.truth.places[place].available for place in self._places(shop))
            right = shop.shown == self.limit(shop) or shop.unreserved > 0 or not (quiet and known)
            _holds(right, "audit", f"{name} is corrected to {shop.shown}, right is {self.limit(shop)}: {self._row()}")

    def _is_read_for_audit(self, name: str) -> None:
        """A correction rests on readings asked for after the second look."""
        look = self.worker.log[-2].row.ch[name].look
        second_ms = None if look is None else look.second_ms
        _holds(second_ms is not None, "audit", f"{name} is corrected without a second look: {self._row()}")
        for place in self._places(self.truth.shops[name]):
            missing = self.truth.places[place].moves[self.adopted[place] :]
            old = [move for move in missing if second_ms is not None and move.at_ms < second_ms - self.truth.clock.staleness_ms]
            _holds(not old, "audit", f"{name} is corrected without a reading of {place} after the second look: {self._row()}")

    def limit(self, shop: Shop) -> Decimal:
        """What the shop may show right now."""
        config = self.worker.config.channels[shop.name]
        return sum(self.truth.places[name].available for name in config.places) - config.buffer - shop.unreserved

    def unseen(self, shop: Shop) -> int:
        """The sizes of decreases whose news has not reached us."""
        return self._unseen_orders(shop) if self.orders else self._unseen_alone(shop)

    def has_open_line(self, move: Move) -> bool:
        """Whether the shop of the move's seller id has an open line where it happened: then nobody can know whose it is."""
        channels: dict[str, Channel] = self._row().ch if self.worker.row is not None else {}
        channel = channels.get(move.seller.rpartition("-")[0]) if move.seller is not None else None
        return channel is not None and any(line.place == move.place for line in channel.open)

    def _unseen_orders(self, shop: Shop) -> int:
        moves = sum(self._unseen_part(move, shop) for name in self._places(shop) for move in self._missing(name))
        if shop.incremental:
            return moves + sum(max(0, line.heard - line.live) for line in shop.lines if line.heard is not None)
        return moves + sum(line.live for line in shop.lines if line.heard is None)

    def _unseen_part(self, move: Move, shop: Shop) -> int:
        """Of a shop's own reservation only the part counts that the shop has cancelled, as far as we heard."""
        own = move.line is not None and move.line.channel == shop.name
        kept = (move.line.heard or 0) if own and move.line is not None else 0
        return max(0, -move.delta - kept)

    def _unseen_alone(self, shop: Shop) -> int:
        """Seller mode: foreign decreases and own cancellations not handed over, read or not; or own orders not heard."""
        if not shop.incremental:
            return shop.unreserved + sum(max(0, -move.delta) for name in self._places(shop) for move in self._missing(name))
        foreign = sum(
            max(0, -move.delta)
            for name in self._places(shop)
            for move in self.truth.places[name].moves
            if not move.handed and not _is_own(move, shop)
        )
        return foreign + sum(self._cancelled(line) for line in shop.lines)

    def _cancelled(self, line: Line) -> int:
        """What the shop took back of a reserved line without our having its move; before that, the order is just smaller.

        Stricter than the promise where a reading is never a place's first: as the raise that it brings waits, only what
        the warehouse itself has not freed is ahead of it.
        """
        freed = line.freed if self.read else line.freed_known
        return max(0, line.reserved - line.live - freed) if line.reserved is not None else 0

    def _places(self, shop: Shop) -> tuple[str, ...]:
        return self.worker.config.channels[shop.name].places

    def _missing(self, place: str) -> list[Move]:
        """The moves after the adopted reading's figure that were not handed over."""
        return [move for move in self.truth.places[place].moves[self.adopted[place] :] if not move.handed]

    def _known(self, place: str) -> int:
        """K: the adopted reading and every move handed to us that happened after it."""
        position = self.adopted[place]
        later = [move.delta for move in self.truth.places[place].moves[position:] if move.handed]
        return self.truth.places[place].figure(position) + sum(later)

    def _counts_once(self, name: str, place: Place) -> None:
        low, high = value(place)
        known = self._known(name)
        _holds(low <= known, "S3", f"{name} low {low} > known {known}: {place}")
        _holds(place.folded or known <= high, "S3", f"{name} high {high} < known {known}: {place}")

    def _is_safe(self, level: Level) -> None:
        shop = self.truth.shops[level.connection]
        computed = level.level if level.total is None else level.total - shop.sold + shop.edits
        bound = self.limit(shop) + self.unseen(shop)
        _holds(computed <= bound, "S4", f"{shop.name} gets {computed}, right {self.limit(shop)}, unseen {self.unseen(shop)}: {self._row()}")

    def _has_bounds(self) -> None:
        if self.worker.row is None:
            return
        row = self._row()
        for name, place in row.wh.items():
            cap = self.worker.config.warehouses[name].cap
            _holds(len(place.moves) <= cap, "S5", f"{name} remembers {len(place.moves)} moves, cap {cap}")
        for name, channel in row.ch.items():
            for line in channel.open:
                read = line.place in self.adopted
                surely_counted = read and line.by_ms is not None and line.by_ms < row.wh[line.place].t0
                _holds(not surely_counted, "S5", f"{name} keeps {line.line} open: {row}")
            _holds(len(channel.done) <= self.worker.config.channels[name].cap, "S5", f"{name} keeps too many tombstones")

    def _row(self) -> StockRow:
        row: Any = self.worker.row
        _holds(isinstance(row, StockRow), "S1", "there is no row")
        return row  # type: ignore[no-any-return]  # just looked


def value(place: Place) -> tuple[Decimal, Decimal]:
    """W2, said again: the least and the most that the row's own moves allow."""
    base = place.base if place.base is not None else Decimal(0)
    later = [move.delta for move in place.moves if move.lo_ms is not None and move.lo_ms > place.t1]
    unclear = [move.delta for move in place.moves if move.lo_ms is None or move.lo_ms <= place.t1]
    sure = base + sum(later)
    return sure + sum(min(delta, Decimal(0)) for delta in unclear), sure + sum(max(delta, Decimal(0)) for delta in unclear)


def _is_own(move: Move, shop: Shop) -> bool:
    return move.line is not None and move.line.channel == shop.name


def _holds(holds: bool, rule: str, text: str) -> None:  # noqa: FBT001  # the claim itself
    if not holds:
        raise ViolationError(f"{rule}: {text}")
