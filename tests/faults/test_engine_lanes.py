"""Lanes under SIGKILL and SIGTERM: nothing lost, first calls of a key in its order, and what backs off is given back at once."""

import asyncio
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.engine_books import Books, expected_sums
from tests.faults.engine_fleet import Fleet, Pace

PARTITIONS = 4


@pytest.mark.broker
@pytest.mark.parametrize("kind", ["lanes", "stateless"])
async def test_lanes_are_killed_and_stopped_then_nothing_is_lost_and_order_holds(
    kafka: str, fresh: Callable[[str], str], tmp_path: Path, kind: str
) -> None:
    books = Books(kafka, fresh("lanes"), PARTITIONS)
    fleet = Fleet(books.environ() | {"WORKER_KIND": kind}, tmp_path)
    choose = random.Random(4)  # noqa: S311  # a test wants the same numbers again
    try:
        fleet.add()
        fleet.add()
        await fleet.ready()
        pace = Pace(500)
        for number in range(4000):
            books.send(f"sku-{choose.randrange(200)}", choose.randrange(10))
            await pace.turn()
            if number % 1000 == 500:
                fleet.workers[choose.choice([1, 2])].signal(choose.choice([signal.SIGKILL, signal.SIGTERM]))
            if number % 1000 == 800:
                fleet.revive()
        books.flush()
        await _settled(books, fleet)
        await fleet.stop()

        rows = {key: (row["events"], row["total"]) for key, row in books.rows().items()}
        assert rows == (expected_sums(books.events()) if kind == "lanes" else {})
        expected = defaultdict(list)
        for key, event in books.events():
            expected[key].append(event["id"])
        assert {key: list(dict.fromkeys(ids)) for key, ids in books.told().items()} == expected
    except BaseException:
        print(fleet.exits, fleet.words())  # noqa: T201  # shown beside the failure
        raise
    finally:
        fleet.destroy()


@pytest.mark.broker
async def test_lane_backs_off_then_sigterm_ends_the_worker_at_once_and_nothing_is_committed_over_it(
    kafka: str, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    books = Books(kafka, fresh("lanes"), 1)
    fleet = Fleet(books.environ() | {"WORKER_KIND": "lanes"}, tmp_path)
    try:
        fleet.add()
        await fleet.ready()
        for key in ("sku-1", "dead-1", "sku-2", "sku-3", "dead-1"):
            books.send(key)
        books.flush()
        await books.has_told(3)

        started = time.monotonic()
        await fleet.retire(1)

        assert time.monotonic() - started < 5
        assert fleet.exits == [0]
        assert books.lag() == 4  # only sku-1, which lies before it
    finally:
        fleet.destroy()


@pytest.mark.broker
async def test_call_has_no_deadline_then_the_worker_ends_itself_and_asks_for_a_restart(
    kafka: str, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    books = Books(kafka, fresh("lanes"), 1)
    fleet = Fleet(books.environ() | {"WORKER_KIND": "lanes"}, tmp_path)
    try:
        fleet.add()
        await fleet.ready()
        books.send("stuck-1")
        books.send("sku-1")
        books.flush()
        await books.has_told(1)

        fleet.workers[1].signal(signal.SIGTERM)

        assert await fleet.workers[1].ended() == 70
        assert books.lag() == 2
    finally:
        fleet.destroy()


@pytest.mark.broker
async def test_another_worker_joins_then_what_is_finished_is_committed_first_and_not_repeated(
    kafka: str, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    books = Books(kafka, fresh("lanes"), PARTITIONS)
    fleet = Fleet(books.environ() | {"WORKER_KIND": "lanes", "WORKER_COMMIT": "3600"}, tmp_path)
    try:
        fleet.add()
        await fleet.ready()
        for number in range(200):
            books.send(f"sku-{number}")
        books.flush()
        await books.has_told(200)

        await fleet.workers[fleet.add()].ready()
        await fleet.stop()

        assert books.lag() == 0
        assert all(len(ids) == 1 for ids in books.told().values())
    finally:
        fleet.destroy()


async def _settled(books: Books, fleet: Fleet) -> None:
    settled = asyncio.create_task(books.settled())
    while not settled.done():
        fleet.revive()
        await asyncio.wait([settled], timeout=0.5)
    await settled
