"""`/integration-modules/{code}`: a warehouse system makes itself known."""

from collections.abc import Iterator
from typing import Any

import msgspec

from streams.systems.retailcrm.simulator.account import Account, Module
from streams.systems.retailcrm.simulator.params import entity
from streams.systems.retailcrm.simulator.protocol import BLANK, ENTITY, INVALID, Answer, Call, Method, RefusedError, php, present

PREFIX = "Code prefix must match integrationCode"
INVENTORIES = "inventoriesUpload"
Map = dict[str, Any] | list[Any]
"""PHP has one word for both; only an empty list is a map."""


class Action(msgspec.Struct, frozen=True, rename="camel"):
    """A callback of the integration."""

    code: str
    url: str
    call_points: list[str] = []


class Store(msgspec.Struct, frozen=True):
    """The integration of a warehouse system; without callbacks it still counts as one."""

    actions: list[Action] | None = None


class Edit(msgspec.Struct, frozen=True, rename="camel"):
    """What may be written. Other members are the CRM's own or unknown, and ignored."""

    code: str | None = None
    integration_code: str | None = None
    name: str | None = None
    client_id: str | None = None
    base_url: str | None = None
    active: bool | None = None
    logo: str | None = None
    account_url: str | None = None
    available_countries: list[str] | None = None
    actions: Map | None = None
    integrations: Map | None = None


class Modules:
    """The methods."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def methods(self) -> list[Method]:
        """What is answered here."""
        return [
            Method("POST", "/integration-modules/{code}/edit", "integration_write", self.edit),
            Method("GET", "/integration-modules/{code}", "integration_read", self.read),
        ]

    def edit(self, call: Call) -> Answer:
        """Make it (201), or change what is given (200)."""
        edit, code = entity(call.params, "integrationModule", Edit), call.path["code"]
        old = self._account.modules.get(code)
        errors = dict(_wrong(edit, code, old))
        if errors:
            raise RefusedError(ENTITY, errors=errors)
        self._account.modules[code] = _changed(old or _new(edit, code), edit)
        return Answer(php({"info": {}}, empty_maps=self._account.rules.empty_maps), 201 if old is None else 200)

    def read(self, call: Call) -> Answer:
        """The configuration as it stands; `clientId` is not told."""
        module = self._account.modules.get(call.path["code"])
        if module is None:
            raise RefusedError("Not found", 404)
        shown = present(
            code=module.code,
            integrationCode=module.integration_code,
            active=module.active,
            freeze=module.freeze,
            name=module.name,
            logo=module.logo,
            native=False,
            baseUrl=module.base_url,
            actions=module.actions,
            availableCountries=module.countries,
            accountUrl=module.account_url,
            integrations=module.integrations,
        )
        return Answer(php({"integrationModule": shown}, empty_maps=self._account.rules.empty_maps))


def actions_of(module: Module) -> dict[str, Action]:
    """The callbacks of the warehouse integration, by code."""
    store = msgspec.convert(module.integrations.get("store", {}), Store)
    return {action.code: action for action in store.actions or ()}


def _wrong(edit: Edit, code: str, old: Module | None) -> Iterator[tuple[str, str]]:
    required = {"code": edit.code, "name": edit.name, "clientId": edit.client_id, "baseUrl": edit.base_url}
    yield from ((name, BLANK) for name, value in required.items() if value == "" or (old is None and value is None))
    if edit.code and edit.code != code:
        yield "code", INVALID
    elif not code.startswith(edit.integration_code or (code if old is None else old.integration_code)):
        yield "code", PREFIX
    for name, given in (("actions", edit.actions), ("integrations", edit.integrations)):
        if isinstance(given, list) and given:
            yield name, INVALID
    if isinstance(edit.actions, dict) and not all(isinstance(url, str) for url in edit.actions.values()):
        yield "actions", INVALID
    if isinstance(edit.integrations, dict) and "store" in edit.integrations:
        yield from _wrong_store(edit.integrations["store"])


def _wrong_store(given: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401  # as it came
    try:
        store = _store(given)
    except msgspec.ValidationError:
        yield "integrations.store", INVALID
        return
    for index, action in enumerate(store.actions or ()):
        place = f"integrations.store.actions[{index}]"
        if not action.code:
            yield f"{place}.code", BLANK
        if not action.url:
            yield f"{place}.url", BLANK
        if not all(action.call_points) or (action.code == INVENTORIES and not action.call_points):
            yield f"{place}.callPoints", BLANK


def _store(given: Any) -> Store:  # noqa: ANN401
    return msgspec.convert({} if given == [] else given, Store, strict=False)


def _new(edit: Edit, code: str) -> Module:
    given = msgspec.structs.asdict(edit)
    own = edit.integration_code or code
    return Module(code=code, integration_code=own, name=given["name"], client_id=given["client_id"], base_url=given["base_url"])


def _changed(module: Module, edit: Edit) -> Module:
    """Absent members stay; the list of callbacks, if given, is replaced whole."""
    changes = present(
        integration_code=edit.integration_code,
        name=edit.name,
        client_id=edit.client_id,
        base_url=edit.base_url,
        active=edit.active,
        logo=edit.logo,
        account_url=edit.account_url,
        countries=edit.available_countries,
        actions=None if edit.actions is None else dict(edit.actions),
    )
    if edit.integrations is not None:
        changes["integrations"] = {**module.integrations, **dict(edit.integrations)}
        if "store" in changes["integrations"]:
            changes["integrations"]["store"] = _merged(module.integrations.get("store", {}), changes["integrations"]["store"])
    return msgspec.structs.replace(module, **changes)


def _merged(old: dict[str, Any], given: Any) -> dict[str, Any]:  # noqa: ANN401
    store = _store(given)
    return old if store.actions is None else {"actions": msgspec.to_builtins(store.actions)}
