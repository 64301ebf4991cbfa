"""retailCRM's payloads, in its own words: only the members we read.

Unset members are left out there, and an empty object comes as `[]`.
"""

from decimal import ROUND_FLOOR, Decimal
from typing import Any

import msgspec

from models.codec import ForeignDecoder, text_of

Id = int | str | None
"""Numbers in one answer, texts in another: compared as text."""

THOUSANDTH = Decimal("0.001")
AVAILABLE_MAX = Decimal(999_999)
INVENTORIES_UPLOAD = "inventoriesUpload"


class Envelope(msgspec.Struct, frozen=True, rename="camel"):
    """What every answer says. `errors` is an object (path to text), a list of texts, or not there."""

    success: bool | None = None
    error_msg: str | None = None
    errors: Any = None


class StoreAmount(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What is told of one store. `available` is always there, `purchase_price` only where it is known: the old one is kept."""

    code: str
    available: Decimal
    purchase_price: Decimal | None = None


class StoreShown(msgspec.Struct, frozen=True):
    """The same as it is read: under other names."""

    store: str
    quantity: Decimal | None = None


class OfferIds(msgspec.Struct, frozen=True, rename="camel"):
    """The ids of an offer and the code of its site, as far as they are said."""

    id: Id = None
    external_id: Id = None
    xml_id: Id = None
    site: str | None = None

    def named(self, offer_key: str) -> str | None:
        """The id called `offer_key` (`xmlId`, `externalId`) as text."""
        return text_of(self.xml_id if offer_key == "xmlId" else self.external_id)


class OfferShown(OfferIds, frozen=True, rename="camel"):
    """One element of `GET /store/inventories` with `filter[details]=1`."""

    quantity: Decimal | None = None
    stores: list[StoreShown] | dict[str, Any] | None = None


class Pagination(msgspec.Struct, frozen=True, rename="camel"):
    """`total_page_count` is 0 for an empty list."""

    total_page_count: int


class ShownPage(msgspec.Struct, frozen=True):
    """One page of `GET /store/inventories`."""

    pagination: Pagination
    offers: list[msgspec.Raw]


class Uploaded(msgspec.Struct, frozen=True, rename="camel"):
    """The answer of an upload. Offers that nobody knows are named in an answer that is a success."""

    processed_offers_count: int | None = None
    not_found_offers: Any = None

    @property
    def not_found(self) -> list[OfferIds]:
        """The unknown offers. Raises `msgspec.ValidationError`."""
        return msgspec.convert(list_of(self.not_found_offers), list[OfferIds])


class Credentials(msgspec.Struct, frozen=True, rename="camel"):
    """`GET /api/credentials`. `sites_available` only where the key does not see all sites."""

    scopes: list[str] = []
    site_access: str = ""
    sites_available: list[str] | None = None


class Sites(msgspec.Struct, frozen=True):
    """`GET /reference/sites`: an object by code."""

    sites: dict[str, Any] | list[Any]


class Store(msgspec.Struct, frozen=True, rename="camel"):
    """One element of `GET /reference/stores`. `inventory_type` is `integer`, or `available`: only whether there is any."""

    code: str
    inventory_type: str = "integer"
    active: bool = True


class Stores(msgspec.Struct, frozen=True):
    """`GET /reference/stores`: a list."""

    stores: list[Store]


class Module(msgspec.Struct, frozen=True, rename="camel"):
    """`GET /integration-modules/{code}`; the client id is not among what it shows."""

    integration_module: dict[str, Any]


class AccountSettings(msgspec.Struct, frozen=True):
    """`GET /settings`."""

    settings: dict[str, Any]


SENT = "what retailCRM sends"
decode_envelope = ForeignDecoder[Envelope](Envelope, SENT)
decode_offer = ForeignDecoder[OfferShown](OfferShown, SENT)
decode_ids = ForeignDecoder[OfferIds](OfferIds, SENT)
decode_page = ForeignDecoder[ShownPage](ShownPage, SENT)
decode_uploaded = ForeignDecoder[Uploaded](Uploaded, SENT)
decode_credentials = ForeignDecoder[Credentials](Credentials, SENT)
decode_sites = ForeignDecoder[Sites](Sites, SENT)
decode_stores = ForeignDecoder[Stores](Stores, SENT)
decode_module = ForeignDecoder[Module](Module, SENT)
decode_settings = ForeignDecoder[AccountSettings](AccountSettings, SENT)
decode_any = ForeignDecoder[Any](Any, SENT)


def mapping_of(value: object) -> dict[str, Any]:
    """An object; what is none, as the `[]` of an empty one, has no members."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """A list; one with gaps comes as an object by number."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def available(quantity: Decimal, *, presence: bool) -> Decimal:
    """A quantity as it can be told: 0 to 999,999 with at most 3 decimals, never more than there is; or 1 and 0 for presence."""
    if presence:
        return Decimal(1) if quantity > 0 else Decimal(0)
    kept = min(max(quantity, Decimal(0)), AVAILABLE_MAX)
    cut = kept.quantize(THOUSANDTH, rounding=ROUND_FLOOR)
    return Decimal(f"{kept if cut == kept else cut:f}")
