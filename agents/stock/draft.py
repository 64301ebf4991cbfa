"""The row as one record changes it: handlers write here, and `decide` makes the `Decision` of it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from agents.stock import channel as channels
from agents.stock import warehouse
from agents.stock.plan import Plan
from agents.stock.warehouse import Value
from models.agent import Count, Dead, Emit, Record
from models.stock_row import Channel, Place, StockRow

_NO_PLACE = Place()
_NO_CHANNEL = Channel()


class Draft:
    """`wh` and `ch` are the row's own dicts until the first change, then copies. `now` is the record's time (K3).

    `say_again` names channels that are told even what they were told before.
    """

    __slots__ = ("_values", "ch", "counts", "dead", "emits", "now", "plan", "record", "say_again", "shared", "sku", "view_shared", "wh")

    def __init__(self, plan: Plan, row: StockRow | None, record: Record, shared: Mapping[str, Any]) -> None:
        self.plan = plan
        self.record = record
        self.sku = record.key
        self.now = record.time_ms
        self.wh: dict[str, Place] = {} if row is None else row.wh
        self.ch: dict[str, Channel] = {} if row is None else row.ch
        self.view_shared = shared
        self.shared: dict[str, Any] = {}
        self.emits: list[Emit] = []
        self.counts: list[Count] = []
        self.dead: list[Dead] = []
        self.say_again: set[str] = set()
        self._values: dict[str, Value | None] = {}

    def place(self, name: str) -> Place:
        """The place as it is now."""
        return self.wh.get(name, _NO_PLACE)

    def channel(self, name: str) -> Channel:
        """The channel as it is now."""
        return self.ch.get(name, _NO_CHANNEL)

    def put_place(self, name: str, place: Place) -> None:
        """Change a place."""
        self.wh = {**self.wh, name: place}
        self._values.pop(name, None)

    def note_place(self, name: str, place: Place) -> None:
        """Change something of a place that its value does not depend on."""
        self.wh = {**self.wh, name: place}

    def put_channel(self, name: str, channel: Channel) -> None:
        """Change a channel."""
        self.ch = {**self.ch, name: channel}

    def value(self, name: str) -> Value | None:
        """W2 of the place, worked out once per change; None without a base."""
        try:
            return self._values[name]
        except KeyError:
            value = self._values[name] = warehouse.value_of(self.place(name))
            return value

    def uncovered(self, name: str) -> Decimal:
        """P - C of a channel over its places."""
        channel = self.channel(name)
        places = self.plan.channels[name].places
        return sum((channels.uncovered_at(name, channel.open, place, self.place(place)) for place in places), start=Decimal(0))

    def count(self, metric: str, *labels: str, value: float = 1.0) -> None:
        """Count a metric."""
        self.counts.append(Count(metric, labels, value))

    def park(self, error: str, reason: str) -> None:
        """The record cannot be used."""
        self.dead.append(Dead(error=error, reason=reason))
