"""How a simulated Thetis starts, and how it can be told to misbehave."""

from decimal import Decimal
from typing import Any

import msgspec


class ItemOption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A trade item. `available` null: never in stock; `cost` null: no cost price is known."""

    sku: str
    available: Decimal | None = Decimal(0)
    active: bool = True
    stocked: bool = True
    cost: Decimal | None = None


class SellerOption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sales channel."""

    id: int
    number: str


class WebhookOption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The vendor app's configuration, in its own terms. Without `url` events are consumed silently."""

    url: str = ""
    event_types: list[str] | None = None
    pattern: dict[str, list[Any]] = {}
    fields: list[str] | None = None
    ignore_status_codes: list[int] = []


class Chaos(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong by chance, from now on. Rates are 0 to 1.

    Events are lost (`drop_rate`), sent again within `duplicate_after_s` (`duplicate_rate`), held back up to `late_s`
    (`late_rate` of them), or overtaken by up to `shuffle_window - 1` others. Lists move by `page_shift` rows after their
    first page. Figures are `stale_s` old. `extra` members are added to each event's detail.
    """

    drop_rate: float = 0.0
    duplicate_rate: float = 0.0
    duplicate_after_s: float = 1.0
    late_rate: float = 1.0
    late_s: float = 0.0
    shuffle_window: int = 1
    paused: bool = False
    page_shift: int = 0
    stale_s: float = 0.0
    extra: dict[str, Any] = {}


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The next `times` calls of `endpoint` (`GET /globalTradeItems`, `POST /oauth2/token`, or `*`) go wrong.

    They wait `delay_s` before anything happens, act and then wait `hold_s` (an old figure arrives late), and are answered
    `status` with `body` (0: the connection breaks off; null: as usual). `acts`: the call is carried out all the same.
    """

    endpoint: str
    status: int | None = None
    times: int = 1
    delay_s: float = 0.0
    hold_s: float = 0.0
    body: str = '{"message": "Internal server error"}'
    acts: bool = False


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The start of a simulated context. Defaults are the vendor's, as far as they are known.

    `retry_s` is 300 in the real app. `bulk` items are made beside `items`, named `bulk_prefix` and a number.
    """

    api_key: str = "simulated-key"
    client_id: str = "simulated-id"
    client_secret: str = "simulated-secret"  # noqa: S105  # the simulator's own
    token_life_s: float = 3600.0
    per_second: int = 50
    per_day: int = 100_000
    page_rows_max: int = 1_000
    webhook: WebhookOption = WebhookOption()
    retry_s: float = 300.0
    tries_max: int = 144
    clock_offset_s: float = 0.0
    seed: int = 1
    context_id: int = 733
    items: list[ItemOption] = []
    bulk: int = 0
    bulk_prefix: str = "SKU-"
    bulk_available: Decimal = Decimal(0)
    sellers: list[SellerOption] = []
    customers: tuple[str, ...] = ("C-1",)
    chaos: Chaos = Chaos()
