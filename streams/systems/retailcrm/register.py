"""Makes us the account's warehouse system: `GET` and `POST /integration-modules/{code}`, written only when something differs."""

from collections.abc import Mapping
from typing import Any

from models.codec import encode
from models.errors import ConfigError, OperatorError
from streams.http import HttpClient
from streams.systems.retailcrm import wire
from streams.systems.retailcrm.client import CrmClient
from streams.systems.retailcrm.settings import ModuleSettings, RetailCrmSettings
from streams.systems.spec import Context, Registration

ACTIVITY = "activity"
ACTIVITY_PATH = "/activity"
INVENTORIES_PATH = "/inventories-upload"
STORE_ACTIONS = "integrations.store.actions"


async def register(context: Context, settings: RetailCrmSettings, http: HttpClient, *, dry_run: bool) -> Registration:
    """See `streams.systems.spec.Register`. `ConfigError` before any call when something is missing in our own configuration."""
    module = configured(context, settings)
    client = CrmClient(settings, http)
    there = await client.module(module.code)
    wanted = body_of(context, module)
    found = differences(there, wanted)
    if found and not dry_run:
        await client.edit_module(wanted)
        left = differences(await client.module(module.code), wanted)
        if left:
            raise OperatorError(f"module {module.code} was written, but reads back as something else: {'; '.join(left)}")
    return Registration(code=module.code, exists=there is not None, differences=tuple(found), written=bool(found) and not dry_run)


def configured(context: Context, settings: RetailCrmSettings) -> ModuleSettings:
    """The module. Raises `ConfigError` when there is none, or the account could not know where to call."""
    problems = []
    if settings.module is None:
        problems.append(f"connections.{context.connection}.module: missing; it says how we are registered in the account")
    if not context.hooks_url:
        problems.append("receiver.public_url: missing; the account must know where to call us")
    if settings.module is None or problems:
        raise ConfigError(problems)
    return settings.module


def body_of(context: Context, module: ModuleSettings) -> dict[str, Any]:
    """What is sent; a logo or address for people that is not configured is not there, so what the account has stays."""
    action = {"code": wire.INVENTORIES_UPLOAD, "url": INVENTORIES_PATH, "callPoints": list(module.call_points)}
    optional = {"logo": module.logo, "accountUrl": module.account_url}
    return {
        "code": module.code,
        "integrationCode": module.type_code,
        "active": True,
        "name": module.name,
        "clientId": module.client_id.reveal(),
        "baseUrl": context.hooks_url,
        **{key: value for key, value in optional.items() if value},
        "actions": {ACTIVITY: ACTIVITY_PATH},
        "integrations": {"store": {"actions": [action]}},
    }


def differences(there: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> list[str]:
    """What differs, one text per key path. The client id cannot be read back everywhere; its values are never shown."""
    if there is None:
        return [f"{wanted['code']}: there is no such module"]
    found = []
    if there.get("clientId") not in {None, wanted["clientId"]}:
        found.append("clientId: another one is there")
    old, new = _comparable(there), _comparable(wanted)
    for path in sorted(old.keys() | new.keys()):
        is_ours = path in new or path.startswith(("actions.", STORE_ACTIONS))
        if is_ours and old.get(path) != new.get(path):
            found.append(f"{path}: {_said(old.get(path))} there, {_said(new.get(path))} configured")
    return found


def _comparable(module: Mapping[str, Any]) -> dict[str, Any]:
    """Key paths to values; how slashes stand at the joint of two addresses, and the order of call points, mean nothing."""
    keys = ("code", "integrationCode", "active", "name", "logo", "accountUrl")
    plain = {key: module[key] for key in keys if key in module}
    plain["baseUrl"] = str(module.get("baseUrl") or "").rstrip("/")
    for name, url in wire.mapping_of(module.get("actions")).items():
        plain[f"actions.{name}"] = str(url).strip("/")
    store = wire.mapping_of(wire.mapping_of(module.get("integrations")).get("store"))
    for code, action in _by_code(store.get("actions")).items():
        plain[f"{STORE_ACTIONS}.{code}.url"] = str(action.get("url") or "").strip("/")
        plain[f"{STORE_ACTIONS}.{code}.callPoints"] = sorted(map(str, wire.list_of(action.get("callPoints"))))
    return plain


def _by_code(actions: object) -> dict[str, dict[str, Any]]:
    """A list of actions, or an object by code."""
    if isinstance(actions, dict):
        return {code: wire.mapping_of(action) for code, action in actions.items()}
    return {str(action.get("code")): action for action in wire.list_of(actions) if isinstance(action, dict)}


def _said(value: object) -> str:
    return "nothing" if value is None else encode(value).decode()
