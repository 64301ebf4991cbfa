"""Drive the stock decision as the engine would: records with growing offsets, one row, crashes with replay from the log."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from models import topics
from models.agent import Decision, Record, View
from models.codec import encode, headers_of
from models.config import StockConfig
from models.hint import ReadItem
from models.level import Level
from models.message import ConfigChanged, Message, Tick

SKU: Final = "4711"

Decide = Callable[[View, Record], Decision]


class ViolationError(AssertionError):
    """An invariant of the fence does not hold; the text begins with its number."""


@dataclass(frozen=True)
class Applied:
    """One record that was decided, and what stood afterwards."""

    record: Record
    config: StockConfig
    row: Any
    shared: dict[str, Any]
    levels: tuple[Level, ...]


@dataclass
class Worker:
    """The row of one SKU and its log. `asked` collects the connections that the row wants to be read.

    `said` holds the newest level per channel, `corrected` the channels that the last record corrected after an audit.
    """

    decide: Decide
    config: StockConfig
    row: Any = None
    shared: dict[str, Any] = field(default_factory=dict)
    log: list[Applied] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    said: dict[str, Level] = field(default_factory=dict)
    corrected: tuple[str, ...] = ()

    def feed(self, body: Message, now_ms: int) -> tuple[Level, ...]:
        """Decide the next record; returns the numbers it says."""
        record = self._record(body, now_ms)
        decision = self._apply(record, self.config)
        levels = _levels(decision)
        self.corrected = tuple(count.labels[0] for count in decision.counts if count.labels[1:] == ("corrected",))
        self.log.append(Applied(record, self.config, self.row, dict(self.shared), levels))
        self.asked |= {emit.value.connection for emit in decision.emits if isinstance(emit.value, ReadItem)}
        for level in levels:
            self.said[level.connection] = level
        return levels

    def reconfigure(self, config: StockConfig, now_ms: int) -> tuple[Level, ...]:
        """Say a new configuration to the row."""
        self.config = config
        return self.feed(ConfigChanged(digest=str(len(self.log)), config=msgspec.Raw(encode(config))), now_ms)

    @property
    def due_ms(self) -> int | None:
        """When the row wants a tick."""
        due: int | None = self.row.due if self.row is not None else None
        return due

    def tick(self, now_ms: int) -> tuple[Level, ...]:
        """The engine's timer: a tick if the row is due; what it was due for is over then."""
        before_ms = self.due_ms
        if before_ms is None or before_ms > now_ms:
            return ()
        levels = self.feed(Tick(now_ms=now_ms), now_ms)
        after_ms = self.due_ms
        _holds(after_ms is None or after_ms > now_ms, "due", f"still due at {now_ms} after a tick: {self.row}")
        return levels

    def crash(self, back: int, more: int) -> tuple[Level, ...]:
        """S6: go back to the row of `back` records ago, replay `more` records from before it and all after it."""
        if not self.log:
            return ()
        kept = max(0, len(self.log) - 1 - back)
        before = self.row
        self.row, self.shared = self.log[kept].row, dict(self.log[kept].shared)
        told: dict[str, Level] = {level.connection: level for applied in self.log[: kept + 1] for level in applied.levels}
        repeated: list[Level] = []
        for index in range(max(0, kept + 1 - more), len(self.log)):
            applied = self.log[index]
            levels = _levels(self._apply(applied.record, applied.config))
            if index <= kept:
                _same_words(levels, told)
                _holds(self.row == self.log[kept].row, "S6", "a repeated record changed the row")
            else:
                _holds(levels == applied.levels, "S6", f"replay says {levels}, first said {applied.levels}")
                _holds(self.row == applied.row, "S6", f"replay of {applied.record.body} leaves\n{self.row}, not\n{applied.row}")
            repeated += levels
        _holds(self.row == before, "S6", "the row differs after the replay")
        return tuple(repeated)

    def _record(self, body: Message, now_ms: int) -> Record:
        offset = len(self.log)
        return Record(
            topic=topics.FACT_STOCK,
            partition=0,
            offset=offset,
            sequence=offset,
            time_ms=now_ms,
            key=SKU,
            value=encode(body),
            headers=headers_of(body),
            body=body,
        )

    def _apply(self, record: Record, config: StockConfig) -> Decision:
        decision = self.decide(View(SKU, self.row, config, self.shared), record)
        _holds(not decision.dead, "dead", f"{record.body} was refused: {decision.dead}")
        if decision.row is not None:
            self.row = decision.row
        self.shared.update(decision.shared)
        return decision


def _levels(decision: Decision) -> tuple[Level, ...]:
    return tuple(emit.value for emit in decision.emits if isinstance(emit.value, Level))


def _same_words(levels: tuple[Level, ...], told: dict[str, Level]) -> None:
    """A record that is not newer than the row says what was told, word for word."""
    for level in levels:
        was = told.get(level.connection)
        _holds(level == was, "S6", f"a repeated record says {level}, told was {was}")


def _holds(holds: bool, rule: str, text: str) -> None:  # noqa: FBT001  # the claim itself
    if not holds:
        raise ViolationError(f"{rule}: {text}")
