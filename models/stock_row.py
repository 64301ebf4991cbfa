"""What the stock agent remembers of one SKU: the rows of table `stock`, and the row `@sweep` shared by a partition.

The rules are in `agents/stock`. Times are Unix milliseconds on our clock unless the name says `stamp` (the source's
clock). Lists that can grow are arrays in JSON and absent when empty, so that a calm SKU takes some 250 bytes.
Nothing here can form a cycle, hence `gc=False`: a worker holds a hundred thousand rows.
"""

from decimal import Decimal

import msgspec

ZERO = Decimal(0)


class Move(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A move that is not surely in its warehouse's base; it happened in `lo_ms .. hi_ms` (`lo_ms` None: any time before).

    `channel` is the one channel whose own move this is. `covers` is the part of it that stands for open lines of that
    channel, fixed when the move arrived.
    """

    id: str
    lo_ms: int | None
    hi_ms: int
    delta: Decimal
    channel: str | None = None
    covers: Decimal = ZERO


class Ask(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A reading is wanted since `since_ms`: a hint goes out at `due_ms`; `tries` went out already."""

    due_ms: int
    tries: int
    since_ms: int


class Held(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A reading that is too far off to be applied before a second one, or a person, agrees."""

    value: Decimal
    t0: int
    t1: int


class Drift(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Readings differ by `amount` from what the moves we had add up to; at `due_ms` late moves no longer explain it.

    `amount` None: there was no exact value yet to compare with.
    """

    due_ms: int
    amount: Decimal | None


class Place(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One warehouse's side of a SKU.

    `base` is the adopted reading (None: never read), true at some moment of the fence `t0 .. t1`. `moves` are ordered
    by `hi_ms`. `folded`: moves were forgotten for lack of room. `item` is the warehouse's own id of the SKU. `stocked`
    False: the warehouse keeps no stock of it, so no channel is told on its account. `cost` of one piece, as last adopted.
    """

    base: Decimal | None = None
    t0: int = 0
    t1: int = 0
    item: str | None = None
    moves: tuple[Move, ...] = ()
    folded: bool = False
    ask: Ask | None = None
    held: Held | None = None
    drift: Drift | None = None
    stocked: bool = True
    cost: Decimal | None = None


class Line(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A channel's own order line that is not surely in the base of `place`.

    `live` is what the channel still counts as sold, `dead` what it took back. `by_ms` is the moment of the answer that
    showed the reservation. `since_ms` is the record time at which the line was first heard of.
    """

    line: str
    place: str
    live: Decimal
    dead: Decimal
    by_ms: int | None
    since_ms: int


class Closed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The tombstone of a line: `live` is still counted as sold, closed at `at_ms`."""

    line: str
    live: Decimal
    at_ms: int


class Told(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The last number said, with all that is needed to say it again word for word.

    `value` is the level, or the running total of an incremental channel, whose `level` is kept where it differs.
    `parts` is kept for channels with several places; with one place they follow from the level. `costs` is kept for channels
    that keep stock per store.
    `taken`: the channel acknowledged it; `unknown`: it does not know the SKU (both are kept for audited channels only).
    """

    sequence: int
    as_of_ms: int
    value: Decimal
    level: Decimal | None = None
    buffer: Decimal = ZERO
    parts: dict[str, Decimal] | None = None
    costs: dict[str, Decimal] = {}
    taken: bool = False
    unknown: bool = False


class Heard(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The id of an own move in seller mode, and the source's stamp of it."""

    id: str
    stamp_ms: int | None


class Hold(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A raise of `amount` that waits until `due_ms`."""

    due_ms: int
    amount: Decimal


class Look(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An audit under way: the channel showed `shown` in an answer of `answered_ms`, while all was quiet.

    `shown` is one number, or one per place for a channel that keeps stock per store. `told` and `lows` (per place of the
    channel) are what must not change. `second_ms` is when the second look, which saw the same, was asked for; readings asked
    for later than that decide.
    """

    shown: Decimal | tuple[Decimal, ...]
    answered_ms: int
    told: int | None
    lows: tuple[Decimal, ...]
    second_ms: int | None = None


class Channel(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One channel's side of a SKU.

    `counted` is the net of its own sales that it took off its own number, as far as we know; never reset.
    `open` and `done` belong to orders mode, `ids` (ordered by stamp) and `hold` to seller mode.
    `floor_ms` marks what was forgotten for lack of room: a source stamp in seller mode, up to which ids are unknown;
    a record time in orders mode, up to which tombstones may be missing. At `again_ms` the number is said once more.
    """

    counted: Decimal = ZERO
    open: tuple[Line, ...] = ()
    done: tuple[Closed, ...] = ()
    told: Told | None = None
    ids: tuple[Heard, ...] = ()
    floor_ms: int | None = None
    hold: tuple[Hold, ...] = ()
    look: Look | None = None
    again_ms: int | None = None


class StockRow(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """All we know of one SKU. `at` is the sequence of the last record applied, `due` when the row wants a `Tick`.

    `wh` maps a place, `ch` a channel's connection.
    """

    at: int
    due: int | None = None
    wh: dict[str, Place] = {}
    ch: dict[str, Channel] = {}


class SweepCount(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How many readings of `sweep` this partition held back; from sequence `stopped` on it adopts no more of it."""

    sweep: str
    held: int
    stopped: int | None = None


class SweepRow(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The row `@sweep` of a partition: the latest sweeps with held readings, per place."""

    at: int
    due: int | None = None
    places: dict[str, tuple[SweepCount, ...]] = {}
