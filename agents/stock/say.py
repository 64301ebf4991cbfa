"""What each channel is told: a number that differs from the last one, or the last one again, word for word (K1, K2, K4)."""

from decimal import Decimal

from msgspec.structs import replace

from agents.stock import audit
from agents.stock import channel as channels
from agents.stock.draft import Draft
from agents.stock.plan import Plan
from models.agent import Emit
from models.config import ChannelConfig
from models.level import Level
from models.stock_row import ZERO, Channel, StockRow, Told


def shares_of(draft: Draft, name: str, config: ChannelConfig, channel: Channel) -> dict[str, Decimal] | None:
    """What each place has for the channel: low - (P - C); None until each place has a base, or if none keeps stock of it."""
    shares = {}
    stocked = False
    for place in config.places:
        value = draft.value(place)
        if value is None:
            return None
        stocked = stocked or draft.wh[place].stocked
        share = value.low
        if channel.open:
            share -= channels.uncovered_at(name, channel.open, place, draft.place(place))
        shares[place] = share
    return shares if stocked else None


def total_of(level: Decimal, channel: Channel) -> Decimal:
    """What an incremental channel is told."""
    return level + channel.counted - channels.held_back(channel)


def say(draft: Draft, name: str, config: ChannelConfig) -> None:
    """Tell the channel if its number differs from the last one told."""
    channel = draft.channel(name)
    shares = shares_of(draft, name, config, channel)
    if shares is None:
        return
    if not audit.is_opened(channel, config) and name not in draft.say_again:
        if config.starts_at != "in_step" or not audit.open_in_step(draft, name):
            return
        channel = draft.channel(name)
    level = sum(shares.values(), start=-config.buffer) if len(shares) > 1 or config.buffer else next(iter(shares.values()))
    value = total_of(level, channel) if config.incremental else level
    parts = channels.split(shares, config.buffer) if len(shares) > 1 else None
    costs = costs_of(draft, config) if config.stores else {}
    if name in draft.say_again or differs(channel.told, value, parts if config.stores else None, costs):
        told = Told(draft.record.sequence, draft.now, value, None if level == value else level, config.buffer or ZERO, parts, costs)
        draft.put_channel(name, replace(channel, told=told))
        draft.emits.append(level_emit(draft.plan, draft.sku, name, told))
        draft.count("channel_told_total", name)


def costs_of(draft: Draft, config: ChannelConfig) -> dict[str, Decimal]:
    """What one piece costs at each place that says so."""
    costs = {place: draft.wh[place].cost for place in config.places}
    return {place: cost for place, cost in costs.items() if cost is not None}


def differs(told: Told | None, value: Decimal, parts: dict[str, Decimal] | None, costs: dict[str, Decimal]) -> bool:
    """K2: whether the number, its split over the stores, or a cost is news to the channel."""
    return told is None or told.value != value or (parts is not None and told.parts != parts) or told.costs != costs


def level_emit(plan: Plan, sku: str, name: str, told: Told) -> Emit:
    """The record that says `told`; the same bytes each time."""
    config = plan.channels[name]
    level = told.value if told.level is None else told.level
    said = Level(
        connection=name,
        sku=sku,
        sequence=told.sequence,
        level=level,
        total=told.value if config.incremental else None,
        buffer=told.buffer,
        parts={config.places[0]: max(ZERO, level)} if told.parts is None else told.parts,
        costs=told.costs,
        as_of_ms=told.as_of_ms,
    )
    return Emit(topic=plan.level_topics[name], key=sku, value=said, conflate=True)


def say_told(plan: Plan, row: StockRow, sku: str) -> tuple[Emit, ...]:
    """K1: what was told last to each channel, again."""
    return tuple(
        level_emit(plan, sku, name, channel.told) for name, channel in row.ch.items() if channel.told is not None and name in plan.channels
    )
