"""What there is in the account: stores, sites, settings, and what a key may do."""

from typing import Any

import msgspec

from streams.systems.retailcrm.simulator.account import Account
from streams.systems.retailcrm.simulator.options import StoreOption
from streams.systems.retailcrm.simulator.params import entity
from streams.systems.retailcrm.simulator.protocol import ENTITY, INVALID, Answer, Call, Method, RefusedError, present


class StoreEdit(msgspec.Struct, frozen=True, rename="camel"):
    """The members of a store that may be written; absent: unchanged."""

    code: str | None = None
    name: str | None = None
    type: str | None = None
    inventory_type: str | None = None
    active: bool | None = None


class Reference:
    """The methods."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def methods(self) -> list[Method]:
        """What is answered here."""
        return [
            Method("GET", "/reference/stores", "reference_read", self.stores),
            Method("POST", "/reference/stores/{code}/edit", "reference_write", self.edit_store),
            Method("GET", "/reference/sites", "reference_read", self.sites),
            Method("GET", "/settings", None, self.settings),
            Method("GET", "/credentials", None, self.credentials, base="/api"),
        ]

    def stores(self, _call: Call) -> Answer:
        """A list of all warehouses."""
        return Answer({"stores": [_store(store) for store in self._account.stores.values()]})

    def edit_store(self, call: Call) -> Answer:
        """Make or change a warehouse."""
        edit, code = entity(call.params, "store", StoreEdit), call.path["code"]
        if edit.code not in {None, code}:
            raise RefusedError(ENTITY, errors={"code": INVALID})
        old = self._account.stores.get(code, StoreOption(code=code))
        made = code not in self._account.stores
        changes = {name: value for name, value in msgspec.structs.asdict(edit).items() if value is not None}
        try:
            self._account.stores[code] = msgspec.convert({**msgspec.structs.asdict(old), **changes}, StoreOption)
        except msgspec.ValidationError as error:
            raise RefusedError(ENTITY, errors={"store": INVALID}) from error
        return Answer({}, 201 if made else 200)

    def sites(self, call: Call) -> Answer:
        """By code, the sites that the key sees."""
        return Answer({"sites": {code: self._site(code, at) for at, code in enumerate(call.sites)}})

    def settings(self, _call: Call) -> Answer:
        """The account's settings that matter here."""
        zone, currency = self._account.options.zone, self._account.options.currency
        return Answer({"settings": {"timezone": {"value": zone}, "default_currency": {"value": currency}}})

    def credentials(self, call: Call) -> Answer:
        """What the key may do, and where."""
        access: dict[str, Any] = {"siteAccess": "access_full"}
        if call.key.sites is not None:
            access = {"siteAccess": "access_selective", "sitesAvailable": list(call.key.sites)}
        return Answer({"scopes": list(call.key.scopes), "credentials": [], **access})

    def _site(self, code: str, at: int) -> dict[str, Any]:
        name = self._account.sites[code].name or code
        currency = self._account.options.currency
        return {"name": name, "code": code, "defaultForCrm": at == 0, "catalogId": at + 1, "currency": currency, "isCatalogMainSite": True}


def _store(store: StoreOption) -> dict[str, Any]:
    return present(code=store.code, name=store.name or store.code, type=store.type, inventoryType=store.inventory_type, active=store.active)
