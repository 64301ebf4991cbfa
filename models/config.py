"""The configuration of the deciding agents, as it is told to each partition in `ConfigChanged`."""

from decimal import Decimal

import msgspec


class ClockSlack(msgspec.Struct, frozen=True, kw_only=True):
    """How far a source's stamps and answers may be off (ms); too wide only costs a second reading.

    A stamp is at most `early_ms` before and `late_ms` after the true moment, cut to `resolution_ms`; its clock is known
    to within `skew_ms`. An answer was true at some moment since `staleness_ms` before it was asked for.
    """

    resolution_ms: int = 1_000
    early_ms: int = 1_000
    late_ms: int = 5_000
    staleness_ms: int = 5_000
    skew_ms: int = 1_000


class TranslateConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What translating a connection needs. `place` None: the connection is no warehouse, its moves mean nothing to us."""

    connection: str
    place: str | None = None
    clock: ClockSlack = ClockSlack()
    waiting_max: int = 60


class WarehouseConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One place. `cap`: most moves remembered per SKU. `correction_limit`: a reading further off is held (None: never).

    `held_max`: a partition holding more than this many readings of one sweep adopts no more of it.
    """

    connection: str
    clock: ClockSlack = ClockSlack()
    cap: int = 60
    correction_limit: Decimal | None = None
    held_max: int = 20
    lists: bool = True


class ChannelConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One channel. `orders_mode`: its orders reach the warehouses through us; else (seller mode) `sellers` is all we know.

    `sellers` maps a place to this channel's ids there. `starts_at`: `zero`, `in_step` or `read` (incremental only).
    `audited`: the channel's own number is read and compared. `stores`: the code of each place there, where the channel keeps
    stock per store; `presence` names those of the codes that show only whether there is any (1 or 0).
    """

    incremental: bool
    orders_mode: bool
    places: tuple[str, ...]
    buffer: Decimal = Decimal(0)
    sellers: dict[str, tuple[str, ...]] = {}
    lag_ms: int = 900_000
    keep_ms: int = 1_209_600_000
    cap: int = 60
    starts_at: str = "zero"
    audited: bool = False
    stores: dict[str, str] = {}
    presence: tuple[str, ...] = ()


class StockConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the stock agent may know: `warehouses` by place, `channels` by connection."""

    warehouses: dict[str, WarehouseConfig] = {}
    channels: dict[str, ChannelConfig] = {}
