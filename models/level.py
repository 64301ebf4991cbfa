"""What a channel should show of one SKU: the value of `level.<connection>.v1`, a register (newest wins)."""

from decimal import Decimal

from models.message import Message


class Level(Message, frozen=True):
    """`level` is what the channel may sell now; it may be negative here and is cut at 0 only on the wire.

    `total` is set for incremental channels: the running total of everything they were ever told to add. Their `level`
    is as of this record: what they sell later they take off themselves, and no new total follows.
    `sequence` orders the levels of one SKU: receivers drop strictly older ones and take equal ones again.
    `parts` is what each place contributes, after buffer and open lines: not negative, adding up to the level or to 0.
    `costs` is what one piece costs us, per place that says so; only for channels that keep stock per store.
    `as_of_ms` is the record time it was decided at.
    """

    connection: str
    sku: str
    sequence: int
    level: Decimal
    total: Decimal | None = None
    buffer: Decimal = Decimal(0)
    parts: dict[str, Decimal] = {}
    costs: dict[str, Decimal] = {}
    as_of_ms: int = 0
