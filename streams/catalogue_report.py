"""level, outcome ─▶ review: what became of a full-catalogue run, SKU by SKU, in bounded memory."""

from collections.abc import Callable
from typing import Literal

import msgspec
from confluent_kafka import Message

from models import topics
from models.review import CatalogueReported
from streams import read, scan
from streams.kafka_client import confluent
from streams.settings import KafkaSettings

NAMED = 100
REASON_CHARACTERS = 300

State = Literal["taken", "missing", "refused"]


class Said(msgspec.Struct, frozen=True):
    """What the report needs of an outcome (`models.outcome`); the exchange and the rest of the JSON is skipped."""

    type: str
    reason: str = ""
    missing: bool = False


_said: Callable[[bytes], Said] = msgspec.json.Decoder(Said).decode


def report(tally: "Tally", run: str, at_ms: int) -> CatalogueReported:
    """The run as the tally knows it."""
    states = {sku: tally.states.get(sku) for sku in tally.offers}
    missing = [sku for sku, state in states.items() if state == "missing"]
    refused = [sku for sku, state in states.items() if state == "refused"]
    return CatalogueReported(
        connection=tally.connection,
        run=run,
        began_ms=tally.began_ms,
        at_ms=at_ms,
        offers=len(states),
        taken=sum(state == "taken" for state in states.values()),
        left=sum(state is None for state in states.values()),
        missing_count=len(missing),
        refused_count=len(refused),
        missing=tuple(sorted(missing)[:NAMED]),
        refused={
            sku: tally.reasons.get(sku, "see outcome") for sku in sorted(refused, key=lambda sku: (sku not in tally.reasons, sku))[:NAMED]
        },
    )


def is_complete(found: CatalogueReported) -> bool:
    """Whether the channel has taken every offer."""
    return found.taken == found.offers


class Tally:
    """Every SKU that `level.<c>.v1` has, and its last outcome since `began_ms`; each look reads on from the one before.

    A level that was overtaken before it was sent says nothing: the newer one has an outcome of its own. `reasons` are those of
    the first refused SKUs only.
    """

    def __init__(self, kafka: KafkaSettings, connection: str, began_ms: int) -> None:
        self.connection = connection
        self.began_ms = began_ms
        self.offers: set[str] = set()
        self.states: dict[str, State] = {}
        self.reasons: dict[str, str] = {}
        self._client = confluent(kafka)
        self._levels: scan.Spans = {}
        self._outcomes: scan.Spans | None = None

    def look(self, *, within_s: float, on_read: scan.Heard = scan.deaf) -> bool:
        """Read what is there now; False when `within_s` was not enough: look again. `on_read` hears how many offsets are left.

        Raises `TransientError` when Kafka does not answer, `StockwireError` when a topic is not there.
        """
        levels, outcomes = topics.level(self.connection), topics.outcome(self.connection)
        with scan.reader(self._client) as consumer:
            if self._outcomes is None:
                self._outcomes = scan.since(consumer, outcomes, self.began_ms)
            # The outcomes' ends come first, so that no outcome is counted of a SKU that is not known to be an offer.
            scan.lengthen(consumer, outcomes, self._outcomes)
            scan.lengthen(consumer, levels, self._levels)
            for topic, spans, take in ((levels, self._levels, self._level), (outcomes, self._outcomes, self._outcome)):
                for record in scan.records(consumer, topic, spans, within_s=within_s / 2, on_read=lambda _left: on_read(self.left())):
                    take(record)
        on_read(self.left())
        return not self.left()

    def left(self) -> int:
        """Offsets that a look has seen but not yet read."""
        return scan.left(self._levels) + scan.left(self._outcomes or {})

    def _level(self, record: Message) -> None:
        sku = read.key_of(record) or ""
        if record.value() is None:
            self.offers.discard(sku)
        else:
            self.offers.add(sku)

    def _outcome(self, record: Message) -> None:
        value, sku = record.value(), read.key_of(record) or ""
        if not isinstance(value, bytes) or record.timestamp()[1] < self.began_ms:
            return
        said = _said(value)
        if said.type == "Superseded":
            return
        self.reasons.pop(sku, None)
        if said.type == "Done":
            self.states[sku] = "taken"
            return
        self.states[sku] = "missing" if said.missing else "refused"
        if not said.missing and len(self.reasons) < NAMED:
            self.reasons[sku] = said.reason[:REASON_CHARACTERS]
