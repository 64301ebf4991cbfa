"""Every interleaving of a few moves and readings of one place, breadth first, on the real decision.

A state is the whole truth and the row; what the decision makes of a (row, fact) is computed once. The sequence, the
times that only people look at and the metrics in the row are set to nothing, so that equal situations are one state.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from msgspec.structs import replace

from models import topics
from models.agent import Record, View
from models.codec import encode
from models.config import ChannelConfig, ClockSlack, StockConfig, WarehouseConfig
from models.facts import StockCounted, StockMoved
from models.hint import ReadItem
from models.message import Message, Tick
from models.stock_row import Channel, Place, StockRow
from tests.property.driver import SKU, Decide, ViolationError
from tests.property.oracle import value

PLACE, SHOP = "north", "level-shop"
OPENING: Final = 10
START: Final = 1_000


class Moved(NamedTuple):
    """A move of the truth: `handed` says that we have it."""

    delta: int
    at: int
    handed: bool = False


class Read(NamedTuple):
    """A reading under way; `handed` ones are forgotten but for their number."""

    asked: int
    position: int | None = None
    answered: int | None = None


class State(NamedTuple):
    """`adopted` is the position of the figure in the row, `started` counts readings, `row` is an index."""

    now: int
    moves: tuple[Moved, ...]
    readings: tuple[Read, ...]
    started: int
    repeats: int
    adopted: int
    row: int


@dataclass(frozen=True)
class Scope:
    """How much may happen: `deltas` per move, in the order of the moves; stamps are cut to `resolution`."""

    deltas: tuple[tuple[int, ...], ...]
    readings: int
    repeats: int
    span: int
    resolution: int = 1
    cap: int = 60
    masked: bool = False


@dataclass
class Explorer:
    """Breadth first, so the first violation found is a shortest one; its path is in the error."""

    decide: Decide
    scope: Scope
    rows: list[StockRow] = field(default_factory=list)
    transitions: int = 0
    ends: int = 0
    _index: dict[bytes, int] = field(default_factory=dict)
    _made: dict[tuple[int, Message, int], int] = field(default_factory=dict)
    _settled: set[tuple[int, int, int]] = field(default_factory=set)

    def run(self) -> int:
        """Visit every state; returns how many there are."""
        slack = ClockSlack(resolution_ms=self.scope.resolution, early_ms=0, late_ms=0, staleness_ms=0, skew_ms=0)
        warehouse = WarehouseConfig(connection="wh", clock=slack, cap=self.scope.cap)
        shop = ChannelConfig(incremental=False, orders_mode=True, places=(PLACE,))
        self._config = StockConfig(warehouses={PLACE: warehouse}, channels={SHOP: shop})
        row = self._keep(self._decide(None, _counted(OPENING, START - 1, START - 1), START - 1)[0])
        first = State(START, (), (), 0, self.scope.repeats, 0, row)
        seen: dict[State, tuple[State, str] | None] = {first: None}
        queue = deque((first,))
        while queue:
            state = queue.popleft()
            for step, following in self._steps(state):
                self.transitions += 1
                if following in seen:
                    continue
                seen[following] = (state, step)
                try:
                    self._look(following)
                except ViolationError as error:
                    raise ViolationError(f"{error} after {_path(seen, following)}") from error
                queue.append(following)
        return len(seen)

    def _steps(self, state: State) -> Iterator[tuple[str, State]]:
        yield from self._time_and_moves(state)
        yield from self._readings(state)
        for index, move in enumerate(state.moves):
            if not move.handed:
                yield from self._hand(state, index, move._replace(handed=True))
            elif state.repeats:
                yield from self._hand(state._replace(repeats=state.repeats - 1), index, move)

    def _time_and_moves(self, state: State) -> Iterator[tuple[str, State]]:
        if state.now < START + self.scope.span:
            yield "tick", state._replace(now=state.now + 1)
        if len(state.moves) < len(self.scope.deltas):
            for delta in self.scope.deltas[len(state.moves)]:
                yield f"move {delta}", state._replace(moves=(*state.moves, Moved(delta, state.now)))

    def _hand(self, state: State, index: int, move: Moved) -> Iterator[tuple[str, State]]:
        moves = (*state.moves[:index], move, *state.moves[index + 1 :])
        stamp = move.at - move.at % self.scope.resolution
        hi = min(stamp + self.scope.resolution - 1, state.now)
        for lo, late in ((stamp, hi), *(((None, state.now),) if self.scope.masked else ())):
            row = self._apply(state.row, _moved(index, move.delta, lo, late), state.now)
            yield f"hand {index} lo {lo}", state._replace(moves=moves, row=row)

    def _readings(self, state: State) -> Iterator[tuple[str, State]]:
        if state.started < self.scope.readings:
            yield "ask", state._replace(readings=(*state.readings, Read(state.now)), started=state.started + 1)
        for index, reading in enumerate(state.readings):
            others = (*state.readings[:index], *state.readings[index + 1 :])
            if reading.position is None:
                taken = reading._replace(position=len(state.moves))
                yield f"figure {index}", state._replace(readings=tuple(sorted((*others, taken), key=_order)))
            elif reading.answered is None:
                answered = reading._replace(answered=state.now)
                yield f"answer {index}", state._replace(readings=tuple(sorted((*others, answered), key=_order)))
            else:
                yield f"count {index}", self._count(state._replace(readings=others), reading.asked, reading.position, reading.answered)

    def _count(self, state: State, asked: int, position: int, answered: int) -> State:
        before = self.rows[state.row].wh[PLACE]
        row = self._apply(state.row, _counted(_figure(state, position), asked, answered), state.now)
        after = self.rows[row].wh[PLACE]
        same = (before.base, before.t0, before.t1) == (after.base, after.t0, after.t1)
        return state._replace(row=row, adopted=state.adopted if same else position)

    def _look(self, state: State) -> None:
        row = self.rows[state.row]
        place = row.wh[PLACE]
        low, high = value(place)
        known = _figure(state, state.adopted) + sum(move.delta for move in state.moves[state.adopted :] if move.handed)
        _holds(low <= known and (place.folded or known <= high), f"S3: {low} .. {high}, known {known}: {place}")
        unseen = sum(max(0, -move.delta) for move in state.moves[state.adopted :] if not move.handed)
        told = row.ch[SHOP].told
        right = _figure(state, len(state.moves))
        _holds(told is not None and told.value <= right + unseen, f"S4: told {told}, right {right}, unseen {unseen}: {place}")
        _holds(len(place.moves) <= self.scope.cap, f"S5: {place}")
        if state.now == START + self.scope.span and not state.readings and all(move.handed for move in state.moves):
            self._settle(state.row, right, state.now)

    def _settle(self, row: int, right: int, now: int) -> None:
        """S1: serve what is asked for, at most four times; then the value is exact and nothing is asked."""
        if (row, right, now) in self._settled:
            return
        self._settled.add((row, right, now))
        self.ends += 1
        current = self.rows[row]
        for _ in range(5):
            low, high = value(current.wh[PLACE])
            if current.due is None:
                _holds(low == high == right, f"S1: {low} .. {high}, truly {right}, nothing asked: {current}")
                return
            now = max(now, current.due)
            current, asked = self._decide(current, Tick(now_ms=now), now)
            if asked:
                current, _ = self._decide(current, _counted(right, now, now), now)
        raise ViolationError(f"S1: still asked for after four readings: {current}")

    def _apply(self, row: int, fact: Message, now: int) -> int:
        made = self._made.get((row, fact, now))
        if made is None:
            made = self._keep(self._decide(self.rows[row], fact, now)[0])
            self._made[row, fact, now] = made
        return made

    def _decide(self, row: StockRow | None, fact: Message, now: int) -> tuple[StockRow, bool]:
        sequence = row.at + 1 if row is not None else 0
        record = Record(
            topic=topics.FACT_STOCK,
            partition=0,
            offset=sequence,
            sequence=sequence,
            time_ms=now,
            key=SKU,
            value=b"",
            headers={},
            body=fact,
        )
        decision = self.decide(View(SKU, row, self._config, {}), record)
        made: StockRow | None = decision.row if decision.row is not None else row
        if made is None:
            raise ViolationError(f"S1: no row after {fact}")
        return made, any(isinstance(emit.value, ReadItem) for emit in decision.emits)

    def _keep(self, row: StockRow) -> int:
        plain = _plain(row)
        return self._index.setdefault(encode(plain), self._new(plain))

    def _new(self, plain: StockRow) -> int:
        found = self._index.get(encode(plain))
        if found is None:
            self.rows.append(plain)
            found = len(self.rows) - 1
        return found


def _plain(row: StockRow) -> StockRow:
    """The row without what no rule looks at."""
    place: Place = row.wh[PLACE]
    ask = replace(place.ask, since_ms=0) if place.ask is not None else None
    channel: Channel = row.ch[SHOP]
    told = replace(channel.told, sequence=0, as_of_ms=0) if channel.told is not None else None
    wh = {PLACE: replace(place, ask=ask, drift=None)}
    return replace(row, at=0, due=None if ask is None else ask.due_ms, wh=wh, ch={SHOP: replace(channel, told=told)})


def _moved(index: int, delta: int, lo: int | None, hi: int) -> StockMoved:
    return StockMoved(connection="wh", place=PLACE, sku=SKU, item="item", id=f"move-{index}", lo_ms=lo, hi_ms=hi, delta=Decimal(delta))


def _counted(figure: int, asked: int, answered: int) -> StockCounted:
    return StockCounted(connection="wh", place=PLACE, sku=SKU, item="item", value=Decimal(figure), t0_ms=asked, t1_ms=answered)


def _figure(state: State, position: int) -> int:
    return OPENING + sum(move.delta for move in state.moves[:position])


def _order(reading: Read) -> tuple[int, int, int]:
    return reading.asked, -1 if reading.position is None else reading.position, reading.answered or 0


def _path(seen: dict[State, tuple[State, str] | None], state: State) -> list[str]:
    path: list[str] = []
    before = seen[state]
    while before is not None:
        path.insert(0, f"{before[1]} @{before[0].now - START}")
        before = seen[before[0]]
    return path


def _holds(holds: bool, text: str) -> None:  # noqa: FBT001  # the claim itself
    if not holds:
        raise ViolationError(text)
