"""The job J2 as data: a running sum per key, with a row per key kept in a changelog and one output per event."""

import random
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from streams.bench.desk import Desk, Feed, Row
from streams.bench.subject import RunFailedError

FILLER = {"warehouse": "main", "sellerId": "seller-0042", "at": "2026-01-01T00:00:00Z", "pad": "x" * 40}
"""What else real events carry: each is about 200 bytes."""


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What the programs are told: the broker, the group and the topics. `profile`: also say where the time went."""

    bootstrap: str
    group: str
    source: str
    target: str
    changelog: str
    profile: bool = False


class Delta(msgspec.Struct, frozen=True):
    """One event."""

    seq: int
    sku: str
    delta: int


class Sum(msgspec.Struct, frozen=True):
    """One output: the sum of the key up to and including event `seq`."""

    sku: str
    seq: int
    sum: int


class Work(NamedTuple):
    """The input, the sum that each event must give, and the last sum of each key."""

    feed: list[Feed]
    sums: list[int]
    last: dict[bytes, int]


def work(events: int, keys: int) -> Work:
    """`events` over `keys` in random order, or, if there are enough keys, each of one of its own; always the same."""
    chance = random.Random(1)  # noqa: S311  # nothing secret
    feed, sums, last = [], [], dict[bytes, int]()
    for seq in range(events):
        sku = f"SKU-{chance.randrange(keys) if keys < events else seq:07d}"
        delta, key = chance.randrange(-5, 20), sku.encode()
        last[key] = last.get(key, 0) + delta
        sums.append(last[key])
        value = {"seq": seq, "sku": sku, "delta": delta, "eventId": f"evt-{seq:012d}", **FILLER}
        feed.append(Feed(key, msgspec.json.encode(value)))
    return Work(feed, sums, last)


def setup(desk: Desk, *, profile: bool = False) -> Setup:
    """Topics of a run; the changelog has the name that our engine gives it."""
    group = desk.name("sums")
    return Setup(
        bootstrap=desk.bootstrap,
        group=group,
        source=desk.topic(desk.name("deltas")),
        target=desk.topic(desk.name("said")),
        changelog=desk.topic(f"{group}-sums-changelog", compacted=True),
        profile=profile,
    )


decode_sum = msgspec.json.Decoder(Sum).decode


def check(done: Work, rows: Sequence[Row]) -> None:
    """Each event has exactly one output, with the right sum, and those of a key are in order. Raises `RunFailedError`."""
    seen, wrong, disorder, latest = set[int](), 0, 0, dict[str, int]()
    for row in rows:
        said = decode_sum(row.value)
        seen.add(said.seq)
        wrong += said.sum != done.sums[said.seq]
        disorder += latest.get(said.sku, -1) >= said.seq
        latest[said.sku] = said.seq
    missing, more = len(done.sums) - len(seen), len(rows) - len(seen)
    if missing or more or wrong or disorder:
        raise RunFailedError(f"wrong output: {missing} missing, {more} too many, {wrong} wrong sums, {disorder} out of order")
