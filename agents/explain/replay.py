"""The records of one SKU ─▶ its story: the engine's part for one key, with the real `decide`.

Which rows a `Tick` or a slice of `ConfigChanged` reached depends on other rows and on how records were fetched together.
So where it matters both are tried, and the rows that the table has written tell which it was.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from agents.explain import describe
from agents.explain.step import End, Step
from agents.stock.correction import SWEEP, SWEEPS_KEPT
from agents.stock.decide import decide
from agents.stock.warehouse import value_of
from models.agent import Record, View
from models.config import StockConfig
from models.facts import StockCounted
from models.message import ConfigChanged, Tick
from models.stock_row import StockRow, SweepRow

WORLDS_MAX = 256

UNKNOWN_BEFORE = (
    "What came before is no longer known: a warehouse's number is exact from its first adopted reading on, "
    "totals and what was held back only from the first row of the table on."
)
UNTOLD = "When its waits were over cannot be told from the records alone everywhere; the rows of the table were taken there."
UNKNOWN_CONFIG = "The configuration of that time is no longer known: the oldest one known is taken for it."
UNKNOWN_SWEEPS = (
    "Which full readings were stopped is remembered for the last four of a warehouse with held readings; older ones count as not stopped."
)
_decode_config = msgspec.json.Decoder(StockConfig).decode


class Unusable(msgspec.Struct, frozen=True):
    """The body of a record that nobody understands."""

    reason: str


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What the table says. `rows` of the SKU as they were written, as far as they are kept, by growing `at`.

    `config` is in force at the beginning of the story (None: not known any more), `latest` at its end; `told_in` is the number of
    slices until the row is told it. `before` keys sort before ours: the engine tells rows a new configuration in that order,
    `slice_size` at a time. Records below sequence `done` are in the table for certain.
    """

    rows: tuple[StockRow, ...] = ()
    shared: Mapping[str, Any] = {}
    config: StockConfig | None = None
    digest: str = ""
    told_in: int | None = None
    latest: StockConfig | None = None
    before: int = 0
    slice_size: int = 500
    done: int = 0


class World(msgspec.Struct, frozen=True):
    """One way it may have been: `doubt` counts where it leaves the usual course. `told_in`: slices until a configuration is told."""

    row: StockRow | None
    doubt: int = 0
    told_in: int | None = None
    steps: "Chain | None" = None


class Chain(msgspec.Struct, frozen=True, gc=False):
    """Steps, the newest first; worlds that part share what came before."""

    step: Step
    earlier: "Chain | None"


