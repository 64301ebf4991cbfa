"""Whatever is killed, stopped, frozen or away: each event counts once, each is told, and everything is committed in the end."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from streams.broker import RealBroker
from tests.faults.engine_books import Books, expected_sums
from tests.faults.engine_fleet import Fleet, Pace

POISONS = (b"not json", b'{"type":"Counted","id":7}')


class Trouble:
    """One fault after the other, chosen by a seed."""

    def __init__(self, seed: int, fleet: Fleet, broker: RealBroker | None, *, away_s: float = 8.0) -> None:
        self._random = random.Random(seed)  # noqa: S311  # a test wants the same numbers again
        self.broker = broker
        self._fleet, self._away_s = fleet, away_s
        self.made: list[str] = []

    async def go_on(self) -> None:
        """Make trouble until cancelled."""
        kinds = [self._kill_one, self._kill_all, self._stop_one, self._rolling_restart, self._third_joins, self._freeze_one]
        if self.broker is not None:
            await self._broker_away()
        while True:
            kind = self._random.choice(kinds)
            self.made.append(kind.__name__)
            await kind()
            await asyncio.sleep(self._random.uniform(1, 3))
            self._fleet.revive()

    def _one(self) -> int:
        return self._random.choice(sorted(self._fleet.workers))

    async def _kill_one(self) -> None:
        self._fleet.workers[self._one()].signal(signal.SIGKILL)

    async def _kill_all(self) -> None:
        for worker in self._fleet.workers.values():
            worker.signal(signal.SIGKILL)

    async def _stop_one(self) -> None:
        self._fleet.workers[self._one()].signal(signal.SIGTERM)

    async def _rolling_restart(self) -> None:
        for number in sorted(self._fleet.workers):
            await self._fleet.restart(number)

    async def _third_joins(self) -> None:
        if len(self._fleet.workers) > 2:
            await self._fleet.retire(self._one())
        else:
            self._fleet.add()

    async def _freeze_one(self) -> None:
        await self._fleet.freeze(self._one(), self._random.uniform(8, 10))  # beyond the session of 6 s

    async def _broker_away(self) -> None:
        assert self.broker is not None
        self.made.append("_broker_away")
        await asyncio.sleep(3)
        await asyncio.to_thread(self.broker.kill)
        await asyncio.sleep(self._away_s)
        await asyncio.to_thread(self.broker.start)
        self._fleet.revive()


@asynccontextmanager
async def trouble(maker: Trouble) -> AsyncIterator[None]:
    """Faults happen meanwhile; at the end they stop, also the one under way."""
    making = asyncio.create_task(maker.go_on())
    try:
        yield
    finally:
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)


async def _play(books: Books, fleet: Fleet, maker: Trouble, *, seconds: float, rate: float) -> None:
    choose = random.Random(books.topic)  # noqa: S311  # no secret
    poisons = {int(seconds * rate * (0.3 + 0.3 * number)): poison for number, poison in enumerate(POISONS)}
    pace = Pace(rate)
    async with trouble(maker):
        for number in range(int(seconds * rate)):
            key = f"hot-{choose.randrange(7)}" if choose.random() < 0.5 else f"sku-{choose.randrange(400)}"
            books.send(key, choose.randrange(-5, 10))
            if number in poisons:
                books.send(key, value=poisons[number])
            await pace.turn()
    for worker in fleet.workers.values():
        worker.signal(signal.SIGCONT)
    fleet.revive()


async def _settle(books: Books, fleet: Fleet) -> None:
    """Wait for a lag of 0, and start again whoever ends meanwhile."""
    settled = asyncio.create_task(books.settled())
    while not settled.done():
        fleet.revive()
        await asyncio.wait([settled], timeout=0.5)
    await settled


def _check(books: Books) -> None:
    events = books.events()
    rows = {key: (row["events"], row["total"]) for key, row in books.rows().items() if not key.startswith("@")}
    told = {(key, event) for key, ids in books.told().items() for event in ids}
    assert expected_sums(events) == rows
    assert {(key, event["id"]) for key, event in events} <= told
    assert {value for value, _ in books.dead()} == set(POISONS)


async def _run(books: Books, fleet: Fleet, maker: Trouble, *, seconds: float) -> None:
    broker = maker.broker
    try:
        fleet.add()
        fleet.add()
        await fleet.ready()
        await _play(books, fleet, maker, seconds=seconds, rate=250)
        books.flush()
        if broker is not None:
            await asyncio.to_thread(broker.start)
        await _settle(books, fleet)
        await fleet.stop()
        _check(books)
    except BaseException:
        print(maker.made, fleet.exits, fleet.words())  # noqa: T201  # shown beside the failure
        raise
    finally:
        fleet.destroy()


@pytest.mark.broker
async def test_workers_in_trouble_then_each_event_counts_once(kafka: str, fresh: Callable[[str], str], tmp_path: Path) -> None:
    books = Books(kafka, fresh("sums"), 8)
    fleet = Fleet(books.environ(), tmp_path)
    await _run(books, fleet, Trouble(1, fleet, None), seconds=16)


@pytest.mark.broker
async def test_broker_killed_and_workers_in_trouble_then_each_event_counts_once(
    broker: RealBroker, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    books = Books(broker.bootstrap, fresh("sums"), 8)
    fleet = Fleet(books.environ(), tmp_path)
    await _run(books, fleet, Trouble(2, fleet, broker), seconds=18)


@pytest.mark.campaign
@pytest.mark.broker
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", range(10, 20))
async def test_long_trouble_then_each_event_counts_once(broker: RealBroker, fresh: Callable[[str], str], tmp_path: Path, seed: int) -> None:
    books = Books(broker.bootstrap, fresh("sums"), 8)
    fleet = Fleet(books.environ(), tmp_path)
    await _run(books, fleet, Trouble(seed, fleet, broker if seed % 3 == 0 else None, away_s=20.0), seconds=60)
