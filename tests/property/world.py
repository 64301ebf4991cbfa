"""The true world behind the fence's property tests: what really happened in places, shops and on the wire, and when.

Nothing here knows a rule of ours. Each `Step` is plain data, so that a failing run can be kept and played again.
Quantities are whole units, times are milliseconds of our clock.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

START_MS: Final = 1_000_000
SOURCE_AHEAD_MS: Final = 7
NO_TIME, NO_ID, NO_SELLER = 1, 2, 4

Step = tuple[str | int, ...]


@dataclass(eq=False)
class Line:
    """One order line of a shop, as the shop, we and the warehouse know it.

    `live` is what the shop counts as sold, `heard` what we were last told it counts (None: not told of the line).
    """

    id: str
    channel: str
    place: str
    sold: int
    sold_ms: int
    live: int
    heard: int | None = None
    asked: int = 0
    reserved: int | None = None
    freed: int = 0
    freed_known: int = 0
    answered_ms: int | None = None
    said: bool = False
    dropped: bool = False
    packed: bool = False
    refused: bool = False
    cancels: list[tuple[int, int]] = field(default_factory=list)
    cancelled_ms: int | None = None

    @property
    def waits(self) -> bool:
        """Whether no warehouse has reserved it yet."""
        return self.reserved is None and not self.dropped


@dataclass(eq=False)
class Move:
    """One change of a place's true stock; `position` counts the place's moves from 1.

    `since_ms` is when its cause happened: the sale or the cancellation for a shop's own move.
    """

    id: str
    place: str
    position: int
    at_ms: int
    delta: int
    stamp_ms: int
    seller: str | None = None
    line: Line | None = None
    since_ms: int = 0
    handed: bool = False


@dataclass(eq=False)
class Reading:
    """One HTTP answer about one place: asked, figure taken after the first `position` moves, answered, handed."""

    place: str
    asked_ms: int
    position: int | None = None
    answered_ms: int | None = None


@dataclass(eq=False)
class Place:
    """A warehouse: its moves in their true order."""

    name: str
    opening: int
    moves: list[Move] = field(default_factory=list)

    def figure(self, position: int) -> int:
        """What was available after the first `position` moves."""
        return self.opening + sum(move.delta for move in self.moves[:position])

    @property
    def available(self) -> int:
        """What is available now."""
        return self.figure(len(self.moves))


@dataclass(eq=False)
class Shop:
    """A channel: what it was told last, and what it counts itself. `edits` is what a person typed in by hand.

    `coming` are the numbers (with their sequences) on their way to it, in the order of saying.
    """

    name: str
    incremental: bool
    lines: list[Line] = field(default_factory=list)
    sequence: int = -1
    told: Decimal = Decimal(0)
    edits: int = 0
    coming: list[tuple[int, Decimal]] = field(default_factory=list)

    @property
    def sold(self) -> int:
        """Its net sales, as the shop counts them."""
        return sum(line.live for line in self.lines)

    @property
    def unreserved(self) -> int:
        """Its own live orders that no warehouse has reserved."""
        return sum(line.live for line in self.lines if line.waits)

    @property
    def shown(self) -> Decimal:
        """The number on its pages."""
        return self.told - self.sold + self.edits if self.incremental else self.told

    def arrive(self) -> None:
        """All that is on its way arrives: strictly older numbers are dropped, equal ones taken again."""
        for sequence, value in self.coming:
            if sequence >= self.sequence:
                self.sequence, self.told = sequence, value
        self.coming.clear()


@dataclass(frozen=True)
class Clock:
    """How wrong stamps and answers are in this world (ms)."""

    resolution_ms: int = 10
    early_ms: int = 0
    late_ms: int = 0
    staleness_ms: int = 0
    skew_ms: int = 0

    def jitter(self, choice: int) -> int:
        """How much later than the true moment a stamp is taken."""
        return (0, self.late_ms, -self.early_ms)[choice % 3]

    def error(self, choice: int) -> int:
        """How wrong our idea of the source's clock is."""
        return (0, self.skew_ms, -self.skew_ms)[choice % 3]


def stamped_interval(stamp_ms: int, ahead_ms: int, received_ms: int, clock: Clock) -> tuple[int, int]:
    """The interval on our clock in which a stamped move happened: the first form of the fence's third section."""
    lo = stamp_ms - ahead_ms - clock.late_ms - clock.skew_ms
    hi = stamp_ms - ahead_ms + clock.resolution_ms - 1 + clock.early_ms + clock.skew_ms
    return lo, min(hi, received_ms)


Interval = Callable[[int, int, int, Clock], tuple[int, int]]


class Truth:
    """Two places and the shops that sell from both; `now_ms` is the true time on our clock."""

    def __init__(self, clock: Clock, shops: tuple[Shop, ...]) -> None:
        self.clock = clock
        self.now_ms = START_MS
        self.places = {name: Place(name, opening=10) for name in ("north", "south")}
        self.shops = {shop.name: shop for shop in shops}
        self.lines: list[Line] = []
        self.readings: list[Reading] = []
        self.lost = False

    def move(self, place: str, delta: int, *, jitter: int = 0, seller: str | None = None, line: Line | None = None) -> Move:
        """Change a place's stock now; returns the move whose webhook is then on its way."""
        moves = self.places[place].moves
        source_ms = self.now_ms + SOURCE_AHEAD_MS + self.clock.jitter(jitter)
        stamp_ms = source_ms - source_ms % self.clock.resolution_ms
        number = len(moves) + 1
        move = Move(f"{place}-{number}", place, number, self.now_ms, delta, stamp_ms, seller, line, since_ms=self.now_ms)
        moves.append(move)
        return move

    def sell(self, channel: str, place: str, quantity: int) -> Line:
        """A customer buys at a shop."""
        line = Line(f"{channel}-{len(self.lines)}", channel, place, quantity, self.now_ms, live=quantity)
        self.lines.append(line)
        self.shops[channel].lines.append(line)
        return line

    def cancel(self, line: Line, quantity: int) -> None:
        """The shop takes back (a part of) a line."""
        was, line.live = line.live, max(0, line.live - quantity)
        if was != line.live:
            line.cancels.append((was, line.live))
            line.cancelled_ms = self.now_ms if line.cancelled_ms is None else line.cancelled_ms

    def reserve(self, line: Line, quantity: int, *, jitter: int, seller: str | None) -> Move:
        """The warehouse reserves a line for its shop."""
        line.reserved = quantity
        move = self.move(line.place, -quantity, jitter=jitter, seller=seller, line=line)
        move.since_ms = line.sold_ms
        return move

    def free(self, line: Line, quantity: int, *, jitter: int, seller: str | None) -> Move:
        """The warehouse gives back some of what it reserved for a line."""
        line.freed += quantity
        move = self.move(line.place, quantity, jitter=jitter, seller=seller, line=line)
        move.since_ms = self.now_ms if line.cancelled_ms is None else line.cancelled_ms
        return move

    def take(self, reading: Reading, choice: int) -> None:
        """Take the figure of a reading: any that was true since `staleness_ms` before it was asked for."""
        moves = self.places[reading.place].moves
        oldest = sum(move.at_ms < reading.asked_ms - self.clock.staleness_ms for move in moves)
        reading.position = len(moves) - choice % (len(moves) - oldest + 1)
