"""A step ─▶ sentences that a warehouse operator understands. Times are shown in UTC."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from agents.explain.step import Became, End, Number, Said, Step
from agents.stock.warehouse import is_later, value_of
from models import facts
from models.message import ConfigChanged, Tick
from models.stock_row import Channel, Place

MOVES = {
    "later": "counted at once",
    "unclear": "may be in the last reading already",
    "no_time": "without a time, so it may be in the last reading already",
    "no_id": "without an id, so it may be in the last reading already",
    "late": "in the last reading already: not counted again",
    "repeat": "came before: not counted again",
}
READINGS = {
    "clean": "adopted",
    "unclear": "adopted, but moves remain that it may have or not",
    "older": "not newer than the adopted one: ignored",
    "held": "too far from what was expected: held back until a second reading or a person agrees",
}
AUDITS = {
    "agreed": "which is right",
    "known_now": "so it knows the SKU by now, and is to be told",
}
IN_DOUBT = ("unclear", "no_time", "no_id")


def sentences(step: Step) -> list[str]:
    """What happened and what it did, then one line per place, channel and question."""
    first = _TELL[step.event](step) if step.event in _TELL else f"a record of type {step.event}"
    found = [first]
    found += [f"{name}: {number_text(number)}" for name, number in step.numbers.items()]
    found += [said_text(said) for said in step.said]
    found += [f"{channel} not told: {reason}" for channel, reason in step.silent.items()]
    found += [f"asked {asked.connection} to say what it has ({asked.why})" for asked in step.asked]
    found += [f"cannot be used, see `stockwire dead ls`: {reason}" for reason in step.refused]
    found += [
        f"{told.labels[0]} showed a wrong number of its own: put right"
        for told in step.did
        if told.metric == "channel_audit_total" and told.labels[-1] == "corrected"
    ]
    if step.stopped:
        found.append(f"with this the full reading {step.stopped} was stopped: too many of its numbers were too far off")
    found += [f"differs from the table: {text}; the story goes on with the table's" for text in step.corrected]
    if step.pending:
        found.append("not in the table yet")
    return found


def folded(steps: Iterable[Step]) -> list[tuple[Step, list[Step]]]:
    """Each step, and the looks at its channel right after it that saw and changed no more than it did."""
    found: list[tuple[Step, list[Step]]] = []
    last: dict[str, tuple[Any, list[Step]]] = {}  # by channel: several are looked at in turn
    for step in steps:
        look = step.fact
        if not isinstance(look, facts.ChannelShown) or step.row is not None or step.said:
            last.clear()
            found.append((step, []))
            continue
        seen = (look.shown, look.stores, step.did, step.unproved)
        before, again = last.get(look.connection, (None, []))
        if seen == before:
            again.append(step)
        else:
            last[look.connection] = seen, (again := [])
            found.append((step, again))
    return found


def again_text(again: list[Step]) -> str:
    """How often the same came again, and until when."""
    return f"the same {len(again)} more time(s), the last at {date(again[-1].time_ms)}"


def number_text(number: Number) -> str:
    """`12 -> 10`, with the upper end where it is in doubt."""
    before, after = _range(number.low_before, number.high_before), _range(number.low, number.high)
    return f"{before} -> {after}"


def said_text(said: Said) -> str:
    """`told web 10 (sequence 7), changed from 12; taken after 45 ms`."""
    total = "" if said.total is None else f", total {plain(said.total)}"
    why = {
        "first": "its first number",
        "changed": f"before {plain(said.level_before)}" + ("" if said.total_before is None else f", total {plain(said.total_before)}"),
        "details": "the same number, but another cost or split over the stores",
        "again": "the same once more",
    }[said.why]
    became = "; ".join(map(became_text, said.became)) or "no outcome (yet): overtaken by a newer one, or still on its way"
    return f"told {said.channel} {_level(said)}{_split(said)}{total} (sequence {said.sequence}), {why}; {became}"


def _level(said: Said) -> str:
    """A channel that is told levels is never told less than 0."""
    return f"0 (short by {plain(-said.level)})" if said.total is None and said.level < 0 else plain(said.level)


def _split(said: Said) -> str:
    if not said.parts:
        return ""
    costs = "".join(f"; cost at {place} {plain(cost)}" for place, cost in said.costs.items())
    return f" ({', '.join(_part(said, place, part) for place, part in said.parts.items())}{costs})"


def _part(said: Said, place: str, part: Decimal) -> str:
    if place in said.presence:
        return f"{place} in stock" if part > 0 else f"{place} out of stock"
    return f"{place} {plain(part)}"


def became_text(became: Became) -> str:
    """What the channel did with a number."""
    status = "" if became.status is None else f", status {became.status}"
    took = "" if became.took_ms is None else f", call {became.took_ms} ms"
    tries = f", {became.attempts} attempts" if became.attempts > 1 else ""
    if became.outcome == "Done":
        stood = " (it stood there already)" if became.attempts == 0 else ""
        return f"taken after {became.after_ms} ms{stood}{status}{took}{tries}"
    if became.outcome == "Superseded":
        return f"not sent: a newer number overtook it after {became.after_ms} ms"
    return f"REFUSED after {became.after_ms} ms{status}{took}{tries}: {became.reason}"


def standing(end: End) -> Iterator[tuple[str, list[str]]]:
    """The row as it stands: a heading and its lines, for each place and channel."""
    if end.row is None:
        return
    for name, place in end.row.wh.items():
        yield name, list(_place_lines(end, place))
    for name, channel in end.row.ch.items():
        yield name, list(_channel_lines(channel))


def agreement(end: End) -> list[str]:
    """Whether the story and the table agree."""
    return {
        "yes": ["agrees with the table"],
        "no": [f"differs from the table: {text}" for text in end.differs],
        "behind": [f"agrees with the table as far as that goes; the worker has {end.pending} record(s) of it still to work on"],
        "unknown": ["the row is the table's own; too little is known of what came before to compare"],
        "no table": ["the table has no row of it"],
    }[end.agrees]


def moment(ms: int) -> str:
    """A time of day, with milliseconds where there are any."""
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{at:%H:%M:%S}" + (f".{ms % 1000:03}" if ms % 1000 else "")


def date(ms: int) -> str:
    """A moment that may be days ago."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d} {moment(ms)}"


