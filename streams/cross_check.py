"""What the sections of `stockwire.toml` must agree on between them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from croniter.croniter import croniter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streams.settings import Connection, Place, StockRoute

CRON_FIELDS = 5


def cross_check(
    connections: Mapping[str, Connection],
    places: Mapping[int, Place],
    stock: Mapping[int, StockRoute],
    *,
    connection_names: frozenset[str],
    place_names: frozenset[str],
) -> list[str]:
    """All problems between the sections.

    `connections` by name, `places` and `stock` by their number in the file: those that are right in themselves. The names
    are all of the file, so that a table with a wrong key is not called unknown as well.
    """
    by_name = {place.name: place for place in places.values()}
    problems = [*_places(connections, connection_names, places), *_targets(connection_names, stock), *_sources(place_names, stock)]
    problems += [*_channels(connections, by_name, stock), *_sellers(connections, connection_names)]
    problems += [*_reconcile(by_name, stock), *_catalogue(stock)]
    return problems


def _places(connections: Mapping[str, Connection], names: frozenset[str], places: Mapping[int, Place]) -> Iterator[str]:
    seen: dict[str, int] = {}
    warehouses: dict[str, int] = {}
    for number, place in places.items():
        path = f"places[{number}]"
        if place.name in seen:
            yield f"{path}.name: {place.name!r} is already the name of places[{seen[place.name]}]"
        seen.setdefault(place.name, number)
        if place.warehouse not in names:
            yield f"{path}.warehouse: no [connections.{place.warehouse}]; known: {_listed(names)}"
        elif place.warehouse in connections and not connections[place.warehouse].system.warehouse:
            yield f"{path}.warehouse: {place.warehouse!r} is a {connections[place.warehouse].system.name}, which is no warehouse"
        if place.warehouse in warehouses:
            yield f"{path}.warehouse: {place.warehouse!r} is already the warehouse of places[{warehouses[place.warehouse]}]; one place each"
        warehouses.setdefault(place.warehouse, number)
        yield from (f"{path}.stores.{channel}: no [connections.{channel}]" for channel in place.stores if channel not in names)


def _targets(names: frozenset[str], stock: Mapping[int, StockRoute]) -> Iterator[str]:
    told: dict[str, int] = {}
    for number, route in stock.items():
        path = f"stock[{number}].to"
        if route.channel not in names:
            yield f"{path}: no [connections.{route.channel}]; known: {_listed(names)}"
        if route.channel in told:
            yield f"{path}: {route.channel!r} is already told by stock[{told[route.channel]}]; put all its places into one row"
        told.setdefault(route.channel, number)


def _sources(names: frozenset[str], stock: Mapping[int, StockRoute]) -> Iterator[str]:
    for number, route in stock.items():
        path = f"stock[{number}].from"
        if not route.places:
            yield f"{path}: no place named"
        if len(set(route.places)) < len(route.places):
            yield f"{path}: a place is named twice"
        yield from (f"{path}: no [[places]] named {name!r}; known: {_listed(names)}" for name in route.places if name not in names)


def _channels(connections: Mapping[str, Connection], places: Mapping[str, Place], stock: Mapping[int, StockRoute]) -> Iterator[str]:
    for number, route in stock.items():
        if route.channel in connections:
            told = [places[name] for name in route.places if name in places]
            yield from _channel(f"stock[{number}]", connections[route.channel], told, connections)


def _channel(path: str, channel: Connection, places: list[Place], connections: Mapping[str, Connection]) -> Iterator[str]:
    """Without a route for its orders a channel is in seller mode: its ids in the warehouses are all we know."""
    if not channel.system.channel:
        yield f"{path}.to: {channel.name!r} is a {channel.system.name}, which sells nothing"
        return
    for place in places:
        if not channel.channel.sellers.get(place.warehouse):
            yield (
                f"connections.{channel.name}.sellers: no ids for {place.warehouse!r}, whose stock it is told ({path}); "
                "without them its own orders cannot be told from those of others"
            )
        if channel.system.per_store and channel.name not in place.stores:
            yield (
                f"places.{place.name}.stores: no code for {channel.name!r}, which keeps stock per store ({path}); "
                f'say which of its stores is meant: stores = {{{channel.name} = "..."}}'
            )
        warehouse = connections.get(place.warehouse)
        if warehouse and channel.system.incremental(channel.settings) and not warehouse.system.moves(warehouse.settings):
            yield (
                f'{path}: {channel.name!r} is told what to add (mode = "incremental"), but {warehouse.name!r} does not tell '
                'single moves; use mode = "absolute"'
            )


def _sellers(connections: Mapping[str, Connection], names: frozenset[str]) -> Iterator[str]:
    owner: dict[tuple[str, str], str] = {}
    for channel in connections.values():
        for warehouse, ids in channel.channel.sellers.items():
            path = f"connections.{channel.name}.sellers.{warehouse}"
            if warehouse not in names:
                yield f"{path}: no [connections.{warehouse}]; known: {_listed(names)}"
            for seller in ids:
                if owner.setdefault((warehouse, seller), channel.name) != channel.name:
                    yield f"{path}: {seller!r} already belongs to {owner[warehouse, seller]!r}; two channels cannot share a seller"


def _reconcile(places: Mapping[str, Place], stock: Mapping[int, StockRoute]) -> Iterator[str]:
    said: dict[str, dict[str, int]] = defaultdict(dict)
    for number, route in stock.items():
        if route.reconcile not in {"continuous", "off"} and not _is_cron(route.reconcile):
            yield f'stock[{number}].reconcile: {route.reconcile!r} is neither "continuous", "off" nor a cron line such as "0 3 * * *"'
        for name in route.places:
            if name in places:
                said[places[name].warehouse].setdefault(route.reconcile, number)
    for warehouse, wishes in said.items():
        if len(wishes) > 1:
            rows = ", ".join(f"stock[{number}] {wish!r}" for wish, number in wishes.items())
            yield f"stock: the lists of {warehouse!r} are read in one way for all channels, but {rows}"


def _catalogue(stock: Mapping[int, StockRoute]) -> Iterator[str]:
    for number, route in stock.items():
        if route.catalogue not in {None, "off"} and not _is_cron(route.catalogue or ""):
            yield f'stock[{number}].catalogue: {route.catalogue!r} is neither "off" nor a cron line such as "0 4 * * 0"'


def _is_cron(line: str) -> bool:
    return len(line.split()) == CRON_FIELDS and bool(croniter.is_valid(line))  # type: ignore[no-untyped-call]  # croniter has no types


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"
