"""`stockwire reconcile` on a real broker: begin and report a catalogue run, list and accept what is held back."""

import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from agents.poll.decide import NEVER_MS, next_sweep_ms
from models.codec import Decoder, encode
from models.cursor import Cursor
from models.facts import CorrectionAccepted
from models.message import Message
from models.outcome import Done, Refused
from models.stock_row import Held, Move, Place, StockRow
from models.topics import FACT_STOCK, POLL, REVIEW
from streams import read
from streams.app import agents_of
from streams.broker import RealBroker
from streams.catalogue import CATALOGUE, report_key
from streams.cli import main
from streams.demo.world import SHOP_SECRET
from streams.held import held
from streams.kafka_client import confluent
from streams.seed import seed
from streams.settings import KafkaSettings, load
from streams.topics import changelog, changelog_topic, create, group, kept, register
from tests.configured import warehouse_and_shop
from tests.integration.test_catalogue import Run, levels, produce, topics_of

pytestmark = pytest.mark.broker
PARTITIONS = 4


class Desk:
    """The command line with a configuration of one warehouse and one channel."""

    def __init__(self, bootstrap: str, folder: Path, channel: str, catalogue: str = "") -> None:
        self.bootstrap, self.channel, self.kafka = bootstrap, channel, KafkaSettings(bootstrap=bootstrap)
        self.config = folder / "stockwire.toml"
        self.config.write_text(
            warehouse_and_shop(bootstrap, "wh", channel)
            + f"""
            sellers = {{wh = ["7"]}}
            [[places]]
            name = "north"
            warehouse = "wh"
            [[stock]]
            from = ["north"]
            to = "{channel}"
            {catalogue}
            """
        )

    def run(self, *arguments: str, answer: str | None = None) -> Result:
        return CliRunner().invoke(main, ["reconcile", *arguments, "--config", str(self.config)], input=answer)

    def report(self) -> tuple[int, dict[str, Any]]:
        result = self.run("--report", self.channel, "--json")
        return result.exit_code, msgspec.json.decode(result.stdout.splitlines()[0])

    def register(self, topic: str, key: str, value: Message) -> None:
        produce(self.bootstrap, topic, [(key, value)])

    def cursors(self) -> list[Cursor]:
        key = f"{self.channel}/{CATALOGUE}"
        found = read.last(confluent(self.kafka), POLL, read.Filter(key=key), 10)
        return [Decoder[Cursor](Cursor)(bytes(record.value() or b"")) for record in found]


