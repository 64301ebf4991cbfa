"""Rows in memory: recovery is monotone, dues are remembered and forgotten, the configuration is told in slices."""

import json
from typing import Any

from aiokafka import ConsumerRecord

from streams.engine.rows import KafkaRecord, Partition


def changelog(*rows: tuple[str, dict[str, Any] | None]) -> list[KafkaRecord]:
    """Changelog records with ascending offsets; None is a tombstone."""
    return [
        ConsumerRecord("log", 0, offset, 0, 0, key.encode(), None if row is None else json.dumps(row).encode(), None, 0, 0, ())
        for offset, (key, row) in enumerate(rows)
    ]


def test_recover_when_an_older_row_lies_behind_a_newer_one_then_the_newer_stays_and_the_key_is_stale() -> None:
    partition = Partition()

    partition.recover(changelog(("a", {"at": 5, "n": 1}), ("a", {"at": 3, "n": 2}), ("b", {"at": 1})))

    assert json.loads(partition.rows[b"a"]) == {"at": 5, "n": 1}
    assert partition.stale == {b"a"}


def test_recover_when_an_equal_or_newer_row_follows_then_it_wins_and_nothing_is_stale() -> None:
    partition = Partition()

    partition.recover(changelog(("a", {"at": 5}), ("a", {"at": 3}), ("a", {"at": 5, "n": 3})))

    assert json.loads(partition.rows[b"a"]) == {"at": 5, "n": 3}
    assert partition.stale == set()


def test_recover_when_a_tombstone_comes_then_the_row_is_gone() -> None:
    partition = Partition()

    partition.recover(changelog(("a", {"at": 5}), ("a", None)))

    assert partition.rows == {}


def test_recover_when_rows_name_dues_then_they_come_in_the_order_of_time() -> None:
    partition = Partition()

    partition.recover(changelog(("a", {"at": 1, "due": 30}), ("b", {"at": 2, "due": None}), ("c", {"at": 3, "due": 10})))

    assert partition.next_due() == 10
    assert [partition.pop_due(30), partition.pop_due(30), partition.pop_due(30)] == [(10, b"c"), (30, b"a"), None]


def test_pop_due_when_it_is_too_early_then_none() -> None:
    partition = Partition()
    partition.wake(10, b"a")

    assert partition.pop_due(9) is None


def test_wake_when_a_row_moves_its_due_for_ever_then_the_heap_stays_small() -> None:
    partition = Partition()

    for due in range(5000):
        partition.rows[b"a"] = json.dumps({"at": due, "due": due}).encode()
        partition.wake(due, b"a")

    assert len(partition.dues) < 1100
    assert (4999, b"a") in partition.dues


def test_next_to_be_told_then_slices_in_order_without_shared_rows() -> None:
    partition = Partition()
    partition.rows = dict.fromkeys([b"c", b"@clock", b"a", b"d"], b"")

    partition.tell_all([b"b"])

    assert partition.next_to_be_told(b"", 2) == ([b"a", b"b"], True)
    assert partition.next_to_be_told(b"b", 2) == ([b"c", b"d"], False)


def test_next_to_be_told_when_another_owner_goes_on_then_from_where_it_stood() -> None:
    partition = Partition()
    partition.rows = dict.fromkeys([b"a", b"b", b"c"], b"")

    assert partition.next_to_be_told(b"a", 2) == ([b"b", b"c"], False)
