"""A channel's whole catalogue, from `level.<c>.v1` on a real broker to facts, and what the report makes of the outcomes."""

import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer

from agents.poll.decide import begun, next_cursor
from models.codec import encode
from models.cursor import Cursor
from models.errors import StockwireError
from models.facts import Resend
from models.level import Level
from models.message import Message
from models.outcome import Done, Refused, Superseded
from models.review import CatalogueReported
from models.topics import FACT_STOCK, REVIEW, level, outcome
from streams.catalogue import CATALOGUE, CataloguePager, position_of
from streams.catalogue_report import NAMED, Tally, is_complete
from streams.settings import KafkaSettings
from streams.topics import create, kept, register

if TYPE_CHECKING:
    from models.agent import Emit

pytestmark = pytest.mark.broker
PARTITIONS = 4
OFFERS = 600


def topics_of(bootstrap: str, channel: str) -> None:
    create(bootstrap, [register(level(channel), PARTITIONS), kept(outcome(channel), PARTITIONS, days=1)])


def produce(bootstrap: str, topic: str, values: Iterable[tuple[str, Message | None]], at_ms: int = 0) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    for key, value in values:
        producer.produce(topic, key=key, value=None if value is None else encode(value), timestamp=at_ms)
    assert producer.flush(20) == 0


def levels(bootstrap: str, channel: str, skus: Iterable[str], sequence: int = 1) -> None:
    said = [(sku, Level(connection=channel, sku=sku, sequence=sequence, level=Decimal(3))) for sku in skus]
    produce(bootstrap, level(channel), said)


class Run:
    """Plays the poll agent: page after page, as the cursors say; the clock goes on by the pauses."""

    def __init__(self, bootstrap: str, channel: str, offers_per_s: float = 1_000.0) -> None:
        self.now_s = time.time()
        self._kafka, self._channel, self._offers_per_s = KafkaSettings(bootstrap=bootstrap), channel, offers_per_s
        self.restart()
        self.cursor = Cursor(connection=channel, what=CATALOGUE, due_ms=int(self.now_s * 1_000))
        self.pages: list[tuple[Emit, ...]] = []

    def restart(self) -> None:
        self.pager = CataloguePager(
            self._kafka, self._channel, offers_per_s=self._offers_per_s, settle_within_s=60, clock=lambda: self.now_s
        )

    async def step(self) -> bool:
        """One page; False when it was the last."""
        self.cursor = begun(self.cursor)
        page = await self.pager.page(self.cursor)
        self.pages.append(page.emits)
        following = next_cursor(self.cursor, page, pager=self.pager, rule="off", now_ms=int(self.now_s * 1_000))
        if not following.sweep:
            return False
        self.cursor = following
        self.now_s = max(self.now_s, following.due_ms / 1_000)
        return True

    async def until_said(self) -> None:
        while await self.step():
            position = position_of(self.cursor)
            assert position is not None
            if position.settling_ms is not None:
                return

    async def to_the_end(self) -> CatalogueReported:
        while await self.step():
            pass
        (emit,) = self.pages[-1]
        assert (emit.topic, emit.key) == (REVIEW, f"catalogue/{self.cursor.connection}")
        assert isinstance(emit.value, CatalogueReported)
        return emit.value

    def said(self) -> list[str]:
        facts = [emit for page in self.pages for emit in page if emit.topic == FACT_STOCK]
        assert all(isinstance(emit.value, Resend) and emit.value.sku == emit.key for emit in facts)
        return [emit.key for emit in facts]


@pytest.mark.req("R-19", "R-21", "X-11")
async def test_run_when_topic_has_repeats_and_tombstones_then_each_offer_once_in_paced_pages_of_at_most_250(
    kafka: str, fresh: Callable[[str], str]
) -> None:
    channel = fresh("crm")
    topics_of(kafka, channel)
    skus = [f"sku-{number}" for number in range(OFFERS)]
    for sequence in (1, 2):
        levels(kafka, channel, skus, sequence)
    produce(
        kafka,
        level(channel),
        [("gone", Level(connection=channel, sku="gone", sequence=1, level=Decimal(1))), ("gone", None), ("void", None)],
    )
    run = Run(kafka, channel, offers_per_s=100.0)
    began_s = run.now_s
    await run.step()
    levels(kafka, channel, ["later"])
    await run.until_said()
    assert sorted(set(run.said()) - {"gone"}) == sorted(skus)
    assert len(run.said()) == len(set(run.said()))
    assert [len(page) <= 250 for page in run.pages] == [True] * len(run.pages)
    assert len(run.pages[0]) == 250
    assert run.cursor.rows == len(run.said())
    assert run.now_s - began_s == pytest.approx(len(run.said()) / 100.0, abs=0.1)


