"""`stockwire.toml` → frozen structs, read once per process; every problem of the file is found at once."""

import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import msgspec

from models.errors import ConfigError
from streams.cross_check import cross_check
from streams.decode import decode, join, unknown
from streams.secret import Secret
from streams.systems import discover
from streams.systems.spec import SystemSpec

NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
EMBEDDED_PARTITIONS = 4
SESSION_MIN_S, SESSION_MAX_S = 6, 1_800
PORT_MAX = 65_535
BODY_MAX_BYTES = 1_000_000
NOT_YET = ("orders", "items", "customers", "prices")


class Sasl(msgspec.Struct, frozen=True, kw_only=True):
    """`[kafka.sasl]`: how to log in at the brokers."""

    username: str
    password: Secret
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """`[kafka.tls]`: paths of PEM files. `ca_file` None: the system's own list; the other two for mutual TLS."""

    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None

    def __post_init__(self) -> None:
        """A certificate and its key belong together."""
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together")


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[kafka]`.

    `partitions`: one count for all topics whose keys must meet; it is for ever. `replication` None: 3, or as many
    as there are brokers. `epoch` grows by one whenever the topics are made anew (it leads every sequence). `embedded`: the
    address is that of `stockwire broker --embedded`, whose topics always have 4 partitions.
    `session_s`: so long a process that died without a word keeps its partitions (the broker's own limits: 6 to 1800).
    `embedded`: the brokers are librdkafka's in-memory cluster, for trying only.
    """

    bootstrap: str
    partitions: int = 8
    replication: int | None = None
    epoch: int = 0
    embedded: bool = False
    session_s: float = 30.0
    sasl: Sasl | None = None
    tls: Tls | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if not self.bootstrap:
            raise ValueError('bootstrap is empty; name the brokers, for instance "localhost:9092"')
        if self.partitions < 1 or (self.replication is not None and self.replication < 1) or self.epoch < 0:
            raise ValueError("partitions and replication must be at least 1, epoch at least 0")
        if not SESSION_MIN_S <= self.session_s <= SESSION_MAX_S:
            raise ValueError(f"session_s must be {SESSION_MIN_S} to {SESSION_MAX_S}")
        if self.embedded and self.partitions != EMBEDDED_PARTITIONS:
            raise ValueError(f"the embedded broker's topics have {EMBEDDED_PARTITIONS} partitions: set partitions = {EMBEDDED_PARTITIONS}")


class ReceiverSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[receiver]`: where webhooks arrive, and what is too much. `public_url` is how the remote systems see it.

    `admin_port`: `/live`, `/ready` and `/metrics` are served there, and no longer at the public `port`.
    `body_max_bytes` stays below the megabyte that Kafka takes per record; `acknowledge_within_s` below the 5 s that
    impatient senders wait.
    """

    host: str = "0.0.0.0"  # noqa: S104  # webhooks come from outside
    port: int = 8080
    admin_port: int | None = None
    public_url: str = ""
    body_max_bytes: int = 262_144
    depth_max: int = 64
    connections_max: int = 1_024
    request_within_s: float = 10.0
    acknowledge_within_s: float = 3.0
    drain_within_s: float = 20.0

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        _check_port("port", self.port)
        _check_port("admin_port", self.admin_port or 0)
        if not 1 <= self.body_max_bytes <= BODY_MAX_BYTES:
            raise ValueError(f"body_max_bytes must be 1 to {BODY_MAX_BYTES}: Kafka takes no larger records")
        if self.depth_max < 1 or self.connections_max < 1 or self.request_within_s <= 0 or self.acknowledge_within_s <= 0:
            raise ValueError("depth_max and connections_max must be at least 1, request_within_s and acknowledge_within_s more than 0")
        if self.drain_within_s < 0:
            raise ValueError("drain_within_s must be at least 0")


class RoleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[worker]`, `[sender]`, `[poller]`: where the role serves `/live`, `/ready` and `/metrics`."""

    host: str = "0.0.0.0"  # noqa: S104  # probes and Prometheus come from outside
    port: int

    def __post_init__(self) -> None:
        """Refuse a port that there is not."""
        _check_port("port", self.port)


def _check_port(name: str, port: int) -> None:
    if not 0 <= port <= PORT_MAX:  # the kernel takes another one without a word: it cuts the number to 16 bits
        raise ValueError(f"{name} must be 0 (any free one) to {PORT_MAX}")


class ChannelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of `[connections.<name>]` that every channel has, whatever its system.

    `sellers`: this channel's ids in each warehouse connection. `starts_at`: what an incremental channel shows before the
    first number. `lag_s`: within this time every move is known, a sale of the
    channel's own included: longer than its order may take to reach the warehouse. `keep_days`: how long closed lines and event ids are
    remembered; `cap`: how many of them.
    """

    sellers: dict[str, tuple[str, ...]] = {}
    starts_at: Literal["zero", "in_step", "read"] = "zero"
    lag_s: float = 900.0
    keep_days: float = 14.0
    cap: int = 60

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if self.lag_s < 0 or self.keep_days <= 0 or self.cap < 1:
            raise ValueError("lag_s must be at least 0, keep_days more than 0, cap at least 1")


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """One configured account. `settings` is the struct of its system, `channel` what every channel has."""

    name: str
    system: SystemSpec
    settings: Any
    channel: ChannelSettings


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """`[[places]]`: one physical warehouse and its connection. `stores`: its code in each channel that keeps stock per store.

    `correction_limit`: a reading further off than this waits for a second one or a person (None: never); a partition with
    more than `held_max` such readings of one sweep adopts no more of it. `cap`: most moves remembered per SKU.
    """

    name: str
    warehouse: str
    stores: dict[str, str] = {}
    correction_limit: Decimal | None = None
    held_max: int = 20
    cap: int = 60


class StockRoute(msgspec.Struct, frozen=True, kw_only=True):
    """`[[stock]]`: the channel `to` is told what the places `from` have, less `buffer`.

    `reconcile`: `continuous`, a cron line of five fields (UTC), or `off` (after one opening reading no list is read).
    `catalogue`: when the channel is told everything again, also what did not change: a cron line, or `off`; None: as its system says.
    """

    places: tuple[str, ...] = msgspec.field(name="from")
    channel: str = msgspec.field(name="to")
    buffer: Decimal = Decimal(0)
    reconcile: str = "continuous"
    catalogue: str | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if not self.buffer.is_finite() or self.buffer < 0:
            raise ValueError("buffer must be a number of at least 0")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file. `connections` and `places` by name; `stock` in the file's order, one route per channel."""

    kafka: KafkaSettings
    receiver: ReceiverSettings = ReceiverSettings()
    worker: RoleSettings = RoleSettings(port=8081)
    sender: RoleSettings = RoleSettings(port=8082)
    poller: RoleSettings = RoleSettings(port=8083)
    connections: dict[str, Connection] = {}
    places: dict[str, Place] = {}
    stock: tuple[StockRoute, ...] = ()


SECTIONS: dict[str, type[msgspec.Struct]] = {
    "kafka": KafkaSettings,
    "receiver": ReceiverSettings,
    "worker": RoleSettings,
    "sender": RoleSettings,
    "poller": RoleSettings,
}
LISTS = ("places", "stock")


def load(path: Path, systems: Mapping[str, SystemSpec] | None = None) -> Settings:
    """Read and check the file; raises `ConfigError` with every problem. `systems`: by default all that are here."""
    return settings_of(_tables(path), systems)


def load_kafka(path: Path) -> KafkaSettings:
    """Only `[kafka]`, for those who look into topics and need no other secret; raises `ConfigError`."""
    problems: list[str] = []
    kafka = _section("kafka", _tables(path), problems)
    if not isinstance(kafka, KafkaSettings):
        raise ConfigError(problems)
    return kafka


def _tables(path: Path) -> dict[str, Any]:
    try:
        # Decimal keeps a quantity such as 0.1 exact; fields that are floats are converted when decoded.
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror}); name the file with --config"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: is not TOML: {error}"]) from error


def settings_of(tables: Mapping[str, Any], systems: Mapping[str, SystemSpec] | None = None) -> Settings:
    """The settings of a parsed file; raises `ConfigError` with every problem."""
    problems = _strange_sections(tables)
    parts: dict[str, Any] = {name: _section(name, tables, problems) for name in SECTIONS if name in tables or name == "kafka"}
    connections = _connections(tables.get("connections", {}), discover() if systems is None else systems, problems)
    places = _rows("places", Place, tables, problems)
    stock = _rows("stock", StockRoute, tables, problems)
    problems += [f"places[{number}].name: {text}" for number, place in places.items() for text in _bad_name(place.name)]
    problems += cross_check(
        connections, places, stock, connection_names=_keys(tables.get("connections")), place_names=_row_names(tables.get("places"))
    )
    if problems:
        raise ConfigError(problems)
    return Settings(**parts, connections=connections, places={place.name: place for place in places.values()}, stock=tuple(stock.values()))


