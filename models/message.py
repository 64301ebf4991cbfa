"""The base of everything that crosses Kafka as a value, and the two records the engine itself writes."""

from typing import Any

import msgspec


class Message(msgspec.Struct, frozen=True, tag=True, omit_defaults=True, kw_only=True, forbid_unknown_fields=True):
    """One JSON object; the member `type` holds the class name, so it is part of the published interface.

    Unknown members are forbidden only so that `models.codec.Decoder` hears of them: it counts and drops them.
    """


class Tick(Message, frozen=True, forbid_unknown_fields=False):
    """The engine's timer: some rows of this partition were due at `now_ms` (our clock, Unix milliseconds)."""

    now_ms: int


class ConfigChanged(Message, frozen=True, forbid_unknown_fields=False):
    """The configuration of a table agent from this record on, for this partition.

    `digest` identifies it; `config` is the agent's own configuration struct as JSON.
    """

    digest: str
    config: msgspec.Raw


class ConfigRow(Message, frozen=True, forbid_unknown_fields=False):
    """The row `@config` of a partition.

    `said_up_to` is the last key to which the change has been said; None when all rows know it.
    """

    at: int = -1
    due: int | None = None
    digest: str = ""
    config: msgspec.Raw = msgspec.Raw(b"null")
    said_up_to: str | None = None


Headers = dict[str, bytes]
Json = Any
