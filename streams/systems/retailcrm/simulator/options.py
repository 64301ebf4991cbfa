"""How a simulated CRM starts, and how it can be told to misbehave."""

from decimal import Decimal
from typing import Any, Literal

import msgspec

SCOPES = ("store_read", "store_write", "reference_read", "reference_write", "integration_read", "integration_write")


class KeyOption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An API key. `sites` null: it sees all sites."""

    key: str
    scopes: tuple[str, ...] = SCOPES
    sites: tuple[str, ...] | None = None


class SiteOption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shop of the account. Each has a catalogue of its own."""

    code: str
    name: str = ""


class StoreOption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A warehouse. An `inventory_type` `available` shows only whether there is any (0 or 1)."""

    code: str
    name: str = ""
    type: Literal["store-type-online", "store-type-retail", "store-type-supplier", "store-type-warehouse"] = "store-type-warehouse"
    inventory_type: Literal["integer", "available"] = "integer"
    active: bool = True


class GroupOption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product group. `site` null: the first. `parent` is the external id of one that is named before it."""

    external_id: str
    name: str
    site: str | None = None
    parent: str | None = None
    active: bool = True


class PropertyOption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A property that products may have. `sites` null: all."""

    code: str
    name: str
    numeric: bool = False
    visible: bool = True
    variative: bool = False
    sites: tuple[str, ...] | None = None


class OfferOption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sales proposition. `id` null: the next number; `site` null: the first.

    `xml_id` is its id in the warehouse system and need not be unique; `external_id` is its id in the shop. `product` is the
    external id of its product (null: one of its own), `group` that of the product's group. `stock` and `costs` are by store code.
    """

    xml_id: str | None = None
    external_id: str | None = None
    id: int | None = None
    site: str | None = None
    name: str = ""
    article: str | None = None
    barcode: str | None = None
    price: Decimal | None = None
    product: str | None = None
    group: str | None = None
    active: bool = True
    properties: dict[str, str] = {}
    stock: dict[str, Decimal] = {}
    costs: dict[str, Decimal] = {}


class CallbackRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the CRM calls the warehouse system.

    The data are in the form's `field`, as `{"offers": [...]}` (`bare`: as the list itself). `client_id` null: the module's own;
    empty: the form has none. Each call is made `repeat` times more. `hold`: answers wait for `POST /admin/callbacks/apply`, so they
    are old when they count.
    """

    field: str = "inventories"
    bare: bool = False
    timeout_s: float = 30.0
    client_id: str | None = None
    repeat: int = 0
    hold: bool = False


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the CRM decides where its documentation is silent, or says several things; changed by `POST /admin/rules`.

    `per_second` and `burst` are the bucket of each key, `over` what is answered above it (a status with JSON, or nginx' page).
    `unknown_store`, `negative`, `unknown_filter`: refused with 400, or not. `partial_status`: of an upload with unknown offers.
    `escaped`: non-ASCII characters leave as escapes. `empty_maps`: `[]` or `{}`. `account`: false is an account that does not exist.
    """

    per_second: float = 10.0
    burst: int = 10
    over: Literal["503", "429", "html"] = "503"
    upload_rows_max: int = 250
    stock_editing: bool = True
    unknown_store: Literal["refuse", "ignore"] = "refuse"
    negative: Literal["clamp", "refuse"] = "clamp"
    unknown_filter: Literal["ignore", "refuse"] = "ignore"
    partial_status: Literal[200, 460] = 200
    empty_maps: Literal["list", "object"] = "list"
    escaped: bool = False
    account: bool = True
    callback: CallbackRules = CallbackRules()


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The next `times` calls (0: all until `DELETE /admin/faults`) of `endpoint` go wrong, a part `rate` of them (0 to 1).

    `endpoint` is like `POST /store/inventories/upload`, without the base and with `{code}` for what varies, or `*`. With `offer`, only
    uploads with a row that has this id of any kind. They wait `delay_s` before anything happens, act, wait `hold_s`, and are answered
    `status` (0: the connection breaks off; null: as usual), with `Retry-After` if given. `acts`: the call is carried out all the same.
    `body`: the error as JSON, nginx' page, nothing at all, or the first half of what would have been answered.
    With `offer` and status 400, the error names the row, unless `names_row` is false. `extra` are unknown members of every object.
    """

    endpoint: str = "*"
    offer: str | None = None
    status: int | None = None
    times: int = 1
    rate: float = 1.0
    delay_s: float = 0.0
    hold_s: float = 0.0
    retry_after: str | None = None
    acts: bool = False
    body: Literal["json", "html", "empty", "truncated"] = "json"
    names_row: bool = True
    extra: dict[str, Any] = {}


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The start of a simulated account.

    `offers` are listed, or so many are made on each of `bulk_sites` (empty: on the first site), with `xml_id` `bulk_prefix` and a
    number, as the simulated Thetis names its `bulk` items. `calls_kept` calls are remembered with their forms; all are counted.
    """

    api_keys: tuple[KeyOption, ...] = (KeyOption(key="simulated-key"),)
    sites: tuple[SiteOption, ...] = (SiteOption(code="main", name="Main"),)
    stores: tuple[StoreOption, ...] = (StoreOption(code="main-store", name="Main store"),)
    offers: tuple[OfferOption, ...] | int = ()
    bulk_prefix: str = "SKU-"
    bulk_sites: tuple[str, ...] = ()
    groups: tuple[GroupOption, ...] = (GroupOption(external_id="goods", name="Goods"),)
    properties: tuple[PropertyOption, ...] = (PropertyOption(code="weight", name="Weight", numeric=True),)
    price_types: tuple[str, ...] = ("base",)
    zone: str = "Europe/Moscow"
    currency: str = "RUB"
    system_url: str = "https://acme.retailcrm.ru"
    rules: Rules = Rules()
    calls_kept: int = 2_000
    seed: int = 1
