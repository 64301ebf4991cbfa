"""Opening a channel, and comparing the number it shows with ours (incremental channels; absolute ones are told again).

A channel is proved quiet instead of caught at a quiet hour: it shows the same number twice, a lag apart, while nothing
else moved, and readings asked for after the second look agree. Then the difference is corrected, once.
"""

from collections.abc import Iterable
from decimal import ROUND_FLOOR, Decimal

from msgspec.structs import replace

from agents.stock import channel as channels
from agents.stock.draft import Draft
from models.config import ChannelConfig
from models.facts import ChannelShown, SkuUnknown, Told
from models.stock_row import ZERO, Channel, Look
from models.stock_row import Told as LastTold

_STARTS_UNKNOWN = ("in_step", "read")
_FINEST = Decimal("0.001")
_MOST = Decimal(999_999)
"""A channel can be told three decimals, rounded down, and a store never more than this (retailCRM cuts it there)."""


def is_opened(channel: Channel, config: ChannelConfig) -> bool:
    """Whether we know where the channel's own number started."""
    return channel.told is not None or not config.incremental or config.starts_at not in _STARTS_UNKNOWN


def quiet_lows(draft: Draft, name: str) -> tuple[Decimal, ...] | None:
    """What is certain per place, if all of it is exact and the channel has no open line and no hold; else None."""
    channel = draft.channel(name)
    if channel.open or channel.hold:
        return None
    lows = []
    for place in draft.plan.channels[name].places:
        value = draft.value(place)
        if value is None or not value.exact:
            return None
        lows.append(value.low)
    return tuple(lows)


def should_show(lows: tuple[Decimal, ...], config: ChannelConfig) -> Decimal:
    """What the channel shows when it is right and quiet, as it can be told on the wire."""
    level = _cut(sum(lows, start=ZERO) - config.buffer)
    return level if config.incremental else max(ZERO, level)


def is_right(shown: Decimal | tuple[Decimal, ...], lows: tuple[Decimal, ...], config: ChannelConfig) -> bool:
    """Whether a quiet channel shows what it should, per store where it keeps stock so."""
    return shown == (stores_should_show(lows, config) if isinstance(shown, tuple) else should_show(lows, config))


def stores_should_show(lows: tuple[Decimal, ...], config: ChannelConfig) -> tuple[Decimal, ...]:
    """What the store of each place shows when it is right and quiet, as it can be told on the wire."""
    parts = channels.split(dict(zip(config.places, lows, strict=True)), config.buffer)
    return tuple(_on_the_wire(part, presence=config.stores.get(place) in config.presence) for place, part in parts.items())


def _on_the_wire(part: Decimal, *, presence: bool) -> Decimal:
    return Decimal(part > 0) if presence else min(_cut(part), _MOST)


def _cut(number: Decimal) -> Decimal:
    """Down to what can be told; a number that has no more digits keeps its own."""
    cut = number.quantize(_FINEST, rounding=ROUND_FLOOR)
    return number if number == cut else cut


def _stores_shown(fact: ChannelShown, config: ChannelConfig) -> tuple[Decimal, ...]:
    """A store that says nothing of the SKU has none."""
    return tuple(fact.stores.get(config.stores.get(place, ""), ZERO) for place in config.places)


def on_shown(draft: Draft, fact: ChannelShown) -> None:
    """A look: the first is remembered, the second must see the same a lag later."""
    config = draft.plan.channels.get(fact.connection)
    channel = draft.channel(fact.connection)
    if config is None or not draft.wh or not (config.audited or not is_opened(channel, config)):
        return
    if channel.told is not None and channel.told.unknown:
        draft.count("channel_audit_total", fact.connection, "known_now")
        draft.say_again.add(fact.connection)
        return
    lows = quiet_lows(draft, fact.connection)
    if lows is None or not _is_acknowledged(channel, config):
        draft.count("channel_audit_total", fact.connection, "not_quiet")
        _put_look(draft, fact.connection, None)
        return
    shown = _stores_shown(fact, config) if config.stores else fact.shown
    if is_opened(channel, config) and is_right(shown, lows, config):
        draft.count("channel_audit_total", fact.connection, "agreed")
        _put_look(draft, fact.connection, None)
        return
    if isinstance(shown, tuple):
        _count_drift(draft, fact.connection, config, zip(shown, stores_should_show(lows, config), strict=True))
    told = None if channel.told is None else channel.told.sequence
    _put_look(draft, fact.connection, next_look(channel.look, Look(shown, fact.answered_ms, told, lows), fact.asked_ms, config.lag_ms))


