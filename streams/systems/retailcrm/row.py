"""What is told of one SKU, store by store: the same in an upload and in the answer to a callback. Pure."""

from collections.abc import Mapping
from decimal import Decimal

from models.errors import PoisonError
from models.level import Level
from streams.systems.retailcrm import wire


def stores_of(level: Level, stores: Mapping[str, str], presence: tuple[str, ...]) -> list[wire.StoreAmount]:
    """A row per store of `stores` (place to code), 0 included; a place that the level says nothing of keeps its number.

    Places with the same code add up there. Raises `PoisonError` for a level that says nothing of any place.
    """
    parts = level.parts or _undivided(level, stores)
    there: dict[str, Decimal] = {}
    costs: dict[str, Decimal] = {}
    for place, code in stores.items():
        if place in parts:
            there[code] = there.get(code, Decimal(0)) + parts[place]
            costs |= {code: level.costs[place]} if place in level.costs else {}
    if not there:
        raise PoisonError(f"the level of {level.sku} names no place that has a store in {level.connection}: look at [[places]] stores")
    return [
        wire.StoreAmount(code=code, available=wire.available(quantity, presence=code in presence), purchase_price=costs.get(code))
        for code, quantity in there.items()
    ]


def _undivided(level: Level, stores: Mapping[str, str]) -> dict[str, Decimal]:
    return dict.fromkeys(stores, level.level) if len(stores) == 1 else {}
