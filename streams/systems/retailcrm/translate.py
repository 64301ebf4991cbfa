"""retailCRM elements in our words: what its stores show, and what it told us by callback. Pure and total."""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from models.codec import ForeignDecoder, text_of
from models.errors import PoisonError
from models.inbound import Inbound
from models.observation import Ignored, Observation, ShownSeen, UnnamedSeen
from streams.systems.retailcrm import wire
from streams.systems.retailcrm.settings import RetailCrmSettings

KNOWN = frozenset((wire.INVENTORIES_UPLOAD, "activity", "settings"))
LARGEST = Decimal(10) ** 12


class Called(msgspec.Struct, frozen=True):
    """A callback as it is stored: its action, and the fields of its form."""

    action: str


decode_called = ForeignDecoder[Called](Called, "a stored callback")


def translate_for(settings: RetailCrmSettings) -> Callable[[bytes, Inbound], list[Observation]]:
    """`translate` for one site and the id of an offer that is our SKU."""
    return lambda value, inbound: translate(value, inbound, offer_key=settings.offer_key, site=settings.site)


def translate(value: bytes, inbound: Inbound, *, offer_key: str = "xmlId", site: str | None = None) -> list[Observation]:
    """One element: an offer of `GET /store/inventories`, or a stored callback. Raises `PoisonError`."""
    if inbound.kind == "reading":
        return [_shown(wire.decode_offer(value), offer_key, site)]
    action = decode_called(value).action
    return [Ignored(action if action in KNOWN else "other")]


def _shown(offer: wire.OfferShown, offer_key: str, site: str | None) -> Observation:
    if site is not None and offer.site not in {None, site}:
        return Ignored("offer of another site")
    sku, item = offer.named(offer_key), text_of(offer.id)
    if sku is None:
        return Ignored("offer without SKU") if item is None else UnnamedSeen(item)
    rows = [] if isinstance(offer.stores, dict) else offer.stores or []
    if not rows and offer.quantity:
        raise PoisonError(f"offer {sku} has {offer.quantity} and no rows of stores, although they were asked for")
    stores = {row.store: _quantity(row.quantity) for row in rows}
    return ShownSeen(sku, sum(stores.values(), Decimal(0)), stores)


def _quantity(quantity: Decimal | None) -> Decimal:
    if quantity is None:
        return Decimal(0)
    if not quantity.is_finite() or abs(quantity) >= LARGEST:
        raise PoisonError(f"quantity is no quantity: {quantity}")
    return quantity
