"""An owner that wakes up too late writes an old row behind the new owner's: it is noticed, and never wins."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.engine.effects import hash_of
from tests.faults.engine_books import Books, expected_sums
from tests.faults.engine_fleet import Fleet

PARTITIONS = 2
STALE = json.dumps({"at": 0, "events": 1, "total": 1, "due": None, "wakes": 0, "config": "first"}).encode()


def _write_stale_row(books: Books, key: str) -> None:
    books.write(books.changelog, hash_of(key.encode()) % PARTITIONS, key, STALE)


def _sums(books: Books) -> dict[str, tuple[int, int]]:
    return {key: (row["events"], row["total"]) for key, row in books.rows().items() if not key.startswith("@")}


@pytest.mark.broker
@pytest.mark.parametrize("kind", ["sums", "lanes"])
async def test_row_written_behind_a_live_owner_then_it_restarts_and_counts_right(
    kafka: str, fresh: Callable[[str], str], tmp_path: Path, kind: str
) -> None:
    books = Books(kafka, fresh("stale"), PARTITIONS)
    fleet = Fleet(books.environ() | {"WORKER_KIND": kind}, tmp_path)
    try:
        fleet.add()
        await fleet.ready()
        for _ in range(20):
            books.send("sku-1")
        books.flush()
        await books.settled()
        _write_stale_row(books, "sku-1")
        books.send("sku-1")
        books.flush()

        assert await fleet.workers[1].ended() == 70

        fleet.revive()
        await books.settled()
        await fleet.stop()
        assert _sums(books) == expected_sums(books.events()) == {"sku-1": (21, 21)}
    finally:
        fleet.destroy()


@pytest.mark.broker
async def test_row_written_before_a_recovery_then_it_loses_and_the_good_row_is_written_again(
    kafka: str, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    books = Books(kafka, fresh("stale"), PARTITIONS)
    fleet = Fleet(books.environ(), tmp_path)
    try:
        fleet.add()
        await fleet.ready()
        for _ in range(20):
            books.send("sku-1")
        books.flush()
        await books.settled()
        await fleet.retire(1)
        _write_stale_row(books, "sku-1")

        fleet.add()
        await fleet.ready()

        last = [json.loads(record.value() or b"") for record in books.read(books.changelog) if record.key() == b"sku-1"][-1]
        assert last["events"] == 20  # compaction keeps the good one
        books.send("sku-1")
        books.flush()
        await books.settled()
        await fleet.stop()
        assert _sums(books) == {"sku-1": (21, 21)}
        assert fleet.exits == [0, 0]
    finally:
        fleet.destroy()
