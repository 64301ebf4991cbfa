"""Timers and a change of configuration, while workers are killed: every row is woken and told, none is forgotten."""

import asyncio
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.faults.engine_books import Books, expected_sums
from tests.faults.engine_fleet import Fleet

PARTITIONS = 2


@pytest.mark.broker
async def test_rows_become_due_while_workers_are_killed_then_each_is_woken(kafka: str, fresh: Callable[[str], str], tmp_path: Path) -> None:
    books = Books(kafka, fresh("timers"), PARTITIONS)
    fleet = Fleet(books.environ() | {"WORKER_CONFIG": '{"wake_after_ms":1500}'}, tmp_path)
    choose = random.Random(3)  # noqa: S311  # a test wants the same numbers again
    try:
        fleet.add()
        fleet.add()
        await fleet.ready()
        for _ in range(4):
            for _ in range(300):
                books.send(f"sku-{choose.randrange(1200)}")
            books.flush()
            await asyncio.sleep(choose.uniform(0.5, 1.5))  # the rows become due
            fleet.workers[choose.choice([1, 2])].signal(signal.SIGKILL)
            fleet.revive()
        await books.settled()

        async def all_awake() -> bool:
            return all(row["due"] is None and row["wakes"] > 0 for key, row in books.rows().items() if not key.startswith("@"))

        await eventually(all_awake, within_s=30, every_s=1, what="every row woken")
        await books.settled()
        await fleet.stop()
        rows = {key: row for key, row in books.rows().items() if not key.startswith("@")}
        told = books.told()
        assert {key: (row["events"], row["total"]) for key, row in rows.items()} == expected_sums(books.events())
        for key, row in rows.items():
            wakes = {event for event in told[key] if event.startswith("wake-")}
            assert wakes == {f"wake-{number}" for number in range(1, row["wakes"] + 1)}
    finally:
        fleet.destroy()


@pytest.mark.broker
async def test_configuration_changes_while_workers_are_killed_then_each_row_is_told(
    kafka: str, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    books = Books(kafka, fresh("config"), PARTITIONS)
    keys = {f"sku-{number}" for number in range(4000)}  # several slices per partition
    fleet = Fleet(books.environ(), tmp_path)
    try:
        fleet.add()
        await fleet.ready()
        for key in keys:
            books.send(key)
        books.flush()
        await books.settled()
        await fleet.retire(1)

        fleet.environ["WORKER_CONFIG"] = '{"name":"second"}'
        one, other = fleet.add(), fleet.add()
        for number in (one, other, one):
            await fleet.workers[number].ready()
            fleet.workers[number].signal(signal.SIGKILL)
            await fleet.workers[number].ended()
            fleet.revive()

        async def all_told() -> bool:
            return {key for key, row in books.rows().items() if row.get("config") == "second"} >= keys

        await eventually(all_told, within_s=40, every_s=1, what="every row knows the second configuration")
        await books.settled()
        await fleet.stop()
        rows = books.rows()
        told = books.told()
        digest = rows["@config"]["digest"]
        assert rows["@config"].get("said_up_to") is None
        assert all(f"config-{digest}" in told[key] for key in keys)
        assert {key: (row["events"], row["total"]) for key, row in rows.items() if not key.startswith("@")} == expected_sums(books.events())
    finally:
        fleet.destroy()
