"""dead.v1 ─▶ where it came from: what a dead letter says of itself, and the record to write so that it is tried again. Pure."""

import re
from typing import NamedTuple

import msgspec

from models.codec import encode, headers_of
from models.facts import Resend
from models.message import Headers
from models.topics import AUDIT, DEAD, FACT_STOCK, POLL, REVIEW, inbound
from streams.dead import VALUE_LIMIT_BYTES

HOPS_MAX = 10
RECEIVER = "receiver."
FROM, FIRST, HOPS = "redriven_from", "redriven_origin", "hops"
"""Headers of a record that was written again: the dead letter, where the record stood at first, how often it was written again."""

_PLACE = re.compile(r"(.+)-(\d+)-(\d+)")
_LEVEL = re.compile(r"level\.(.+)\.v\d+")
_NEVER = {
    POLL: "a newer cursor would be lost; `stockwire reconcile` begins a reading",
    REVIEW: "it is a register for people; `stockwire review ls` shows it",
    AUDIT: "nobody reads it but people",
    DEAD: "it would be a dead letter for ever",
}


class Place(NamedTuple):
    """Where a record stands."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        """`topic-partition-offset`, as ids and traces have it."""
        return f"{self.topic}-{self.partition}-{self.offset}"


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter without its value. `time_ms` is Unix ms; `hops`: how often it was written again before it came here.

    `origin` is where the record that died stands, `first` where it stood before it was ever written again. `to` is the topic where
    it would be tried again; without one `problem` says why not, and what to do.
    """

    place: Place
    time_ms: int
    key: bytes | None
    error: str
    origin: Place | None
    first: Place
    hops: int
    to: str | None
    problem: str | None = None

    @property
    def record(self) -> str:
        """What must not be written twice: the record that died. A crash may have made several letters of it."""
        return str(self.origin or self.place)

    @property
    def turn(self) -> tuple[str, Place]:
        """Sorts letters so that those of a key come in the order in which their records first stood in Kafka."""
        return self.to or "", self.first

    @property
    def partition(self) -> int | None:
        """The partition to write to, None: that of its key. Without a key, or with one of the engine's own, it is where it was."""
        if self.origin is not None and (self.key is None or self.key.startswith(b"@")) and self.to == self.origin.topic:
            return self.origin.partition
        return None


class Outgoing(NamedTuple):
    """A record to be written; `partition` None: that of its key."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def place_of(text: str) -> Place | None:
    """Read `topic-partition-offset`."""
    found = _PLACE.fullmatch(text)
    return None if found is None else Place(found[1], int(found[2]), int(found[3]))


def letter_of(place: Place, time_ms: int, key: bytes | None, headers: Headers, size: int) -> Letter:
    """What the headers say; whatever is wrong with them is the letter's `problem`. `size`: bytes of the value."""
    origin = _origin(headers)
    hops = _number(headers.get(HOPS, b"0"))
    to, problem = _way(origin, headers, key)
    if problem is None:
        problem = _obstacle(hops, size)
    return Letter(
        place=place,
        time_ms=time_ms,
        key=key,
        error=_text(headers.get("dead_error", b"")),
        origin=origin,
        first=place_of(_text(headers.get(FIRST, b""))) or origin or place,
        hops=0 if hops is None else hops,
        to=to if problem is None else None,
        problem=problem,
    )


def again(letter: Letter, value: bytes | None, headers: Headers) -> Outgoing:
    """The record to write: the original bytes, key and own headers, without what was said of its death.

    A level is not written again, for a newer one may stand in its register: the stock agent is asked to say the number that holds now.
    """
    if letter.to is None:
        raise ValueError(f"{letter.place} goes nowhere: {letter.problem}")
    kept = {name: text for name, text in headers.items() if not name.startswith("dead_")}
    channel = None if letter.origin is None else _channel(letter.origin.topic)
    if channel is not None:
        fact = Resend(connection=channel, sku=(letter.key or b"").decode())
        value, kept = encode(fact), {**headers_of(fact), **({"trace": kept["trace"]} if "trace" in kept else {})}
    kept |= {FROM: str(letter.place).encode(), FIRST: str(letter.first).encode(), HOPS: b"%d" % (letter.hops + 1)}
    return Outgoing(letter.to, letter.partition, letter.key, value, list(kept.items()))


def _origin(headers: Headers) -> Place | None:
    topic, partition, offset = (headers.get(name, b"") for name in ("dead_topic", "dead_partition", "dead_offset"))
    numbers = _number(partition), _number(offset)
    return None if not topic or numbers[0] is None or numbers[1] is None else Place(_text(topic), numbers[0], numbers[1])


def _way(origin: Place | None, headers: Headers, key: bytes | None) -> tuple[str | None, str | None]:
    """The topic, or what is in the way."""
    agent = _text(headers.get("dead_agent", b""))
    if origin is None and agent.startswith(RECEIVER) and agent != RECEIVER:
        return inbound(agent.removeprefix(RECEIVER)), None
    if origin is None:
        return None, "it does not say where it came from; `stockwire dead show` has its bytes, `stockwire topics send` writes them by hand"
    if origin.topic in _NEVER:
        return None, f"{origin.topic} is not written again: {_NEVER[origin.topic]}"
    if _channel(origin.topic) is not None:
        return (FACT_STOCK, None) if _is_text(key) else (None, "its key is no SKU, so no number can be said again")
    return origin.topic, None


def _obstacle(hops: int | None, size: int) -> str | None:
    if hops is None:
        return f"its header `{HOPS}` is no number"
    if hops >= HOPS_MAX:
        return f"written again {hops} times already and refused each time; mend the cause, then write it by hand (`stockwire topics send`)"
    if size >= VALUE_LIMIT_BYTES:
        return "only its beginning is kept here; the whole is at its origin as long as that is kept"
    return None


def _channel(topic: str) -> str | None:
    found = _LEVEL.fullmatch(topic)
    return None if found is None else found[1]


def _number(text: bytes) -> int | None:
    return int(text) if text.isdigit() and len(text) < 20 else None  # noqa: PLR2004  # Kafka's offsets have at most 19 digits


def _text(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")


def _is_text(key: bytes | None) -> bool:
    try:
        return bool((key or b"").decode())
    except UnicodeDecodeError:
        return False
