"""The rows of a translate agent: what an item id means (table `items.<connection>`), and the source's clock."""

from decimal import Decimal

import msgspec


class WaitingMove(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A move of an item whose SKU is not known yet; its members are those of `StockMoved`."""

    id: str
    lo_ms: int | None
    hi_ms: int
    delta: Decimal
    seller: str | None = None
    stamp_ms: int | None = None


class ItemRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the source's item id (the key) means.

    `sku` was learned from an answer of `since_ms`; None: not known yet. `waiting` moves are let go by the first answer.
    While an answer is wanted, `due` says when to ask again and `tries` how often that was done.
    `parked_ms` is the latest moment of a move that found no room here: an answer must be younger to be believed.
    `unnamed`: the item is a channel's offer without our SKU, and a person has been shown it.
    """

    at: int = -1
    due: int | None = None
    sku: str | None = None
    since_ms: int = 0
    waiting: tuple[WaitingMove, ...] = ()
    tries: int = 0
    parked_ms: int | None = None
    unnamed: bool = False


class ClockRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The shared row `@clock`: source clock minus our clock lies in `low_ms .. high_ms`, as of the answer of `answered_ms`."""

    at: int
    due: int | None = None
    low_ms: int
    high_ms: int
    answered_ms: int

    @property
    def width_ms(self) -> int:
        """How much is left open."""
        return self.high_ms - self.low_ms

    @property
    def middle_ms(self) -> int:
        """The best guess."""
        return (self.low_ms + self.high_ms) // 2