def _count_drift(draft: Draft, name: str, config: ChannelConfig, stores: Iterable[tuple[Decimal, Decimal]]) -> None:
    for place, (shown, due) in zip(config.places, stores, strict=True):
        if shown != due:
            draft.count("channel_drift_units", name, config.stores[place], value=float(abs(shown - due)))


def next_look(old: Look | None, first: Look, asked_ms: int, lag_ms: int) -> Look:
    """The audit after one more look, which would be `first` if there were none before it."""
    if old is None or (old.shown, old.told, old.lows) != (first.shown, first.told, first.lows):
        return first
    if old.second_ms is not None or asked_ms < old.answered_ms + lag_ms:
        return old
    return replace(old, second_ms=asked_ms)


def on_told(draft: Draft, fact: Told) -> None:
    """The channel has taken a number; only the audit wants to know."""
    told = _unanswered(draft, fact)
    if told is not None:
        draft.put_channel(fact.connection, replace(draft.channel(fact.connection), told=replace(told, taken=True)))


def on_unknown(draft: Draft, fact: SkuUnknown) -> None:
    """The channel does not know the SKU: the next look that sees it there has it told."""
    told = _unanswered(draft, fact)
    if told is not None:
        draft.put_channel(fact.connection, replace(draft.channel(fact.connection), told=replace(told, unknown=True)))


def _unanswered(draft: Draft, fact: Told | SkuUnknown) -> LastTold | None:
    """The last number of an audited channel, if the fact is the first to say what became of it."""
    config = draft.plan.channels.get(fact.connection)
    told = draft.channel(fact.connection).told
    if config is None or not config.audited or told is None or told.sequence != fact.sequence:
        return None
    return None if told.taken or told.unknown else told


def follow(draft: Draft, name: str) -> None:
    """After every record: an audit under way ends when something moved, or when all readings have come."""
    channel = draft.channel(name)
    look = channel.look
    if look is None:
        return
    told = None if channel.told is None else channel.told.sequence
    if quiet_lows(draft, name) != look.lows or told != look.told:
        draft.count("channel_audit_total", name, "not_quiet")
        _put_look(draft, name, None)
    elif look.second_ms is not None and _is_read_after(draft, name, look.second_ms):
        draft.count("channel_audit_total", name, "corrected")
        correct(draft, name, look)


def correct(draft: Draft, name: str, look: Look) -> None:
    """Take the difference as sold by the channel (an increment: a sale slipping in afterwards does no harm)."""
    config = draft.plan.channels[name]
    channel = draft.channel(name)
    if isinstance(look.shown, tuple) or not config.incremental:
        draft.put_channel(name, replace(channel, look=None))
        draft.say_again.add(name)
        return
    counted = -look.shown if channel.told is None else channel.counted + should_show(look.lows, config) - look.shown
    draft.put_channel(name, replace(channel, counted=counted, look=None))
    draft.say_again.add(name)


def open_in_step(draft: Draft, name: str) -> bool:
    """Open a channel that shows our number already: as soon as that number is exact, nothing is sent at first."""
    lows = quiet_lows(draft, name)
    if lows is None:
        return False
    channel = draft.channel(name)
    draft.put_channel(name, replace(channel, counted=-should_show(lows, draft.plan.channels[name])))
    return True


def _is_acknowledged(channel: Channel, config: ChannelConfig) -> bool:
    return channel.told.taken if channel.told is not None else not is_opened(channel, config)


def _is_read_after(draft: Draft, name: str, second_ms: int) -> bool:
    return all(
        draft.place(place).t0 + draft.plan.warehouses[place].clock.staleness_ms > second_ms for place in draft.plan.channels[name].places
    )


def _put_look(draft: Draft, name: str, look: Look | None) -> None:
    channel = draft.channel(name)
    if channel.look != look:
        draft.put_channel(name, replace(channel, look=look))
