"""The file's settings, as each part wants them: the engine, the translate agents, the stock agent, the pollers."""

from typing import Literal

from models.config import ChannelConfig, StockConfig, TranslateConfig, WarehouseConfig
from streams.context import stores_of
from streams.engine import EngineSettings
from streams.kafka_client import security
from streams.settings import Connection, Place, Settings, StockRoute
from streams.topics import group

FaustRole = Literal["worker", "sender", "poller"]
DAY_MS = 86_400_000


def engine_settings(settings: Settings, role: FaustRole) -> EngineSettings:
    """One process of a role."""
    kafka, own = settings.kafka, getattr(settings, role)
    return EngineSettings(
        bootstrap=kafka.bootstrap,
        group=group(role),
        partitions=kafka.partitions,
        epoch=kafka.epoch,
        session_timeout_s=kafka.session_s,
        heartbeat_s=kafka.session_s / 10,
        produce_timeout_s=kafka.session_s * 2 / 3,
        security=security(kafka),
        web_host=own.host,
        web_port=own.port,
    )


def translate_config(settings: Settings, connection: Connection) -> TranslateConfig:
    """What translating this connection needs; its place, if it is a warehouse."""
    place = next((place.name for place in settings.places.values() if place.warehouse == connection.name), None)
    return TranslateConfig(connection=connection.name, place=place, clock=connection.system.clock(connection.settings))


def stock_config(settings: Settings) -> StockConfig:
    """All places that feed a channel, and all channels."""
    fed = {name for route in settings.stock for name in route.places}
    return StockConfig(
        warehouses={name: _warehouse(settings, place) for name, place in settings.places.items() if name in fed},
        channels={route.channel: _channel(settings, route) for route in settings.stock},
    )


def reconcile_rule(settings: Settings, connection: str) -> str:
    """How the lists of a connection are read: `continuous`, a cron line, or `off` (also where nothing needs them)."""
    for route in settings.stock:
        if route.channel == connection or connection in {settings.places[name].warehouse for name in route.places}:
            return route.reconcile
    return "off"


def catalogue_rule(settings: Settings, route: StockRoute) -> str:
    """When the channel of the route is told everything again: a cron line, or `off`."""
    return settings.connections[route.channel].system.catalogue if route.catalogue is None else route.catalogue


def _warehouse(settings: Settings, place: Place) -> WarehouseConfig:
    connection = settings.connections[place.warehouse]
    return WarehouseConfig(
        connection=connection.name,
        clock=connection.system.clock(connection.settings),
        cap=place.cap,
        correction_limit=place.correction_limit,
        held_max=place.held_max,
        lists=reconcile_rule(settings, connection.name) != "off",
    )


def _channel(settings: Settings, route: StockRoute) -> ChannelConfig:
    connection = settings.connections[route.channel]
    common, spec = connection.channel, connection.system
    warehouses = {name: settings.places[name].warehouse for name in route.places}
    return ChannelConfig(
        incremental=spec.incremental(connection.settings),
        orders_mode=False,
        places=route.places,
        buffer=route.buffer,
        sellers={place: common.sellers[warehouse] for place, warehouse in warehouses.items() if warehouse in common.sellers},
        lag_ms=int(common.lag_s * 1_000),
        keep_ms=int(common.keep_days * DAY_MS),
        cap=common.cap,
        starts_at=common.starts_at,
        audited=spec.audited(connection.settings),
        stores=stores_of(settings, route.channel),
        presence=spec.presence(connection.settings),
    )