@pytest.mark.req("R-21")
async def test_run_when_another_process_goes_on_then_nothing_is_left_out_and_little_is_said_twice(
    kafka: str, fresh: Callable[[str], str]
) -> None:
    channel = fresh("crm")
    topics_of(kafka, channel)
    skus = [f"sku-{number}" for number in range(OFFERS)]
    levels(kafka, channel, skus)
    run = Run(kafka, channel)
    await run.step()
    lost = run.cursor
    await run.step()
    run.cursor = lost  # the page was said, its cursor was not: it is asked for again, by the same process and by another
    again = len(run.pages)
    await run.step()
    assert [emit.key for emit in run.pages[again]] == [emit.key for emit in run.pages[again - 1]]
    run.restart()
    await run.until_said()
    assert set(run.said()) == set(skus)
    assert len(run.said()) == OFFERS + len(run.pages[again])


@pytest.mark.req("R-19", "R-21", "R-30")
async def test_report_when_some_are_refused_missing_or_silent_then_names_them_and_is_not_complete(
    kafka: str, fresh: Callable[[str], str]
) -> None:
    channel = fresh("crm")
    topics_of(kafka, channel)
    skus = [f"sku-{number:03}" for number in range(300)]
    levels(kafka, channel, skus)
    run = Run(kafka, channel)
    hour_ago_ms = int(run.now_s * 1_000) - 3_600_000
    produce(kafka, outcome(channel), [(skus[5], Done(connection=channel, sku=skus[5]))], hour_ago_ms)
    await run.until_said()
    outcomes: list[tuple[str, Message]] = [(sku, Done(connection=channel, sku=sku)) for sku in skus[10:]]
    outcomes += [
        (skus[0], Refused(connection=channel, sku=skus[0], reason="unknown offer", missing=True)),
        (skus[1], Refused(connection=channel, sku=skus[1], reason="no such store: x")),
        (skus[2], Superseded(connection=channel, sku=skus[2])),
        (skus[3], Superseded(connection=channel, sku=skus[3])),
        (skus[3], Done(connection=channel, sku=skus[3])),
        (skus[4], Refused(connection=channel, sku=skus[4], reason="at first")),
        (skus[4], Done(connection=channel, sku=skus[4])),
        (skus[11], Superseded(connection=channel, sku=skus[11])),
    ]
    produce(kafka, outcome(channel), outcomes)
    assert await run.step()  # five SKUs are silent and one was only overtaken: it goes on looking
    run.restart()
    produce(kafka, outcome(channel), [(sku, Done(connection=channel, sku=sku)) for sku in skus[6:10]])
    assert await run.step()
    found = await run.to_the_end()
    assert (found.offers, found.taken, found.left, found.missing_count, found.refused_count) == (300, 296, 2, 1, 1)
    assert (found.missing, found.refused) == ((skus[0],), {skus[1]: "no such store: x"})
    assert found.run == f"{channel}/catalogue/{run.cursor.sweep.rsplit('/', 1)[1]}"
    assert not is_complete(found)


async def test_report_when_the_last_outcome_comes_then_it_does_not_wait_on(kafka: str, fresh: Callable[[str], str]) -> None:
    channel = fresh("crm")
    topics_of(kafka, channel)
    levels(kafka, channel, ["a", "b"])
    run = Run(kafka, channel)
    old = [(sku, Done(connection=channel, sku=sku)) for sku in ("a", "b")]
    produce(kafka, outcome(channel), old, int(run.now_s * 1_000) - 60_000)
    await run.until_said()
    assert await run.step()  # these outcomes are of an earlier day
    began_s = run.now_s
    produce(kafka, outcome(channel), [(sku, Done(connection=channel, sku=sku)) for sku in ("a", "b")])
    found = await run.to_the_end()
    assert is_complete(found)
    assert run.now_s - began_s < 5.0


async def test_report_when_very_many_are_refused_then_names_some_and_counts_all(kafka: str, fresh: Callable[[str], str]) -> None:
    channel = fresh("crm")
    topics_of(kafka, channel)
    skus = [f"sku-{number}" for number in range(NAMED + 50)]
    levels(kafka, channel, skus)
    run = Run(kafka, channel)
    await run.until_said()
    produce(kafka, outcome(channel), [(sku, Refused(connection=channel, sku=sku, reason="x" * 5_000)) for sku in skus])
    tally = Tally(KafkaSettings(bootstrap=kafka), channel, 0)
    assert tally.look(within_s=20)
    assert (len(tally.states), len(tally.reasons)) == (NAMED + 50, NAMED)
    found = await run.to_the_end()
    assert (found.refused_count, len(found.refused)) == (NAMED + 50, NAMED)
    assert {len(reason) for reason in found.refused.values()} == {300}


async def test_run_when_nothing_was_ever_told_then_it_is_trivially_complete(kafka: str, fresh: Callable[[str], str]) -> None:
    channel = fresh("crm")
    topics_of(kafka, channel)
    run = Run(kafka, channel)
    await run.step()
    levels(kafka, channel, ["later"])
    found = await run.to_the_end()
    assert (found.offers, is_complete(found), run.said()) == (0, True, [])


async def test_run_when_topic_is_not_there_then_says_so(kafka: str, fresh: Callable[[str], str]) -> None:
    run = Run(kafka, fresh("crm"))
    with pytest.raises(StockwireError, match="no such topic"):
        await run.step()
