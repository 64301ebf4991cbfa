"""What one element from outside says, in our words but on the source's clock: the answer of a system's `translate`.

The step from an observation to a fact (item id to SKU, source clock to ours) is `agents/translate/decide.py`.
"""

from decimal import Decimal

import msgspec


class MoveSeen(msgspec.Struct, frozen=True):
    """An item's available stock changed by `delta`. `id` or `stamp_ms` None: the source did not say."""

    item: str
    delta: Decimal
    id: str | None
    stamp_ms: int | None
    seller: str | None


class ReadingSeen(msgspec.Struct, frozen=True):
    """An item with its SKU and available stock, from an answer to our own question. `cost` None: the source does not say."""

    item: str
    sku: str
    value: Decimal
    stocked: bool = True
    cost: Decimal | None = None


class ItemGone(msgspec.Struct, frozen=True):
    """The source does not know the item (any more)."""

    item: str


class ReadWanted(msgspec.Struct, frozen=True):
    """The element says only that something changed: read the item."""

    item: str
    why: str


class ShownSeen(msgspec.Struct, frozen=True):
    """A channel shows `shown` of a SKU; `stores`: the same per store code, where it keeps stock per store."""

    sku: str
    shown: Decimal
    stores: dict[str, Decimal] = {}


class UnnamedSeen(msgspec.Struct, frozen=True):
    """A channel has an offer, called `item` there, that has no SKU of ours: nothing can be told of it."""

    item: str


class Ignored(msgspec.Struct, frozen=True):
    """Nothing for us: stored and counted by its event type."""

    event: str


Observation = MoveSeen | ReadingSeen | ItemGone | ReadWanted | ShownSeen | UnnamedSeen | Ignored
