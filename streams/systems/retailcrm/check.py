"""`stockwire check` for a retailCRM connection: try what will be used, and say in words what does not work."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from models.errors import ConfigError, StockwireError
from streams.http import HttpClient
from streams.systems.retailcrm import wire
from streams.systems.retailcrm.client import CrmClient
from streams.systems.retailcrm.register import body_of, configured, differences
from streams.systems.retailcrm.settings import RetailCrmSettings
from streams.systems.spec import Context

SCOPES = frozenset(("reference_read", "store_read", "store_write"))
MODULE_SCOPES = frozenset(("integration_read", "integration_write"))
KEEPS = {True: "available", False: "integer"}


async def check(context: Context, settings: RetailCrmSettings, http: HttpClient) -> list[str]:
    """Problems of the connection: key and scopes, site, stores, the list of what is shown, the time zone, the module."""
    client, where = CrmClient(settings, http), f"connections.{context.connection}"
    try:
        problems = list(_key(where, settings, await client.credentials()))
    except StockwireError as error:
        return [f"{where}: {error}"]  # all else would fail alike

    async def site() -> list[str]:
        known = await client.sites()
        return [] if settings.site in known else [f"{where}.site: no site {settings.site!r}; known: {', '.join(sorted(known)) or 'none'}"]

    async def stores() -> list[str]:
        return [*_stores(context, settings, await client.stores())]

    async def shown() -> list[str]:
        await client.inventories(1, rows=20)
        return []

    async def zone() -> list[str]:
        return _zone(where, await client.zone())

    async def module() -> list[str]:
        return await _module(where, context, settings, client) if settings.module else []

    for step in (site, stores, shown, zone, module):
        problems += await _tried(where, step)
    return problems


async def _tried(where: str, step: Callable[[], Awaitable[list[str]]]) -> list[str]:
    """What a step finds; that it fails is a problem too, and the next one is tried."""
    try:
        return await step()
    except StockwireError as error:
        return [f"{where}: {error}"]


def _key(where: str, settings: RetailCrmSettings, credentials: wire.Credentials) -> Iterator[str]:
    """What the key may do. An account that says nothing of scopes is believed."""
    needed = SCOPES | (MODULE_SCOPES if settings.module else frozenset())
    lacking = needed.difference(credentials.scopes) if credentials.scopes else frozenset()
    if lacking:
        yield f"{where}.api_key: the key may not {', '.join(sorted(lacking))}; give it these scopes (Settings, Integration, API keys)"
    sites = credentials.sites_available
    if sites is not None and settings.site not in sites and credentials.site_access != "access_full":
        yield f"{where}.site: the key does not see site {settings.site!r}; it sees {', '.join(sorted(sites)) or 'none'}"


def _stores(context: Context, settings: RetailCrmSettings, known: dict[str, wire.Store]) -> Iterator[str]:
    for place, code in context.stores.items():
        path, store = f"places.{place}.stores.{context.connection}", known.get(code)
        if store is None:
            yield f"{path}: the account has no store {code!r}; known: {', '.join(sorted(known)) or 'none'}"
        elif not store.active:
            yield f"{path}: store {code!r} is not active in the account; activate it there"
        else:
            yield from _presence(context, settings, store)
    twice = [code for code, count in Counter(context.stores.values()).items() if count > 1]
    yield from (f"places: store {code!r} of {context.connection} stands at more than one place; give each place its own" for code in twice)
    for code in settings.presence_stores:
        if code not in context.stores.values():
            yield f"connections.{context.connection}.presence_stores: {code!r} is the store of no place that feeds this connection"


def _presence(context: Context, settings: RetailCrmSettings, store: wire.Store) -> Iterator[str]:
    presence = store.code in settings.presence_stores
    if store.inventory_type in KEEPS.values() and store.inventory_type != KEEPS[presence]:
        fix = "take it out" if presence else "name it here"
        said = "counts" if presence else "keeps only whether there is any"
        yield f"connections.{context.connection}.presence_stores: store {store.code!r} {said} in the account; {fix}"


def _zone(where: str, zone: str) -> list[str]:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return [f"{where}: the account's time zone {zone!r} is unknown here; set one in the account, or install tzdata here"]
    return []


async def _module(where: str, context: Context, settings: RetailCrmSettings, client: CrmClient) -> list[str]:
    try:
        module = configured(context, settings)
    except ConfigError as error:
        return error.problems
    there = await client.module(module.code)
    found = differences(there, body_of(context, module))
    problems = [f"{where}.module: {text}; run `stockwire register`" for text in found]
    if there is not None and there.get("freeze") is True:
        problems.append(f"{where}.module: module {module.code} is frozen by the account, so it does not ask us; see its billing")
    return problems
