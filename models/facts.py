"""What happened to stock: the values of `fact.stock.v1`, keyed by SKU.

Times are Unix milliseconds on our clock, unless the name says `stamp` (the source's clock).
"""

from decimal import Decimal

from models.message import ConfigChanged, Message, Tick


class StockMoved(Message, frozen=True):
    """A warehouse's available stock changed by `delta` (signed), some time in `lo_ms .. hi_ms`.

    `id` names the move (the source's event id, else the origin of its record). `lo_ms` None means "no idea how early".
    `seller` is the warehouse's id of the sales channel that caused it, as text. `stamp_ms` is the source's own time.
    Source: Thetis `availableStockChanged`.
    """

    connection: str
    place: str
    sku: str
    item: str
    id: str
    lo_ms: int | None
    hi_ms: int
    delta: Decimal
    seller: str | None = None
    stamp_ms: int | None = None


class StockCounted(Message, frozen=True):
    """A reading: the warehouse said `value`, and that was true at some moment in `t0_ms .. t1_ms`.

    `sweep` names the full list reading it came from; None for a single read. An item that is gone reads as 0.
    `cost` is what one piece costs us, in the warehouse's own currency; None: the warehouse does not say.
    Source: Thetis `GET /globalTradeItems`, `GET /globalTradeItems/{id}`.
    """

    connection: str
    place: str
    sku: str
    item: str
    value: Decimal
    t0_ms: int
    t1_ms: int
    sweep: str | None = None
    stocked: bool = True
    cost: Decimal | None = None


class ChannelShown(Message, frozen=True):
    """A channel said that it shows `shown`, in an answer asked for at `asked_ms` and received at `answered_ms`.

    `stores`: the same per store code, where the channel keeps stock per store.
    Source: shop `GET /stock`, retailCRM `GET /store/inventories`.
    """

    connection: str
    sku: str
    shown: Decimal
    asked_ms: int
    answered_ms: int
    stores: dict[str, Decimal] = {}


class LinePlaced(Message, frozen=True):
    """Channel `connection` sold `quantity` in order line `line`, to be shipped from `place`; first said at `said_ms`."""

    connection: str
    sku: str
    line: str
    place: str
    quantity: Decimal
    said_ms: int


class LineReserved(Message, frozen=True):
    """The warehouse's answer of `by_ms` showed the line as reserved."""

    connection: str
    sku: str
    line: str
    by_ms: int


class LineCounted(Message, frozen=True):
    """The channel counts `now` instead of `was` of the line as sold: it was cancelled, or returned and restocked there."""

    connection: str
    sku: str
    line: str
    was: Decimal
    now: Decimal


class LineDropped(Message, frozen=True):
    """The line will never reach the warehouse: it was never asked for, or refused."""

    connection: str
    sku: str
    line: str


class Told(Message, frozen=True):
    """The channel has taken the number of `sequence` for good. Written by the sender."""

    connection: str
    sku: str
    sequence: int
    value: Decimal


class SkuUnknown(Message, frozen=True):
    """The channel does not know the SKU, so it has not taken the number of `sequence`. Written by the sender.

    It is told again as soon as a reading shows that the channel has the SKU now.
    """

    connection: str
    sku: str
    sequence: int


class Resend(Message, frozen=True):
    """Say the channel's number again: it was answered from a view that may have been older than a late call.

    With `again_after_ms` it is said once more when that time is over: by then the channel has written the answer, or never will.
    """

    connection: str
    sku: str
    again_after_ms: int = 0


class CorrectionAccepted(Message, frozen=True):
    """A person accepts the reading that was held back for being too far off (`place` None: of every place)."""

    sku: str
    place: str | None = None


StockFact = (
    StockMoved
    | StockCounted
    | ChannelShown
    | LinePlaced
    | LineReserved
    | LineCounted
    | LineDropped
    | Told
    | SkuUnknown
    | Resend
    | CorrectionAccepted
    | Tick
    | ConfigChanged
)
