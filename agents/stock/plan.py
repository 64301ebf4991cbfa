"""The configuration, turned so that a decision finds what it needs in one look-up."""

import msgspec

from models import topics
from models.config import ChannelConfig, StockConfig, WarehouseConfig

_LAG_MS = 900_000


class Plan(msgspec.Struct, frozen=True):
    """`fed` maps a place to the channels it feeds, `owners` a (place, seller id) to the one channel with that id there.

    `lags` is how long after a reading a move may arrive late, per place. The topics are those of the connections.
    """

    config: StockConfig
    warehouses: dict[str, WarehouseConfig]
    channels: dict[str, ChannelConfig]
    fed: dict[str, tuple[str, ...]]
    owners: dict[tuple[str, str], str]
    lags: dict[str, int]
    level_topics: dict[str, str]
    hint_topics: dict[str, str]

    @classmethod
    def of(cls, config: StockConfig) -> "Plan":
        """Index `config`."""
        fed = {place: tuple(name for name, channel in config.channels.items() if place in channel.places) for place in config.warehouses}
        return cls(
            config=config,
            warehouses=config.warehouses,
            channels=config.channels,
            fed=fed,
            owners=_owners(config),
            lags={place: max((config.channels[name].lag_ms for name in names), default=_LAG_MS) for place, names in fed.items()},
            level_topics={name: topics.level(name) for name in config.channels},
            hint_topics={place: topics.hint(warehouse.connection) for place, warehouse in config.warehouses.items()},
        )


def _owners(config: StockConfig) -> dict[tuple[str, str], str]:
    """A seller id that two channels claim at one place is nobody's: its moves are then ordinary moves."""
    claims: dict[tuple[str, str], list[str]] = {}
    for name, channel in config.channels.items():
        for place, sellers in channel.sellers.items():
            for seller in set(sellers):
                claims.setdefault((place, seller), []).append(name)
    return {key: names[0] for key, names in claims.items() if len(names) == 1}


class _Memo:
    """The last configuration and its plan: decisions come with the same configuration a million times in a row."""

    config: StockConfig | None = None
    plan: Plan | None = None


def plan_of(config: StockConfig) -> Plan:
    """The plan of `config`, made once per configuration object."""
    if _Memo.config is not config or _Memo.plan is None:
        _Memo.plan = Plan.of(config)
        _Memo.config = config
    return _Memo.plan