def plain(number: Decimal | None) -> str:
    """A number as people write it."""
    return "unknown" if number is None else f"{number:f}"


def _range(low: Decimal | None, high: Decimal | None) -> str:
    return plain(low) if low == high else f"{plain(low)} (at most {plain(high)})"


def _verdict(step: Step, metric: str) -> str:
    return next((told.labels[-1] for told in step.did if told.metric == metric), "")


def _moved(step: Step) -> str:
    fact: facts.StockMoved = step.fact
    if step.owner is None:
        who = "moved" if fact.seller is None else f"moved under seller {fact.seller}"
    else:
        who = f"sold by {step.owner}" if fact.delta < 0 else f"given back by {step.owner}"
    when = f"before {moment(fact.hi_ms)}" if fact.lo_ms is None else f"{moment(fact.lo_ms)}-{moment(fact.hi_ms)}"
    verdict = _verdict(step, "stock_moves_total")
    text = MOVES.get(verdict, f"{fact.place} is not configured: ignored")
    if verdict in IN_DOUBT:
        text += ", counted because it lowers" if fact.delta < 0 else ", not counted before it is read again"
    if _has(step, "stock_row_folded_total"):
        text += "; no room for more moves, so the oldest is no longer told apart"
    return f"{fact.delta:+f} {who} at {fact.place} (moved {when}), {text}"


def _counted(step: Step) -> str:
    fact: facts.StockCounted = step.fact
    text = READINGS.get(_verdict(step, "stock_readings_total"), f"{fact.place} is not configured: ignored")
    kind = "" if fact.sweep is None else " in a full reading"
    return f"{fact.place} said {plain(fact.value)}{kind} (true at some time {moment(fact.t0_ms)}-{moment(fact.t1_ms)}), {text}"


def _shown(step: Step) -> str:
    fact: facts.ChannelShown = step.fact
    verdict = _verdict(step, "channel_audit_total")
    text = AUDITS.get(verdict, "remembered, to be compared with a second look" if step.row else "not needed")
    if verdict == "not_quiet":
        text = f"which proves nothing: {step.unproved}"
    return f"{fact.connection} shows {plain(fact.shown)} (asked {moment(fact.asked_ms)}), {text}"


def _line(step: Step) -> str:
    fact: Any = step.fact
    texts: dict[type[Any], Callable[[], str]] = {
        facts.LinePlaced: lambda: f"{fact.connection} sold {plain(fact.quantity)} in line {fact.line}, to come from {fact.place}",
        facts.LineReserved: lambda: f"line {fact.line} of {fact.connection} is reserved in the warehouse (seen {moment(fact.by_ms)})",
        facts.LineCounted: lambda: f"{fact.connection} counts {plain(fact.now)} instead of {plain(fact.was)} of line {fact.line} as sold",
        facts.LineDropped: lambda: f"line {fact.line} of {fact.connection} will never reach the warehouse",
    }
    return texts[type(fact)]() + ("" if step.row or step.refused else "; known already, changes nothing")


