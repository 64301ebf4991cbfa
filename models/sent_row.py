"""What a channel is known to have taken: the rows of `sent.<connection>`, keyed by SKU."""

from decimal import Decimal

import msgspec


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call about a level: repeated under the same `id` with the same `body` until its outcome is known.

    `sequence` is that of its level. `total` is what the channel will have been told to add when it has taken the call;
    None: the call says a level outright.
    """

    id: str
    body: bytes
    sequence: int
    total: Decimal | None = None


class SentRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`sequence` and `total` are those of the newest level that the channel has taken; -1 and 0 before the first.

    `flight` is a call of which we do not know whether the channel has taken it: it was written here before it was made.
    `missing`: the channel did not know the offer when it was last told; a person has been shown that.
    """

    at: int = -1
    due: int | None = None
    sequence: int = -1
    total: Decimal = Decimal(0)
    flight: Call | None = None
    missing: bool = False
