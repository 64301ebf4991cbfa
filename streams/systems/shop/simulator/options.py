"""How a simulated shop starts, and how it can be told to misbehave."""

from decimal import Decimal
from typing import Literal

import msgspec


class ThetisOption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The warehouse in which the shop places its own orders. `url` is the base of the simulated Thetis.

    An order is placed `delay_s` after the sale. The customer must exist there.
    """

    url: str
    seller_id: int
    api_key: str = "simulated-key"
    client_id: str = "simulated-id"
    client_secret: str = "simulated-secret"  # noqa: S105  # the simulator's own
    customer_number: str = "C-1"
    delay_s: float = 0.0


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The next `times` calls (0: all until `DELETE /admin/faults`) of `endpoint` go wrong, a part `rate` of them (0 to 1).

    `endpoint` is `POST /stockwire`, `GET /stock` or `*`; with `sku`, only calls about that SKU. They wait `delay_s`,
    and are answered `status` (0: the connection breaks off; null: as usual), with `Retry-After` if given.
    `acts`: the call is carried out all the same, `repeat` times more than asked.
    """

    endpoint: str = "POST /stockwire"
    sku: str | None = None
    status: int | None = None
    times: int = 1
    rate: float = 1.0
    delay_s: float = 0.0
    retry_after: str | None = None
    acts: bool = False
    repeat: int = 0


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The start of a simulated shop.

    `secrets` (`whsec_...`) are those with which calls to it may be signed. `memory` is how an incremental shop makes
    repeats harmless: it drops the `webhook-id`s it has seen (`ids`), or keeps the `total` per SKU (`total`).
    `stock` is what it shows at first. Its order numbers begin with `order_prefix`.
    `hook_url`, `hook_secret`: where and with what it sends events of its own (`POST /admin/events`).
    """

    mode: Literal["incremental", "absolute"] = "incremental"
    memory: Literal["ids", "total"] = "ids"
    secrets: tuple[str, ...] = ()
    api_key: str | None = None
    stock: dict[str, Decimal] = {}
    order_prefix: str = "W-"
    thetis: ThetisOption | None = None
    hook_url: str | None = None
    hook_secret: str | None = None
    seed: int = 1