def _told(step: Step) -> str:
    return f"{step.fact.connection} has taken number {step.fact.sequence}" + ("" if step.row else ", which nothing depends on")


def _unknown(step: Step) -> str:
    return f"{step.fact.connection} does not know the SKU" + ("" if step.row else ", which nothing depends on")


def _resend(step: Step) -> str:
    return f"{step.fact.connection} is to be told again"


def _accepted(step: Step) -> str:
    return "a person accepted what was held back" + ("" if step.row else "; nothing was")


def _tick(step: Step) -> str:
    drift = any(told.metric == "stock_drift_units" for told in step.did)
    return "a wait was over" + ("; what readings were off by is not explained by late moves" if drift else "")


def _config(_step: Step) -> str:
    return "the configuration changed"


def _unusable(_step: Step) -> str:
    return "a record that nobody understands"


_TELL: dict[str, Callable[[Step], str]] = {
    facts.StockMoved.__name__: _moved,
    facts.StockCounted.__name__: _counted,
    facts.ChannelShown.__name__: _shown,
    facts.LinePlaced.__name__: _line,
    facts.LineReserved.__name__: _line,
    facts.LineCounted.__name__: _line,
    facts.LineDropped.__name__: _line,
    facts.Told.__name__: _told,
    facts.SkuUnknown.__name__: _unknown,
    facts.Resend.__name__: _resend,
    facts.CorrectionAccepted.__name__: _accepted,
    Tick.__name__: _tick,
    ConfigChanged.__name__: _config,
    "Unusable": _unusable,
}


def _has(step: Step, metric: str) -> bool:
    return any(told.metric == metric for told in step.did)


def _place_lines(end: End, place: Place) -> Iterator[str]:
    value = value_of(place)
    if value is None:
        yield "never read"
    else:
        yield f"has {_range(value.low, value.high)} for certain"
        yield f"last reading {plain(place.base)}, true at some time {date(place.t0)} - {moment(place.t1)}"
    if not place.stocked:
        yield "keeps no stock of it"
    for move in place.moves:
        doubt = "after the reading" if value is not None and is_later(move.lo_ms, place.t1) else "in doubt"
        yield f"move {move.id}: {move.delta:+f}, {doubt}" + ("" if move.channel is None else f", of {move.channel}")
    if place.folded:
        yield "moves were forgotten for lack of room"
    if place.ask is not None:
        yield f"to be asked again at {date(place.ask.due_ms)}; asked {place.ask.tries} time(s) since {date(place.ask.since_ms)}"
    if place.held is not None:
        yield (
            f"a reading of {plain(place.held.value)} ({date(place.held.t0)} - {moment(place.held.t1)}) is held back; "
            f"accept it with `stockwire reconcile --accept {end.sku}`"
        )
    if place.drift is not None and place.drift.amount is not None:
        yield f"readings are off by {plain(place.drift.amount)}; late moves may explain it until {date(place.drift.due_ms)}"
    yield from _added(place, Place())


def _channel_lines(channel: Channel) -> Iterator[str]:
    told = channel.told
    if told is None:
        yield "told nothing yet"
    else:
        level = told.value if told.level is None else told.level
        total = "" if told.level is None and not channel.counted else f", total {plain(told.value)}"
        taken = ", taken" if told.taken else ""
        yield f"told {plain(level)}{total} (sequence {told.sequence}, {date(told.as_of_ms)}){taken}"
    if channel.counted:
        yield f"sold {plain(channel.counted)} by itself, as far as we know"
    for line in channel.open:
        yield f"order line {line.line} at {line.place}: {plain(line.live)} sold, not surely in the reading yet"
    for hold in channel.hold:
        yield f"a raise of {plain(hold.amount)} waits until {date(hold.due_ms)}"
    if channel.look is not None:
        yield f"its own number is being checked since {date(channel.look.answered_ms)}"


_TOLD_OF = {"base", "t0", "t1", "item", "moves", "folded", "ask", "held", "drift", "stocked"}


def _added(place: Place, fresh: Place) -> Iterator[str]:
    """Members that rows have besides, such as a cost."""
    for field in msgspec.structs.fields(type(place)):
        value = getattr(place, field.name)
        if field.name not in _TOLD_OF and value != getattr(fresh, field.name):
            yield f"{field.name} {plain(value) if isinstance(value, Decimal) else value}"


def concerns(step: Step, channel: str, places: tuple[str, ...]) -> bool:
    """Whether the step has to do with the channel or with a place that feeds it."""
    fact = step.fact
    place = getattr(fact, "place", None)
    if place is not None and not hasattr(fact, "line"):
        return place in places
    connection = getattr(fact, "connection", None)
    return connection is None or connection == channel
