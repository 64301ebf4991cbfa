"""What one record did to the number of a SKU: plain data, told in words by `words` and as JSON as it stands.

With `stockwire explain sku --json` these are the lines, told apart by `kind`: one `begin`, a `step` per record, one `end`.
Members are only ever added. Times are Unix ms on our clock.
"""

from decimal import Decimal
from typing import Any

import msgspec

from agents.stock.warehouse import Value
from models.stock_row import StockRow


class Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """One line of the answer."""


class Begin(Line, frozen=True, kw_only=True, tag="begin"):
    """What the story stands on: offsets `first_offset` to before `end_offset` of one partition.

    `row` is where the number stood before; `row_known` False: nobody knows any more. `notes` are sentences for a person.
    """

    sku: str
    topic: str
    partition: int
    first_offset: int
    end_offset: int
    row_known: bool
    row: StockRow | None
    notes: tuple[str, ...] = ()


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """What a place has for certain (`low`) and at most (`high`), before and after a record; None: never read."""

    low_before: Decimal | None
    low: Decimal | None
    high_before: Decimal | None
    high: Decimal | None


class Became(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a number at its channel, from `outcome.<channel>.v1`: `Done`, `Refused` or `Superseded`.

    `after_ms` is the time from the record that caused the number to the outcome, `took_ms` that of the last HTTP call.
    """

    outcome: str
    time_ms: int
    after_ms: int
    attempts: int
    status: int | None = None
    took_ms: int | None = None
    reason: str = ""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A number told to a channel, and why: `first`, `changed`, `details` (split over the stores, cost) or `again`.

    `parts` and `costs` are the level's, per place, where there are several or the channel keeps stock per store; the stores of
    `presence` are told only whether there is any.
    """

    channel: str
    sequence: int
    level: Decimal
    total: Decimal | None
    why: str
    level_before: Decimal | None
    total_before: Decimal | None
    parts: dict[str, Decimal] = {}
    costs: dict[str, Decimal] = {}
    presence: tuple[str, ...] = ()
    became: tuple[Became, ...] = ()


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A warehouse was asked to say what it has of the item."""

    connection: str
    item: str
    why: str


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A count that the decision made, for instance `stock_moves_total` of `("wh", "late")`: its verdict, in its own words."""

    metric: str
    labels: tuple[str, ...]
    value: float


class Step(Line, frozen=True, kw_only=True, tag="step"):
    """One record. `event` is the type of `fact`, `did` what the decision counted, `row` the row after it if it changed.

    `unproved`: what keeps a look at a channel from proving anything. `numbers` holds the places whose number changed, `silent`
    why a channel concerned was not told, `refused` why the record could not be used. `exact` False: the number before the
    story was not known and nothing has settled it yet. `corrected` holds how the table's own row differs from what the
    decisions give; the story goes on with the table's. `pending`: the table does not have it yet.
    """

    topic: str
    partition: int
    offset: int
    sequence: int
    time_ms: int
    event: str
    fact: Any
    did: tuple[Told, ...] = ()
    owner: str | None = None
    unproved: str = ""
    numbers: dict[str, Number] = {}
    said: tuple[Said, ...] = ()
    silent: dict[str, str] = {}
    asked: tuple[Asked, ...] = ()
    refused: tuple[str, ...] = ()
    stopped: str | None = None
    exact: bool = True
    corrected: tuple[str, ...] = ()
    pending: bool = False
    row: StockRow | None = None


class End(Line, frozen=True, kw_only=True, tag="end"):
    """The row as it stands.

    `agrees` with the table: `yes`, `no`, `behind` (records wait), `no table`, or `unknown` (what came before is not known, so
    the row is the table's and nothing could be compared).
    `numbers` is what each place has for certain (`low`) and at most. `differs` says where the story and the table differ.
    """

    sku: str
    agrees: str
    differs: tuple[str, ...]
    pending: int
    row: StockRow | None
    numbers: dict[str, Value] = {}
    notes: tuple[str, ...] = ()