def shown(settings: Settings) -> dict[str, Any]:
    """The effective configuration as plain data for people, defaults included, secrets as `***`."""
    plain: dict[str, Any] = {name: _plain(getattr(settings, name)) for name in SECTIONS}
    plain["connections"] = {
        name: {"system": one.system.name, **_plain(one.settings), **(_plain(one.channel) if one.system.channel else {})}
        for name, one in settings.connections.items()
    }
    plain["places"] = [_plain(place) for place in settings.places.values()]
    plain["stock"] = [_plain(route) for route in settings.stock]
    return plain


def _plain(value: msgspec.Struct) -> Any:  # noqa: ANN401  # plain data
    return msgspec.to_builtins(value, enc_hook=repr, builtin_types=(Decimal,))


def _strange_sections(tables: Mapping[str, Any]) -> list[str]:
    known = dict.fromkeys((*SECTIONS, *LISTS, "connections"))
    problems = [unknown(key, key, known) for key in tables if key not in known and key not in NOT_YET]
    return problems + [f"{key}: routes for {key} are not built yet; remove every [[{key}]]" for key in NOT_YET if key in tables]


def _section(name: str, tables: Mapping[str, Any], problems: list[str]) -> msgspec.Struct | None:
    if name not in tables:
        problems.append(f'{name}: missing; at least [{name}] with bootstrap = "host:port"')
        return None
    return decode(SECTIONS[name], tables[name], name, problems)


def _rows(name: str, kind: type[Any], tables: Mapping[str, Any], problems: list[str]) -> dict[int, Any]:
    """The rows of `[[name]]` that are right, by their number in the file."""
    rows = tables.get(name, [])
    if not isinstance(rows, list):
        problems.append(f"{name}: expected [[{name}]] (a list of tables)")
        return {}
    decoded = {number: decode(kind, row, f"{name}[{number}]", problems) for number, row in enumerate(rows)}
    return {number: row for number, row in decoded.items() if row is not None}


def _keys(tables: object) -> frozenset[str]:
    return frozenset(tables) if isinstance(tables, Mapping) else frozenset()


def _row_names(rows: object) -> frozenset[str]:
    return frozenset(str(row.get("name")) for row in rows if isinstance(row, Mapping)) if isinstance(rows, list) else frozenset()


def _bad_name(name: str) -> list[str]:
    wrong = f"{name!r} must consist of a-z, 0-9 and - (it becomes part of topic names)"
    return [] if NAME.fullmatch(name) else [wrong]


def _connections(tables: object, systems: Mapping[str, SystemSpec], problems: list[str]) -> dict[str, Connection]:
    if not isinstance(tables, Mapping):
        problems.append("connections: expected [connections.<name>] tables")
        return {}
    problems += [f"connections.{name}: {text}" for name in tables for text in _bad_name(name)]
    decoded = {name: _connection(name, table, systems, problems) for name, table in tables.items()}
    return {name: one for name, one in decoded.items() if one is not None}


def _connection(name: str, table: object, systems: Mapping[str, SystemSpec], problems: list[str]) -> Connection | None:
    path = join("connections", name)
    if not isinstance(table, Mapping) or table.get("system") not in systems:
        found = repr(table.get("system", "nothing")) if isinstance(table, Mapping) else "no table"
        problems.append(f"{path}.system: must be one of {', '.join(sorted(systems))}; found {found}")
        return None
    system = systems[table["system"]]
    own = {field.encode_name for field in msgspec.structs.fields(system.settings)}
    common = {field.encode_name for field in msgspec.structs.fields(ChannelSettings)} if system.channel else set()
    # A system may itself want to see a key that every channel has: both structs get it.
    mine = {key: value for key, value in table.items() if key in own or (key not in common and key != "system")}
    settings = decode(system.settings, mine, path, problems)
    channel = decode(ChannelSettings, {key: value for key, value in table.items() if key in common}, path, problems)
    if settings is None or channel is None:
        return None
    return Connection(name=name, system=system, settings=settings, channel=channel)
