"""`[connections.<name>]` of a retailCRM account: one site of it is one connection."""

import re
from collections.abc import Iterator
from typing import Literal

import msgspec

from streams.secret import Secret

CALLS_PER_S_MAX = 10.0
CLIENT_ID_CHARS_MIN = 16
CODE = re.compile(r"[A-Za-z0-9_-]+")
FIELD = re.compile(r"[A-Za-z0-9_]+")


class ModuleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[connections.<name>.module]`: how we are registered as the account's warehouse system.

    `client_id` comes back in every callback and is its only credential: any long random text. `call_points` are the places in
    the account from where it asks for our numbers; their values are the vendor's and pass through unchanged. `integration_code`
    (default: `code` up to its last `-`) is the type of module that `code` must begin with. `logo` is the URL of an SVG,
    `account_url` that of a page for people. `callback_field` is the form field in which the account asks.
    """

    name: str
    code: str
    client_id: Secret
    call_points: tuple[str, ...]
    integration_code: str = ""
    logo: str = ""
    account_url: str = ""
    callback_field: str = "inventories"

    def __post_init__(self) -> None:
        """Refuse what the account would refuse, all at once; no text shows the client id."""
        _complain(self._problems())

    @property
    def type_code(self) -> str:
        """The integration code that is sent."""
        return self.integration_code or self.code.rpartition("-")[0] or self.code

    def _problems(self) -> Iterator[str]:
        if not self.name.strip():
            yield "name is empty: it is what people see in the account"
        if not CODE.fullmatch(self.code):
            yield f"code {self.code!r} must consist of letters, digits, - and _"
        if not self.code.startswith(self.type_code):
            yield f"code {self.code!r} must begin with integration_code {self.integration_code!r}"
        if len(self.client_id.reveal()) < CLIENT_ID_CHARS_MIN:
            yield f"client_id is shorter than {CLIENT_ID_CHARS_MIN} characters, so it can be guessed: make a longer one"
        if not self.call_points or not all(point.strip() for point in self.call_points):
            yield "call_points must name one place or more in the account from where it asks; the vendor's manual has the values"
        yield from _not_urls(self, ("logo", "account_url"))
        if not FIELD.fullmatch(self.callback_field):
            yield f"callback_field {self.callback_field!r} is no name of a form field"


class RetailCrmSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One site of an account.

    `account_url` is the account's own address. `offer_key` says which of an offer's ids is our SKU: `xmlId` (its id in the warehouse
    system) or `externalId` (its id in the shop). `presence_stores` are the codes of stores that keep only whether there is any.
    What is shown is read back every `shown_every_s` seconds. The account is called at most `calls_per_s` times a second, by all our
    processes together. Without `module` we are not registered: the account asks us nothing by itself.
    """

    account_url: str
    api_key: Secret
    site: str
    offer_key: Literal["xmlId", "externalId"] = "xmlId"
    presence_stores: tuple[str, ...] = ()
    module: ModuleSettings | None = None
    shown_every_s: float = 900.0
    calls_per_s: float = CALLS_PER_S_MAX
    call_deadline_s: float = 8.0

    def __post_init__(self) -> None:
        """Refuse what cannot work, all at once."""
        _complain(self._problems())

    @property
    def base_url(self) -> str:
        """The account's address without a slash at its end."""
        return self.account_url.rstrip("/")

    def _problems(self) -> Iterator[str]:
        yield from _not_urls(self, ("account_url",))
        if not self.account_url:
            yield "account_url is empty: it is the address of the account, such as https://acme.retailcrm.ru"
        if "/api" in self.account_url:
            yield "account_url ends before /api: it is the address of the account, such as https://acme.retailcrm.ru"
        if not self.site.strip():
            yield "site is empty: name the code of the account's shop, also where there is only one"
        if not 0 < self.calls_per_s <= CALLS_PER_S_MAX:
            yield f"calls_per_s must be more than 0 and at most {CALLS_PER_S_MAX:.0f}, which is the vendor's limit for a key"
        if self.shown_every_s <= 0 or self.call_deadline_s <= 0:
            yield "shown_every_s and call_deadline_s must be more than 0"


def _not_urls(settings: msgspec.Struct, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        if not (getattr(settings, name) or "https://").startswith(("https://", "http://")):
            yield f"{name} must begin with https:// or http://"


def _complain(problems: Iterator[str]) -> None:
    found = "; ".join(problems)
    if found:
        raise ValueError(found)
