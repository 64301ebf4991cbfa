"""`stockwire dead redrive` on a real broker: what goes where, what is left and why, and what is said of it afterwards."""

import re
from collections.abc import Callable

import msgspec
import pytest
from click.testing import CliRunner

from models.audit import LetterRedriven, RedriveEnded, RedriveStarted
from models.codec import Decoder
from models.errors import StockwireError
from models.facts import Resend
from models.topics import AUDIT, DEAD, FACT_STOCK, POLL, level
from streams.alone import alone
from streams.cli import main
from streams.dead import VALUE_LIMIT_BYTES
from streams.redrive import GROUP, NAME
from streams.settings import KafkaSettings
from tests.redrive_case import Desk, Died, by_key, headers_of

pytestmark = pytest.mark.broker


@pytest.fixture
def desk(kafka: str, fresh: Callable[[str], str]) -> Desk:
    return Desk(kafka, fresh("wh"))


@pytest.mark.req("X-17")
async def test_redrive_when_letters_came_out_of_order_then_bytes_and_keys_stand_again_in_the_order_of_their_origins(desk: Desk) -> None:
    bytes_ = [b'{"quantity": 100.50}', b"\xff no text", b"", b"last"]
    died = [Died("a", value, (desk.topic, 2, 10 + number), {"kind": b"webhook", "trace": b"t"}) for number, value in enumerate(bytes_)]
    desk.park([died[2], died[0], Died("b", b"other", (desk.topic, 1, 3)), died[3], died[1]])
    assert desk.redrive()["written"] == 5
    found = await desk.written()
    assert by_key(found) == {b"a": bytes_, b"b": [b"other"]}
    headers = headers_of(found[0] if found[0].key == b"a" else found[1])
    place = headers.pop("redriven_from").decode()
    assert re.fullmatch(rf"{re.escape(DEAD)}-\d-\d+", place)
    assert headers == {
        "connection": desk.connection.encode(),
        "kind": b"webhook",
        "trace": b"t",
        "hops": b"1",
        "redriven_origin": f"{desk.topic}-2-10".encode(),
    }


@pytest.mark.req("X-17")
async def test_redrive_when_a_webhook_was_parked_at_the_door_then_it_goes_to_the_inbound_of_its_connection(desk: Desk) -> None:
    desk.park([Died("item", b"{", None, {"kind": b"webhook", "delivery": b"d1"}, agent=f"receiver.{desk.connection}")])
    assert desk.redrive()["written"] == 1
    (record,) = await desk.written()
    assert (record.key, record.value, headers_of(record)["delivery"]) == (b"item", b"{", b"d1")


@pytest.mark.req("X-17")
async def test_redrive_when_a_number_was_refused_then_the_stock_agent_is_asked_for_the_one_that_holds_now(desk: Desk) -> None:
    sku = f"sku-{desk.connection}"
    desk.park([Died(sku, b"an old level", (level("web"), 0, 7), {"trace": b"t"}, agent="send.web", error="RefusedError")])
    assert desk.redrive()["written"] == 1
    (record,) = [record for record in await desk.written(FACT_STOCK) if record.key == sku.encode()]
    assert Decoder[Resend](Resend)(record.value or b"") == Resend(connection="web", sku=sku)
    assert {name: headers_of(record)[name] for name in ("type", "sku", "trace")} == {"type": b"Resend", "sku": sku.encode(), "trace": b"t"}


@pytest.mark.req("X-17")
async def test_redrive_when_a_letter_cannot_be_written_again_then_it_is_named_and_left_and_others_go(desk: Desk) -> None:
    origin = (desk.topic, 0, 1)
    desk.park(
        [
            Died("nowhere", b"", None),
            Died("hops", b"", origin, {"hops": b"10"}),
            Died("no-number", b"", (desk.topic, 0, 2), {"hops": b"many"}),
            Died("cut", b"x" * VALUE_LIMIT_BYTES, (desk.topic, 0, 3)),
            Died("cursor", b"", (POLL, 0, 4)),
            Died("no-topic", b"", (f"gone.{desk.connection}.v1", 0, 5)),
            Died("ninth", b"", (desk.topic, 0, 6), {"hops": b"9", "redriven_from": b"dead.v1-0-0"}),
        ]
    )
    reasons = {row["key"]: row["what"] for row in desk.plan()}
    for key, text in (
        ("nowhere", "does not say where it came from"),
        ("hops", "10 times already"),
        ("no-number", "`hops` is no number"),
        ("cut", "only its beginning"),
        ("cursor", "stockwire reconcile"),
        ("no-topic", f"there is no topic gone.{desk.connection}.v1 any more"),
    ):
        assert reasons[key].startswith("leave: "), key
        assert text in reasons[key]
    assert reasons["ninth"] == "write"
    ended = desk.redrive()
    assert (ended["written"], ended["left"]) == (1, 6)
    (record,) = await desk.written()
    assert (record.key, headers_of(record)["hops"]) == (b"ninth", b"10")


@pytest.mark.req("X-07", "X-17")
async def test_redrive_when_a_letter_dies_again_then_it_is_a_new_letter_with_one_more_hop_in_its_old_place(desk: Desk) -> None:
    desk.park([Died("a", b"1", (desk.topic, 0, 5)), Died("a", b"2", (desk.topic, 0, 6))])
    assert desk.redrive("--key", "a")["written"] == 2
    first, second = await desk.written()
    deaths = [
        Died("a", record.value or b"", (desk.topic, record.partition, record.offset), headers_of(record)) for record in (second, first)
    ]
    desk.park([*deaths, Died("a", b"3", (desk.topic, 0, 7))])
    rows = desk.lines("dead", "ls", "--header", f"connection={desk.connection}")
    assert [(row["hops"], row["redriven"] is not None) for row in rows] == [(0, True), (0, True), (1, False), (1, False), (0, False)]
    assert desk.redrive()["written"] == 3
    assert [record.value for record in (await desk.written())[2:]] == [b"1", b"2", b"3"]
    assert desk.redrive()["written"] == 0


