"""Kafka record ─▶ `Record`, as agents see it."""

from collections.abc import Callable
from typing import Any

import msgspec

from models.agent import Count, Dead, Record
from models.codec import Decoder
from models.errors import PoisonError
from models.message import ConfigChanged, Tick
from streams.engine.effects import Undecodable
from streams.engine.rows import KafkaRecord
from streams.metrics import count

TICK_KEY, CONFIG_KEY = "@tick", "@config"

_engine_record = msgspec.json.Decoder(Tick | ConfigChanged).decode


class Poison(msgspec.Struct, frozen=True, kw_only=True):
    """A record that cannot be decided, and why."""

    record: Undecodable
    dead: Dead


class Intake:
    """Decodes the records of one agent. `epoch` makes their sequences grow across topics made anew."""

    def __init__(self, agent: str, decode: Callable[[bytes], Any], epoch: int) -> None:
        self._agent = agent
        self._decode = decode
        self._base = epoch << 40

    def take(self, raw: KafkaRecord) -> Record | Poison | None:
        """The record; a poison for `dead.v1`; or None for a tombstone, which says nothing."""
        if raw.value is None:
            return None
        try:
            key = _key(raw.key)
            return Record(
                topic=raw.topic,
                partition=raw.partition,
                offset=raw.offset,
                sequence=self._base + raw.offset,
                time_ms=raw.timestamp,
                key=key,
                value=raw.value,
                headers=dict(raw.headers),
                body=_engine_body(raw.value) if key[0] == "@" else self._decode(raw.value),
            )
        except PoisonError as error:
            record = Undecodable(
                topic=raw.topic, partition=raw.partition, offset=raw.offset, key=raw.key, value=raw.value, headers=dict(raw.headers)
            )
            return Poison(record=record, dead=Dead(error="PoisonError", reason=str(error)))

    def count_unknown(self) -> None:
        """Count the members of the records so far that our types do not name."""
        if isinstance(self._decode, Decoder) and self._decode.unknown:
            count(Count("unknown_members_ignored_total", (self._agent,), self._decode.unknown))
            self._decode.unknown = 0


def _key(raw: bytes | None) -> str:
    if not raw:
        raise PoisonError("a record without a key has no place in a table")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise PoisonError(f"the key is not UTF-8: {error}") from error


def _engine_body(value: bytes) -> Tick | ConfigChanged:
    """Keys with `@` are the engine's own."""
    try:
        body: Tick | ConfigChanged = _engine_record(value)
    except msgspec.DecodeError as error:
        raise PoisonError(f"keys that begin with @ are reserved: {error}") from error
    return body