class Replay:
    """Take the records of one partition that concern the SKU (its own, and the engine's), in order; then `end`.

    `begins` is the sequence of the first record there could be; `whole`: there never was one before. `assumed` is the
    configuration to believe in where none is known.
    """

    def __init__(self, sku: str, table: Table, assumed: StockConfig, *, begins: int, whole: bool) -> None:
        self.sku = sku
        self.table = table
        older = [row for row in table.rows if row.at < begins]
        self.first_row = older[-1] if older else None
        self.row_known = bool(older) or whole or not table.rows
        self.notes: list[str] = []
        self._witnesses = deque(row for row in table.rows if row.at >= begins)
        self._row_exact, self._config_exact = whole or not table.rows, whole
        self._taken_over = self._crowded = False
        self._whole = whole
        self._worlds = [World(self.first_row, told_in=table.told_in)]
        self._assumed = table.latest or assumed
        self._config = table.config
        self._digest = table.digest
        self._waiting: list[Record] = []
        self._differs: list[str] = []
        if not self.row_known:
            self.notes.append(UNKNOWN_BEFORE)

    def take(self, record: Record) -> None:
        """The next record. `Record.key` is the SKU's, or begins with `@`."""
        if self._config is not None:
            self._take(record)
        elif isinstance(record.body, ConfigChanged):
            self._begin_with(_decode_config(record.body.config))
            self._take(record)
        elif self._waiting or self.first_row is not None or record.key == self.sku:
            self._waiting.append(record)

    def end(self) -> tuple[list[Step], End]:
        """The whole story."""
        if self._config is None:
            self._begin_with(self._assumed)
        world = self._worlds[0]
        steps = list(_unwound(world.steps))[::-1]
        row = self.table.rows[-1] if self.table.rows else world.row
        pending = sum(step.pending and step.sequence >= self.table.done for step in steps)
        surplus = [step for step in steps if step.pending and step.exact and step.sequence < self.table.done]
        differs = [*self._differs, *(f"the table does not have record {step.offset}, which changes the row" for step in surplus)]
        differs += [f"the table has a row of sequence {left.at}, of which there is no record" for left in self._witnesses]
        numbers = {} if row is None else {name: value for name, place in row.wh.items() if (value := value_of(place)) is not None}
        return steps, End(
            sku=self.sku,
            agrees=_agreement(differs, pending=pending, told=bool(self.table.rows), taken_over=self._taken_over),
            differs=tuple(differs),
            pending=pending,
            row=row,
            numbers=numbers,
            notes=tuple(self.notes),
        )

    def _begin_with(self, config: StockConfig) -> None:
        self._config = config
        if self._waiting and not self._whole:
            self.notes.append(UNKNOWN_CONFIG)
        waiting, self._waiting = self._waiting, []
        for record in waiting:
            self._take(record)

    def _take(self, record: Record) -> None:
        body = record.body
        if isinstance(body, ConfigChanged):
            if body.digest == self._digest:
                return
            self._digest, self._config, self._config_exact = body.digest, _decode_config(body.config), True
            found = [world for before in self._worlds for world in self._told(before, record)]
        elif isinstance(body, Tick):
            found = [world for before in self._worlds for world in self._ticked(before, record, body)]
        else:
            found = [self._applied(world, record) for world in self._worlds]
        distinct = _distinct(found)
        self._worlds = distinct[:WORLDS_MAX]
        self._crowded |= len(distinct) > WORLDS_MAX
        self._compare(record)

    def _told(self, world: World, record: Record) -> Iterator[World]:
        """A new configuration: each row is told in its slice."""
        if world.row is None or self._is_settled:
            yield replace(world, told_in=None)
            return
        usual = self.table.before // self.table.slice_size
        for turn in range(usual, -1, -1) if self.table.rows else (usual,):  # there were fewer keys then
            told = replace(world, doubt=world.doubt + usual - turn, told_in=turn or None)
            yield self._applied(told, record) if turn == 0 else told

    def _ticked(self, world: World, record: Record, tick: Tick) -> Iterator[World]:
        """A timer: the row sees it if it is due, or if its slice of a new configuration comes with it; either may be put off."""
        row, left = world.row, world.told_in
        is_due = row is not None and row.due is not None and row.due <= tick.now_ms
        if (not is_due and left is None) or self._is_settled:
            yield world
            return
        moved = replace(world, told_in=left - 1 or None) if left else world
        is_told = left == 1
        usual = self._applied(moved, record) if is_told or is_due else moved
        yield usual
        if not self.table.rows:
            return
        later = replace(world, doubt=world.doubt + 1)
        if left and is_due:
            yield self._applied(later, record)
        if self._witnesses[0].at != record.sequence and usual.row is not row:
            yield replace(moved, doubt=world.doubt + 1) if left and not is_told else later

    def _applied(self, world: World, record: Record) -> World:
        """The world after the record, decided on as the engine does."""
        row = world.row
        if isinstance(record.body, Unusable):
            return self._noted(world, describe.unusable(record, record.body.reason))
        own = record if record.key == self.sku else replace(record, key=self.sku)
        config = self._config or self._assumed
        self._note_forgotten_sweep(record, config)
        view = View(self.sku, row, config, self.table.shared)
        decision = decide(view, own)
        after = decision.row if decision.row is not None and (row is None or decision.row.at >= row.at) else row
        if after is row and not decision.emits and record.key != self.sku:
            return world
        step = describe.step(view, own, after, decision, stopped=self._stopped(record))
        return self._noted(replace(world, row=after), replace(step, exact=self._exact, pending=after is not row and self._is_settled))

    @property
    def _exact(self) -> bool:
        """Whether all that the decisions stand on is known; a story from the middle may begin within one batch of the table."""
        return self._row_exact and self._config_exact

    @property
    def _is_settled(self) -> bool:
        """Whether the table's last row is reached: what was put off from here on has not happened to it."""
        return bool(self.table.rows) and not self._witnesses

    def _noted(self, world: World, step: Step) -> World:
        return replace(world, steps=Chain(step, world.steps))

    def _stopped(self, record: Record) -> str | None:
        """The sweep whose limit this reading was the one to pass."""
        sweeps: SweepRow | None = self.table.shared.get(SWEEP)
        counts = () if sweeps is None else (count for one in sweeps.places.values() for count in one)
        return next((count.sweep for count in counts if count.stopped == record.sequence), None)

    def _note_forgotten_sweep(self, record: Record, config: StockConfig) -> None:
        fact, sweeps = record.body, self.table.shared.get(SWEEP)
        if not isinstance(fact, StockCounted) or fact.sweep is None or sweeps is None or UNKNOWN_SWEEPS in self.notes:
            return
        known = sweeps.places.get(fact.place, ())
        limited = fact.place in config.warehouses and config.warehouses[fact.place].correction_limit is not None
        if limited and len(known) >= SWEEPS_KEPT and record.sequence < sweeps.at and all(one.sweep != fact.sweep for one in known):
            self.notes.append(UNKNOWN_SWEEPS)

    def _compare(self, record: Record) -> None:
        """Keep the worlds that agree with what the table wrote; if none does, the table is right."""
        if not self._witnesses or self._witnesses[0].at > record.sequence:
            return
        while self._witnesses and self._witnesses[0].at <= record.sequence:
            witness = self._witnesses.popleft()
        exact, crowded = self._exact, self._crowded
        self._row_exact, self._crowded = True, False
        agreeing = [world for world in self._worlds if world.row == witness]
        self._taken_over = not agreeing and (crowded or not exact)
        if agreeing:
            self._worlds = agreeing
            self._config_exact |= self.table.config is not None
            return
        best = self._worlds[0]
        found = describe.differences(best.row, witness)
        if crowded and UNTOLD not in self.notes:
            self.notes.append(UNTOLD)
        if not self._taken_over:
            self._differs += (f"at {record.offset}: {text}" for text in found)
        last = best.steps
        if last is not None and last.step.sequence == record.sequence:
            last = Chain(replace(last.step, corrected=() if self._taken_over else tuple(found), row=witness), last.earlier)
        self._worlds = [replace(best, row=witness, steps=last)]


def _agreement(differs: Iterable[str], *, pending: int, told: bool, taken_over: bool) -> str:
    if not told:
        return "no table"
    if any(differs):
        return "no"
    if pending:
        return "behind"
    return "unknown" if taken_over else "yes"


def _distinct(worlds: list[World]) -> list[World]:
    """The worlds that differ, the least doubtful first."""
    if len(worlds) == 1:
        return worlds
    found: list[World] = []
    for world in sorted(worlds, key=_doubt):
        if not any(world.row == other.row and world.told_in == other.told_in for other in found):
            found.append(world)
    return found


def _doubt(world: World) -> int:
    return world.doubt


def _unwound(chain: Chain | None) -> Iterator[Step]:
    while chain is not None:
        yield chain.step
        chain = chain.earlier