@pytest.fixture
def desk(kafka: str, fresh: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("ANY_SECRET", SHOP_SECRET)
    channel = fresh("crm")
    topics_of(kafka, channel)
    create(kafka, [register(POLL, PARTITIONS), register(REVIEW, PARTITIONS), kept(FACT_STOCK, PARTITIONS, days=1)])
    return Desk(kafka, tmp_path, channel)


@pytest.mark.req("R-19", "R-21")
async def test_report_when_a_run_goes_from_ordered_to_complete_then_says_each_phase_and_only_the_last_is_code_0(desk: Desk) -> None:
    skus = ["a", "b", "c"]
    levels(desk.bootstrap, desk.channel, skus)
    assert desk.report()[1]["phase"] == "it was never told again"
    assert desk.run("--catalogue", desk.channel).exit_code == 0
    (ordered,) = desk.cursors()
    assert (ordered.position, ordered.sweep) == ("", "")
    code, seen = desk.report()
    assert (code, seen["phase"], seen["complete"]) == (1, "about to begin (if a poller runs)", False)

    run = Run(desk.bootstrap, desk.channel)
    run.cursor = ordered
    await run.until_said()
    desk.register(POLL, f"{desk.channel}/{CATALOGUE}", run.cursor)
    produce(desk.bootstrap, f"outcome.{desk.channel}.v1", [("a", Done(connection=desk.channel, sku="a"))])
    code, seen = desk.report()
    assert (code, seen["phase"], seen["said"]) == (1, "all is said, outcomes are awaited", 1.0)
    assert (seen["report"]["offers"], seen["report"]["taken"], seen["report"]["left"]) == (3, 1, 2)

    outcomes: list[tuple[str, Message]] = [
        ("b", Refused(connection=desk.channel, sku="b", reason="no such offer", missing=True)),
        ("c", Refused(connection=desk.channel, sku="c", reason="store x is closed")),
    ]
    produce(desk.bootstrap, f"outcome.{desk.channel}.v1", outcomes)
    desk.register(REVIEW, report_key(desk.channel), await run.to_the_end())
    desk.register(POLL, f"{desk.channel}/{CATALOGUE}", Cursor(connection=desk.channel, what=CATALOGUE, due_ms=NEVER_MS))
    shown = desk.run("--report", desk.channel)
    assert shown.exit_code == 1
    assert "store x is closed" in shown.stdout
    assert "the catalogue is not complete" in shown.stderr
    code, seen = desk.report()
    assert (seen["report"]["missing"], seen["report"]["refused"], seen["next"]) == (["b"], {"c": "store x is closed"}, "never")

    produce(desk.bootstrap, f"outcome.{desk.channel}.v1", [(sku, Done(connection=desk.channel, sku=sku)) for sku in ("b", "c")])
    code, seen = desk.report()
    assert (code, seen["complete"], seen["phase"]) == (0, True, "it has ended")
    shown = desk.run("--report", desk.channel)
    assert (shown.exit_code, "complete" in shown.stdout) == (0, True)


def test_catalogue_and_report_when_channel_is_unknown_or_options_meet_then_wrong_use(desk: Desk) -> None:
    for arguments, text in (
        (("--catalogue", "nobody"), f"'nobody' is told no stock; known: {desk.channel}"),
        (("--report", "wh"), "'wh' is told no stock"),
        (("--held", "--accept", "a"), "each for themselves"),
    ):
        result = desk.run(*arguments)
        assert (result.exit_code, text in result.output) == (2, True), result.output


def test_seed_when_a_list_is_added_later_then_it_gets_a_cursor_and_the_others_keep_theirs(desk: Desk) -> None:
    seed(desk.kafka, [(desk.channel, "stock")])
    seed(desk.kafka, [(desk.channel, "stock"), (desk.channel, CATALOGUE)])
    seed(desk.kafka, [(desk.channel, "stock"), (desk.channel, CATALOGUE)])
    assert len(desk.cursors()) == 1
    assert len(read.last(confluent(desk.kafka), POLL, read.Filter(key=f"{desk.channel}/stock"), 10)) == 1


def test_poller_when_a_channel_is_told_stock_then_its_pages_may_write_facts_and_reports(desk: Desk) -> None:
    (poller,) = agents_of(load(desk.config), "poller")
    assert {FACT_STOCK, REVIEW, POLL} <= set(poller.outputs)


def test_next_run_when_rule_is_weekly_then_on_that_day() -> None:
    noon_on_sunday_ms = 1_772_366_400_000
    assert next_sweep_ms("0 4 * * 0", 86_400.0, noon_on_sunday_ms) - noon_on_sunday_ms == (6 * 24 + 16) * 3_600_000


def _row(at: int, *, held_value: str | None) -> bytes:
    reading = None if held_value is None else Held(Decimal(held_value), 1_000, 2_000)
    place = Place(base=Decimal("10.5"), t0=1, t1=2, moves=(Move("m", 5, 6, Decimal(-1)),), held=reading)
    return encode(StockRow(at=at, wh={"north": place, "south": Place(base=Decimal(1))}))


@pytest.fixture
def held_desk(empty_broker: RealBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A stock table in which `kept-1` and `kept-2` hold a reading, among many that do not."""
    monkeypatch.setenv("ANY_SECRET", SHOP_SECRET)
    bootstrap = empty_broker.bootstrap
    topic = changelog_topic(group("worker"), "stock")
    create(bootstrap, [changelog(topic, PARTITIONS), kept(FACT_STOCK, PARTITIONS, days=1)])
    rows: Sequence[tuple[str, bytes | None]] = [
        *((f"calm-{number}", _row(number, held_value=None)) for number in range(3_000)),
        ("@config", b'{"at":1,"config":{"held":1}}'),
        ("settled", _row(1, held_value="5")),
        ("settled", _row(2, held_value=None)),
        ("deleted", _row(1, held_value="5")),
        ("deleted", None),
        ("kept-1", _row(1, held_value="900.25")),
        ("kept-2", _row(7, held_value="3")),
        ("kept-2", _row(6, held_value=None)),  # an earlier owner, late
    ]
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    for key, value in rows:
        producer.produce(topic, key=key, value=value)
    assert producer.flush(20) == 0
    return Desk(bootstrap, tmp_path, "crm")


def _accepted(desk: Desk, since_ms: int) -> list[str]:
    records = read.last(confluent(desk.kafka), FACT_STOCK, read.Filter(since_ms=since_ms), 100)
    return sorted(Decoder[CorrectionAccepted](CorrectionAccepted)(bytes(record.value() or b"")).sku for record in records)


def test_held_when_some_rows_hold_a_reading_then_lists_exactly_those_and_accepts_them_when_confirmed(held_desk: Desk) -> None:
    since_ms = int(time.time() * 1_000)
    printed = held_desk.run("--held", "--json")
    assert printed.exit_code == 0, printed.output
    lines = [msgspec.json.decode(line) for line in printed.stdout.splitlines()]
    assert lines == [
        {"sku": "kept-1", "place": "north", "ours": 9.5, "said": 900.25, "at_ms": 2_000},
        {"sku": "kept-2", "place": "north", "ours": 9.5, "said": 3, "at_ms": 2_000},
    ]
    assert "stockwire reconcile --accept" in held_desk.run("--held").stdout
    refused = held_desk.run("--accept", answer="n\n")
    assert (refused.exit_code, "kept-2" in refused.stdout) == (0, True)
    assert _accepted(held_desk, since_ms) == []
    unheld = held_desk.run("--accept", "nosuch")
    assert unheld.exit_code == 1
    assert "no reading of 'nosuch' is held back" in unheld.stderr
    assert _accepted(held_desk, since_ms) == []
    assert held_desk.run("--accept", "kept-2").exit_code == 0
    assert _accepted(held_desk, since_ms) == ["kept-2"]
    assert held_desk.run("--accept", answer="y\n").exit_code == 0
    assert held_desk.run("--accept", "--yes", "--json").exit_code == 0
    assert _accepted(held_desk, since_ms) == ["kept-1", "kept-1", "kept-2", "kept-2", "kept-2"]


def test_held_when_read_then_says_how_much_is_left_down_to_nothing(held_desk: Desk) -> None:
    heard: list[int] = []
    assert len(held(held_desk.kafka, heard.append)) == 2
    assert heard[0] > 3_000
    assert heard == sorted(heard, reverse=True)
