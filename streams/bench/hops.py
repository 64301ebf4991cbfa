"""The job J4 as data: what is on its way through the bare pipeline, and what its processes are told."""

import msgspec


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """One process between the topic `source` and `target`, which is a topic or a URL. `log` is what it writes beside."""

    bootstrap: str
    group: str
    source: str
    target: str
    log: str


class Event(msgspec.Struct, frozen=True):
    """What is posted, and what the call at the end says."""

    id: int
    sku: str
    delta: int = 0


class Command(msgspec.Struct, frozen=True):
    """Tell the channel this number."""

    id: int
    sku: str
    sum: int
