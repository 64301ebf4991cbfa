"""dead.v1 ─▶ origin topics: dead letters are tried again, each exactly once however often it is begun, killed and begun again.

What is written carries `redriven_from`; once Kafka has it, audit.v1 says so. A run begins with a note of where the topics end, so
the next one finds in them what a killed one had written and could no longer note. One process does this at a time.
"""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import msgspec
from confluent_kafka import Consumer, Message

from models.audit import LetterRedriven, RedriveEnded, RedriveStarted
from models.errors import StockwireError
from models.message import Headers
from models.topics import AUDIT, DEAD
from streams import read, scan
from streams.alone import Turn, alone
from streams.audit import Books, books
from streams.by_hand import Hand, as_record
from streams.kafka_client import confluent
from streams.letter import FROM, Letter, Outgoing, Place, again, letter_of, place_of
from streams.settings import KafkaSettings
from streams.topics import ASK_WITHIN_S

GROUP = "stockwire.redrive"
NAME = "redrive"
AT_ONCE, NOTED_AT_ONCE = 200, 10_000
STEPS_PER_S = 5


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What would be done with the letters that were chosen: `due`, in this order; `left` for the reason given; `done` already."""

    due: list[Letter]
    left: list[Letter]
    done: list[Letter]


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """`written` now, `found`: written by runs that were broken off, and not noted till now, `gone`: no longer in dead.v1.

    `run` names it in audit.v1; None: nothing was due.
    """

    run: str | None
    written: int
    found: int
    gone: int


def read_letter(record: Message) -> Letter:
    """What the headers of a record of dead.v1 say of it."""
    value = _bytes(record.value()) or b""
    return letter_of(_place(record), record.timestamp()[1], _bytes(record.key()), _headers(record), len(value))


def choose(
    kafka: KafkaSettings, wanted: read.Filter, ids: Collection[tuple[int, int]] = (), on_read: scan.Heard = scan.deaf
) -> list[Letter]:
    """The letters in dead.v1 that the filter takes; with `ids` only those at these places.

    Memory grows with the letters chosen, not with their values. Raises `StockwireError` for an id without a letter.
    """
    with scan.reader(confluent(kafka)) as consumer:
        if ids:
            found = list(scan.at(consumer, DEAD, ids))
            _all_there(ids, found)
            return [read_letter(record) for record in found if wanted.takes(record)]
        spans = scan.whole(consumer, DEAD) if wanted.since_ms is None else scan.since(consumer, DEAD, wanted.since_ms)
        return [read_letter(record) for record in scan.complete(consumer, DEAD, spans, on_read) if wanted.takes(record)]


def plan(kafka: KafkaSettings, letters: Sequence[Letter], on_read: scan.Heard = scan.deaf) -> Plan:
    """What would be done with them at this moment. Nothing is written."""
    with scan.reader(confluent(kafka)) as consumer:
        known = _books(consumer, letters, on_read)
        return _planned(consumer, letters, known.redriven.keys() | _records(consumer, _written(consumer, known, on_read)).keys())


def redrive(  # noqa: PLR0913  # each has a default, or is who and what
    kafka: KafkaSettings,
    letters: Sequence[Letter],
    *,
    by: str,
    chosen: str,
    per_s: float,
    on_read: scan.Heard = scan.deaf,
    on_written: Callable[[], Any] = lambda: None,
    on_wait: Callable[[], Any] = lambda: None,
) -> Ended:
    """Write again what is due of the letters, at most `per_s` a second. Returns when all is noted in audit.v1.

    `by` is who does it, `chosen` in words what was asked for. `on_written` is called for each record that Kafka has taken, before
    that is noted. Raises `StockwireError` when Kafka does not take a record or another process redrives; done again it goes on.
    """
    with scan.reader(confluent(kafka)) as consumer:
        scan.whole(consumer, AUDIT)  # says so if it is not there
    with alone(kafka, GROUP, AUDIT, NAME, on_wait=on_wait) as turn, scan.reader(confluent(kafka)) as consumer:

        def heard(left: int) -> None:
            turn.hold()
            on_read(left)

        hand = Hand(kafka)
        known = _books(consumer, letters, heard)
        found = {
            record: one for record, one in _records(consumer, _written(consumer, known, heard)).items() if record not in known.redriven
        }
        _settle(hand, known, found)
        due = _planned(consumer, letters, known.redriven.keys() | found.keys()).due
        run = _Run(hand, by, on_written)
        if due:
            run.begin(chosen, due, {topic: _ends(consumer, topic) for topic in {letter.to or "" for letter in due}})
            run.play(turn, consumer, due, per_s)
        return Ended(run=run.name if due else None, written=run.written, found=len(found), gone=run.gone)


class _Run:
    """One run, from its first note to its last."""

    def __init__(self, hand: Hand, by: str, on_written: Callable[[], Any]) -> None:
        self.name = f"{_now_ms()}-{secrets.token_hex(3)}"
        self.written = self.gone = 0
        self._hand, self._by, self._on_written = hand, by, on_written

    def begin(self, chosen: str, due: Sequence[Letter], marks: dict[str, dict[int, int]]) -> None:
        """Say where the topics end, before anything is added to them."""
        note = RedriveStarted(by=self._by, at_ms=_now_ms(), run=self.name, letters=len(due), chosen=chosen, marks=marks)
        self._hand.write([_noted(note)])

    def play(self, turn: Turn, consumer: Consumer, due: Sequence[Letter], per_s: float) -> None:
        """Write and note, some at a time, and say that it is over."""
        at_once = max(1, min(AT_ONCE, int(per_s / STEPS_PER_S)))
        for begin in range(0, len(due), at_once):
            some = due[begin : begin + at_once]
            began_s = time.monotonic()
            turn.hold()
            self._write(consumer, some)
            if begin + at_once < len(due):
                turn.hold(max(0.0, began_s + len(some) / per_s - time.monotonic()))
        self._hand.write([_noted(RedriveEnded(by=self._by, at_ms=_now_ms(), run=self.name, written=self.written))])

    def _write(self, consumer: Consumer, some: Sequence[Letter]) -> None:
        originals = {_place(record): record for record in scan.at(consumer, DEAD, [letter.place[1:] for letter in some])}
        there = [letter for letter in some if letter.place in originals]
        records = [_outgoing(letter, originals[letter.place]) for letter in there]
        places = self._hand.write(records, self._on_written)
        self._hand.write(
            [_noted(_redriven(letter, place, self.name, self._by, _now_ms())) for letter, place in zip(there, places, strict=True)]
        )
        self.written += len(there)
        self.gone += len(some) - len(there)


def _settle(hand: Hand, known: Books, found: dict[str, tuple[Letter, Place, str]]) -> None:
    """Note what broken runs have written, then that they are over."""
    notes = []
    for letter, place, run in found.values():
        started = known.broken[run]
        notes.append(_noted(_redriven(letter, place, run, started.by, started.at_ms)))
    for begin in range(0, len(notes), NOTED_AT_ONCE):
        hand.write(notes[begin : begin + NOTED_AT_ONCE])
    counts = Counter(run for _, _, run in found.values())
    ends = [RedriveEnded(by=one.by, at_ms=_now_ms(), run=run, written=counts[run]) for run, one in known.broken.items()]
    hand.write([_noted(end) for end in ends])


def _books(consumer: Consumer, letters: Iterable[Letter], on_read: scan.Heard) -> Books:
    """A letter is written again only after it was written: older notes say nothing of these."""
    records = {letter.record: letter.time_ms for letter in letters}
    return books(consumer, min(records.values(), default=_now_ms()), records.keys(), on_read)


def _written(consumer: Consumer, known: Books, on_read: scan.Heard) -> dict[Place, tuple[Place, str]]:
    """By letter where broken runs have written it, and which run; also what they could note."""
    found: dict[Place, tuple[Place, str]] = {}
    for run, started in known.broken.items():
        for topic, marks in started.marks.items():
            if not _exists(consumer, topic):
                continue
            spans = scan.whole(consumer, topic)
            for part, span in spans.items():
                mark = marks.get(part, 0)
                span.next = max(span.next, mark) if mark <= span.end else span.next  # beyond the end: the topic was made anew
            for record in scan.complete(consumer, topic, spans, on_read):
                letter = place_of(read.headers_of(record).get(FROM) or "")
                if letter is not None:
                    found[letter] = (_place(record), run)
    return found


def _records(consumer: Consumer, written: dict[Place, tuple[Place, str]]) -> dict[str, tuple[Letter, Place, str]]:
    """The same by record, for the letter itself knows which one died."""
    letters = [read_letter(record) for record in scan.at(consumer, DEAD, [place[1:] for place in written])] if written else []
    return {letter.record: (letter, *written[letter.place]) for letter in letters if letter.place in written}


def _planned(consumer: Consumer, letters: Iterable[Letter], done: Collection[str]) -> Plan:
    found = Plan(due=[], left=[], done=[])
    ordered = sorted(letters, key=lambda one: (one.turn, one.place))
    topics = {topic for topic in {letter.to for letter in ordered} if topic is not None and _exists(consumer, topic)}
    taken: dict[str, Place] = {}
    for letter in ordered:
        if letter.record in done:
            found.done.append(letter)
        elif letter.to is None:
            found.left.append(letter)
        elif letter.to not in topics:
            found.left.append(msgspec.structs.replace(letter, problem=f"there is no topic {letter.to} any more", to=None))
        elif letter.record in taken:
            found.left.append(msgspec.structs.replace(letter, problem=f"the same record as {taken[letter.record]}"))
        else:
            taken[letter.record] = letter.place
            found.due.append(letter)
    return found


def _exists(consumer: Consumer, topic: str) -> bool:
    return consumer.list_topics(topic, timeout=ASK_WITHIN_S).topics[topic].error is None


def _ends(consumer: Consumer, topic: str) -> dict[int, int]:
    return {part: span.end for part, span in scan.whole(consumer, topic).items()}


def _outgoing(letter: Letter, record: Message) -> Outgoing:
    return again(letter, _bytes(record.value()), _headers(record))


def _redriven(letter: Letter, place: Place, run: str, by: str, at_ms: int) -> LetterRedriven:
    return LetterRedriven(by=by, at_ms=at_ms, run=run, letter=str(letter.place), record=letter.record, to=str(place), hops=letter.hops + 1)


def _noted(note: LetterRedriven | RedriveStarted | RedriveEnded) -> Outgoing:
    return as_record(AUDIT, note.letter if isinstance(note, LetterRedriven) else f"redrive/{note.run}", note)


def _all_there(ids: Collection[tuple[int, int]], found: Iterable[Message]) -> None:
    missing = set(ids) - {_place(record)[1:] for record in found}
    if missing:
        names = ", ".join(f"{part}-{offset}" for part, offset in sorted(missing))
        raise StockwireError(f"{DEAD} has no letter {names} (any more); `stockwire dead ls` shows what there is")


def _place(record: Message) -> Place:
    return Place(record.topic() or "", record.partition() or 0, record.offset() or 0)


def _headers(record: Message) -> Headers:
    return {name: value if isinstance(value, bytes) else (value or "").encode() for name, value in dict(record.headers() or []).items()}


def _bytes(value: object) -> bytes | None:
    return value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else None


def _now_ms() -> int:
    return int(time.time() * 1_000)
