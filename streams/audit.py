"""audit.v1 ─▶ what was done by hand: which dead letters were written again, and which runs of that were broken off."""

from collections.abc import Container

import msgspec
from confluent_kafka import Consumer

from models.audit import AnyAudited, LetterRedriven, RedriveEnded, RedriveStarted
from models.codec import Decoder
from models.errors import PoisonError
from models.topics import AUDIT
from streams import scan
from streams.topics import ASK_WITHIN_S

EARLIER_MS = 3_600_000
"""Machines disagree on what time it is, by less than that."""

_audited = Decoder[AnyAudited](AnyAudited)


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """`redriven`: by record (`LetterRedriven.record`) the newest time it was written again; `broken`: runs without an end, by name."""

    redriven: dict[str, LetterRedriven]
    broken: dict[str, RedriveStarted]


def books(consumer: Consumer, since_ms: int, wanted: Container[str], on_read: scan.Heard = scan.deaf) -> Books:
    """What was done since then (Unix ms) to the records `wanted`. Memory grows with those, not with the topic.

    `on_read` hears now and then how many offsets are left. Without a topic nothing was done.
    """
    found = Books(redriven={}, broken={})
    if consumer.list_topics(AUDIT, timeout=ASK_WITHIN_S).topics[AUDIT].error is not None:
        return found
    spans = scan.since(consumer, AUDIT, max(0, since_ms - EARLIER_MS))
    for record in scan.complete(consumer, AUDIT, spans, on_read):
        _enter(found, wanted, record.value())
    return found


def _enter(found: Books, wanted: Container[str], value: object) -> None:
    try:
        entry = _audited(value if isinstance(value, bytes) else b"")
    except PoisonError:  # written by hand, or by a newer version
        return
    match entry:
        case LetterRedriven(record=record) if record in wanted:
            found.redriven[record] = entry
        case RedriveStarted(run=run):
            found.broken[run] = entry
        case RedriveEnded(run=run):
            found.broken.pop(run, None)
