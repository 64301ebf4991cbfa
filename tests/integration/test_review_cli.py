"""`stockwire review` on a real broker: what is open, what can be done, and who has settled it."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from models.audit import MatterResolved
from models.review import CatalogueReported, OfferMissing, SweepStopped
from models.topics import REVIEW
from streams.review import open_matters
from streams.settings import KafkaSettings
from tests.integration.test_catalogue import produce
from tests.redrive_case import Desk

pytestmark = pytest.mark.broker


@pytest.fixture
def desk(kafka: str, fresh: Callable[[str], str]) -> Desk:
    return Desk(kafka, fresh("crm"))


def _report(connection: str, at_ms: int, **counts: int) -> CatalogueReported:
    found: dict[str, Any] = {"offers": 9, "taken": 9, "left": 0, **counts}
    return CatalogueReported(connection=connection, run="r1", began_ms=1, at_ms=at_ms, **found)


def _listed(desk: Desk, *arguments: str) -> list[dict[str, Any]]:
    """Of this test only: other tests share the register."""
    lines = desk.lines("review", "ls", *(arguments or ("-n", "100000")))
    return [line for line in lines if desk.connection in line["key"]]


@pytest.mark.req("X-17")
def test_ls_when_matters_come_and_go_then_shows_what_is_open_newest_first_and_what_can_be_done(desk: Desk) -> None:
    crm = desk.connection
    offer, sweep, done, lacking = f"offer/{crm}/a", f"sweep/{crm}/s1", f"catalogue/{crm}-done", f"catalogue/{crm}"
    gone = OfferMissing(connection=crm, sku="b", at_ms=3_000)
    produce(
        desk.bootstrap,
        REVIEW,
        [
            (offer, OfferMissing(connection=crm, sku="a", at_ms=1_000)),
            (f"offer/{crm}/b", gone),
            (sweep, SweepStopped(connection="wh", place=crm, sweep="s1", held=101, held_max=100, partition=2, at_ms=4_000)),
            (f"offer/{crm}/b", None),
            (done, _report(f"{crm}-done", 5_000, left=2)),
            (done, _report(f"{crm}-done", 6_000)),
            (lacking, _report(crm, 7_000, missing_count=3, taken=6)),
            (offer, OfferMissing(connection=crm, sku="a", at_ms=9_000)),
        ],
    )
    found = _listed(desk)
    assert [(line["key"], line["since_ms"], line["kind"]) for line in found] == [
        (offer, 9_000, "OfferMissing"),
        (lacking, 7_000, "CatalogueReported"),
        (sweep, 4_000, "SweepStopped"),
    ]
    assert [line["what"] for line in found] == [
        f"{crm} does not know a, so it shows no stock of it",
        f"the catalogue of {crm} is not complete: of 9 offers 0 have no answer, 3 are unknown there, 0 were refused",
        f"101 readings of the list s1 of {crm} were too far off, more than 100: the rest of it is not adopted",
    ]
    assert all("stockwire reconcile" in line["todo"] for line in found)
    shown = desk.run("review", "ls", "-n", "100000")
    assert (shown.exit_code, "what can be done" in shown.stdout) == (0, True), shown.output


@pytest.mark.req("X-17")
async def test_resolve_when_settled_then_it_is_gone_audit_says_who_and_it_comes_again_when_it_happens_again(desk: Desk) -> None:
    key = f"offer/{desk.connection}/a b"
    missing = OfferMissing(connection=desk.connection, sku="a b", at_ms=1_000)
    produce(desk.bootstrap, REVIEW, [(key, missing)])
    assert desk.lines("review", "show", key)[0]["value"] == {
        "type": "OfferMissing",
        "connection": desk.connection,
        "sku": "a b",
        "at_ms": 1_000,
    }
    assert '"sku": "a b"' in desk.run("review", "show", key).stdout
    resolved = desk.run("review", "resolve", key, "--note", "made there", "--by", "anna")
    assert (resolved.exit_code, resolved.stdout) == (0, f"{key}: resolved\n")
    assert _listed(desk) == []
    (entry,) = [entry for entry in await desk.audited() if isinstance(entry, MatterResolved) and entry.matter == key]
    assert (entry.by, entry.note, msgspec.json.decode(entry.was)["sku"]) == ("anna", "made there", "a b")
    again = desk.run("review", "resolve", key)
    assert (again.exit_code, f"nothing is open under '{key}'" in again.stderr) == (1, True), again.output
    produce(desk.bootstrap, REVIEW, [(key, missing)])
    assert [line["key"] for line in _listed(desk)] == [key]


def test_ls_when_there_are_many_then_only_the_newest_are_read_again_and_progress_is_told(desk: Desk) -> None:
    many = [(f"offer/{desk.connection}/{number}", number) for number in range(3_000)]
    produce(desk.bootstrap, REVIEW, [(key, OfferMissing(connection=desk.connection, sku="x", at_ms=number)) for key, number in many], 1)
    newest = [(f"{key}/new", OfferMissing(connection=desk.connection, sku="x", at_ms=10_000 + number)) for key, number in many[:5]]
    produce(desk.bootstrap, REVIEW, newest, int(time.time() * 1_000) + 1_800_000)
    heard: list[int] = []
    found = open_matters(KafkaSettings(bootstrap=desk.bootstrap), 5, heard.append)
    assert {one.key for one in found.matters} == {key for key, _ in newest}
    assert [one.since_ms for one in found.matters] == [10_004, 10_003, 10_002, 10_001, 10_000]
    assert found.count >= 3_005
    assert heard[0] > 2_000
    assert heard == sorted(heard, reverse=True)
    assert "the newest 5 of them" in desk.run("review", "ls", "-n", "5").stdout


def test_show_when_value_is_of_no_kind_we_know_or_no_json_then_it_is_shown_as_it_is(desk: Desk) -> None:
    for key, value in ((f"new/{desk.connection}", '{"type":"FromTomorrow","x":1.50}'), (f"bad/{desk.connection}", "{")):
        assert desk.run("topics", "send", REVIEW, value, "--key", key).exit_code == 0
    assert {line["kind"] for line in _listed(desk)} == {"FromTomorrow", "unknown"}
    assert "1.50" in desk.run("review", "show", f"new/{desk.connection}").stdout
    assert desk.run("review", "show", f"bad/{desk.connection}").exit_code == 0