@pytest.mark.req("X-17")
async def test_redrive_when_filtered_then_only_those_letters_and_each_only_once(desk: Desk) -> None:
    desk.park(
        Died(f"k{number % 2}", b"%d" % number, (desk.topic, 0, number), {"step": b"%d" % (number % 3)}, error=f"E{number % 2}Error")
        for number in range(12)
    )
    assert {row["key"] for row in desk.plan("--key", "k1")} == {"k1"}
    assert len(desk.plan("--where", "step=2")) == 4
    assert len(desk.plan("--where", "step=2", "--error", "E1Error")) == 2
    assert desk.plan("--since", "2100-01-01T00:00:00Z") == []
    assert len(desk.plan("--since", "1h")) == 12
    ids = [row["id"] for row in desk.plan()]
    assert {row["id"] for row in desk.plan("--ids", f"{ids[0]},{ids[1]}", "--ids", f"dead.v1-{ids[2]}")} == set(ids[:3])
    assert desk.redrive("--ids", ids[0])["written"] == 1
    assert desk.redrive("--where", "step=2")["written"] + desk.redrive()["written"] == 11
    assert {row["what"] for row in desk.plan()} == {"written before"}
    assert sorted(int(record.value or b"") for record in await desk.written()) == list(range(12))


async def test_redrive_when_dry_or_refused_then_nothing_is_written_anywhere(desk: Desk) -> None:
    desk.park([Died("a", b"1", (desk.topic, 0, 5))])
    before = len(await desk.audited())
    shown = desk.run("dead", "redrive", "--connection", desk.connection, "--dry-run")
    assert (shown.exit_code, "1 letters to write again" in shown.stdout, "write" in shown.stdout) == (0, True, True), shown.output
    refused = desk.run("dead", "redrive", "--connection", desk.connection, answer="n\n")
    assert (refused.exit_code, "nothing is written" in refused.stderr) == (0, True), refused.output
    assert (await desk.written(), len(await desk.audited())) == ([], before)
    taken = desk.run("dead", "redrive", "--connection", desk.connection, answer="y\n")
    assert (taken.exit_code, "1 letters written again" in taken.stdout) == (0, True), taken.output


async def test_redrive_when_done_then_audit_says_who_what_and_when_and_the_letter_says_it_too(desk: Desk) -> None:
    desk.park([Died("a", b"1", (desk.topic, 0, 5))])
    (row,) = desk.plan()
    run = desk.redrive("--by", "anna", "--key", "a")["run"]
    entries = [entry for entry in await desk.audited() if getattr(entry, "run", "") == run]
    started, noted, ended = sorted(entries, key=lambda entry: entry.at_ms)
    assert isinstance(started, RedriveStarted)
    assert (started.by, started.letters, started.chosen) == ("anna", 1, f"connection={desk.connection}, key a")
    assert isinstance(noted, LetterRedriven)
    (record,) = await desk.written()
    place = f"{desk.topic}-{record.partition}-{record.offset}"
    assert (noted.letter, noted.record, noted.to, noted.hops) == (f"dead.v1-{row['id']}", f"{desk.topic}-0-5", place, 1)
    assert isinstance(ended, RedriveEnded)
    shown = desk.run("dead", "show", row["id"])
    assert f"by anna to {place}" in shown.stdout
    assert msgspec.json.decode(desk.run("dead", "show", row["id"], "--json").stdout)["redriven"]["by"] == "anna"


def test_redrive_when_another_one_runs_then_it_waits_and_says_so(desk: Desk) -> None:
    kafka, waits = KafkaSettings(bootstrap=desk.bootstrap), list[None]()
    with (
        alone(kafka, GROUP, AUDIT, NAME),
        pytest.raises(StockwireError, match="another redrive is running"),
        alone(kafka, GROUP, AUDIT, NAME, on_wait=lambda: waits.append(None), within_s=1.0),
    ):
        pytest.fail("two at a time")
    assert waits
    with alone(kafka, GROUP, AUDIT, NAME) as turn:
        turn.hold(0.1)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--ids", "7"], 2, "--ids '7': expected PARTITION-OFFSET"),
        (["--ids", "0-99999999"], 1, "dead.v1 has no letter 0-99999999"),
        (["--where", "x"], 2, "--where 'x': expected name=value"),
        (["--since", "yesterday"], 2, "--since: 'yesterday' is neither"),
        (["--rate", "0"], 2, "Invalid value for '--rate'"),
    ],
)
def test_redrive_when_used_wrongly_then_code_and_clear_text(desk: Desk, arguments: list[str], code: int, text: str) -> None:
    result = desk.run("dead", "redrive", "--yes", *arguments)
    assert (result.exit_code, text in result.output) == (code, True), result.output


def test_redrive_when_kafka_is_away_then_says_so() -> None:
    result = CliRunner().invoke(main, ["dead", "redrive", "--yes", "--bootstrap", "127.0.0.1:1"])
    assert (result.exit_code, "is it running" in result.stderr) == (1, True), result.output
