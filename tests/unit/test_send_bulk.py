"""The bulk sender: full portions, a verdict per row, one backoff for the connection, nothing that hangs."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import wraps
from typing import NoReturn

import msgspec
import pytest
import structlog

from models.errors import OperatorError, OutcomeUnknownError, RefusedError, TransientError
from models.facts import Told
from models.outcome import Done, Refused, Superseded
from streams.engine import lane_agent
from tests.unit import virtual_time
from tests.unit.bulk_case import ANSWERED, SILENT, TROUBLE, Desk, Remote

LINGER_S = 0.1


def in_virtual_time(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Hours take no time here."""

    @wraps(test)
    def run() -> None:
        async def work() -> None:
            await test()

        virtual_time.run(work())

    del run.__wrapped__  # or pytest takes it for asynchronous
    return run


def many(count: int, sequence: int = 1, number: str = "7") -> list[tuple[str, int, str]]:
    return [(f"sku-{index}", sequence, number) for index in range(count)]


def busy(retry_after_s: float | None = None) -> TransientError:
    return TransientError("busy", retry_after_s=retry_after_s).after(TROUBLE)


# --- portions ---


@pytest.mark.req("R-20", "R-21")
@in_virtual_time
async def test_ten_thousand_skus_wait_then_they_leave_in_forty_calls_of_250() -> None:
    remote = Remote()
    desk = Desk(remote)
    desk.say(*many(10_000))
    await desk.settled()
    assert [len(call.skus) for call in remote.calls] == [250] * 40
    assert len(remote.shows) == 10_000


@pytest.mark.req("R-20")
@in_virtual_time
async def test_one_more_than_a_portion_then_two_calls() -> None:
    remote = Remote()
    desk = Desk(remote)
    desk.say(*many(251))
    await desk.settled()
    assert [len(call.skus) for call in remote.calls] == [250, 1]


@pytest.mark.req("R-16", "R-18", "R-22")
@in_virtual_time
async def test_one_level_of_zero_then_it_goes_alone_and_soon() -> None:
    remote = Remote()
    desk = Desk(remote)
    desk.say(("tea", 1, "0"))
    await desk.settled()
    assert [call.skus for call in remote.calls] == [("tea",)]
    assert remote.calls[0].at_s == pytest.approx(1_000 + LINGER_S)
    assert remote.shows == {"tea": 0}


@in_virtual_time
async def test_a_call_slot_is_not_free_then_rows_gather_into_one_portion() -> None:
    remote = Remote(takes_s=5)
    desk = Desk(remote)
    for index in range(5):
        desk.say((f"early-{index}", 1, "1"))
        await asyncio.sleep(2 * LINGER_S)
    await desk.settled()
    assert [call.skus for call in remote.calls] == [("early-0",), ("early-1",), ("early-2", "early-3", "early-4")]


# --- verdicts ---


@in_virtual_time
async def test_taken_then_told_before_the_outcome_before_the_row() -> None:
    remote = Remote()
    desk = Desk(remote)
    desk.say(("tea", 5, "3"))
    await desk.settled()
    of_the_level = [topic for topic, _, _ in desk.outlet.written if topic != "review.v1"]
    assert of_the_level == ["fact.stock.v1", "outcome.crm.v1", "changelog"]
    (fact,) = desk.facts()
    assert fact == Told(connection="crm", sku="tea", sequence=5, value=Decimal(3))
    own = msgspec.structs.replace(ANSWERED, request="3")  # of the whole call only what it says of this SKU
    assert desk.outcomes() == [Done(connection="crm", sku="tea", sequence=5, attempts=1, exchange=own)]
    row = desk.row("tea")
    assert row is not None
    assert (row.sequence, row.missing) == (5, False)


@pytest.mark.req("R-30")
@in_virtual_time
async def test_channel_does_not_know_a_sku_then_a_person_sees_it_once_until_it_is_known() -> None:
    remote = Remote()
    remote.unknown = {"sku-1"}
    desk = Desk(remote)
    for sequence in (1, 2):
        desk.say(*many(3, sequence))
        await desk.settled()
    assert [type(said) for said in desk.outcomes("sku-1")] == [Refused, Refused]
    assert "make the offer there" in desk.outcomes("sku-1")[0].reason
    assert desk.outcomes("sku-1")[0].missing
    assert [(fact.sku, fact.sequence) for fact in desk.unknown()] == [("sku-1", 1), ("sku-1", 2)]
    assert [type(said) for said in desk.outcomes("sku-2")] == [Done, Done]
    assert desk.review() == [(b"offer/crm/sku-1", True)]
    remote.unknown = set()
    desk.say(("sku-1", 2, "7"))  # nothing has changed: it is only said again
    await desk.settled()
    assert desk.review() == [(b"offer/crm/sku-1", True), (b"offer/crm/sku-1", False)]
    assert remote.shows["sku-1"] == 7
    assert desk.dead() == []


@in_virtual_time
async def test_row_is_refused_by_name_then_it_is_parked_and_the_others_go_out_again_at_once() -> None:
    remote = Remote()
    remote.bad = {"sku-100"}
    desk = Desk(remote)
    desk.say(*many(250))
    await desk.settled()
    assert [len(call.skus) for call in remote.calls] == [250, 249]
    assert remote.calls[1].at_s == pytest.approx(remote.calls[0].at_s + remote.takes_s)
    assert desk.dead() == [b"sku-100"]
    assert [(type(said), said.attempts) for said in desk.outcomes("sku-100")] == [(Refused, 1)]
    assert [(type(said), said.attempts) for said in desk.outcomes("sku-7")] == [(Done, 2)]


@in_virtual_time
async def test_rows_go_out_again_then_before_all_that_wait() -> None:
    remote = Remote(rows_max=2, takes_s=0.01)
    remote.bad = {"sku-0"}
    desk = Desk(remote)
    desk.say(*many(5))
    await desk.settled()
    assert [call.skus for call in remote.calls] == [("sku-0", "sku-1"), ("sku-2", "sku-3"), ("sku-1", "sku-4")]
    assert remote.calls[2].at_s == pytest.approx(remote.calls[0].at_s + remote.takes_s)


@in_virtual_time
async def test_one_row_is_at_fault_and_nobody_says_which_then_halves_find_it() -> None:
    remote = Remote()
    remote.bad, remote.names = {"sku-100"}, False
    desk = Desk(remote)
    desk.say(*many(250))
    await desk.settled()
    assert len(remote.calls) <= 1 + 2 * 8
    assert desk.dead() == [b"sku-100"]
    assert len(remote.shows) == 249


@in_virtual_time
async def test_few_rows_go_out_again_then_they_wait_for_no_others() -> None:
    remote = Remote(rows_max=2, takes_s=0.01)
    remote.bad = {"sku-0"}
    desk = Desk(remote)
    desk.say(*many(2))
    await desk.settled()
    assert remote.calls[1].at_s == pytest.approx(remote.calls[0].at_s + remote.takes_s)


@in_virtual_time
async def test_a_portion_is_halved_then_those_that_waited_before_go_before_its_halves() -> None:
    remote = Remote(rows_max=4)
    remote.bad, remote.names = {f"sku-{number}" for number in range(4)}, False
    desk = Desk(remote)
    desk.say(*many(12))
    await desk.settled()
    assert [len(call.skus) for call in remote.calls] == [4, 4, 4, 2, 2, 1, 1, 1, 1]
    assert len(desk.facts()) == 8


@in_virtual_time
async def test_level_cannot_be_told_then_it_is_parked_without_a_call() -> None:
    remote = Remote()
    desk = Desk(remote)
    desk.say(("tea", 1, "0.5"))
    await desk.settled()
    assert (desk.dead(), remote.calls) == ([b"tea"], [])
    assert isinstance(desk.outcomes()[0], Refused)


@in_virtual_time
async def test_older_level_then_superseded_and_an_equal_one_then_sent_again() -> None:
    remote = Remote()
    desk = Desk(remote)
    for sequence, number in ((5, "3"), (4, "9"), (5, "3")):
        desk.say(("tea", sequence, number))
        await desk.settled()
    assert [type(said) for said in desk.outcomes()] == [Done, Superseded, Done]
    assert len(remote.calls) == 2
    assert remote.shows["tea"] == 3


# --- trouble ---


@pytest.mark.req("R-21")
@in_virtual_time
async def test_third_portion_fails_then_its_rows_come_back_together() -> None:
    remote = Remote()
    remote.weather = [None, None, OutcomeUnknownError("cut").after(SILENT)]
    desk = Desk(remote)
    desk.say(*many(1_000))
    await desk.settled()
    assert [len(call.skus) for call in remote.calls] == [250] * 5
    assert sum(call.skus == remote.calls[2].skus for call in remote.calls) == 2
    assert len(remote.shows) == 1_000


@in_virtual_time
async def test_host_is_busy_then_one_backoff_for_all_and_one_call_at_a_time() -> None:
    remote = Remote(takes_s=0.1)
    remote.weather = [busy() for _ in range(12)]
    desk = Desk(remote)
    desk.say(*many(2_000))
    await desk.until(lambda: not remote.weather)
    probes = [call.at_s for call in remote.calls[2:]]
    pauses = [after - before for before, after in itertools.pairwise(probes)]
    assert all(pause > 0.1 for pause in pauses)
    assert max(pauses) > 8 * min(pauses)
    await desk.settled()
    assert len(remote.calls) == 12 + 8
    assert desk.dead() == []


@pytest.mark.req("R-02")
@in_virtual_time
async def test_host_says_when_to_come_back_then_nobody_comes_earlier() -> None:
    remote = Remote()
    remote.weather = [busy(300), None]
    desk = Desk(remote)
    desk.say(*many(750))  # the second call is under way already, and is taken
    await desk.settled()
    assert [len(call.skus) for call in remote.calls] == [250] * 4
    assert all(call.at_s >= remote.calls[0].at_s + 300 for call in remote.calls[2:])


@in_virtual_time
async def test_two_calls_fail_and_one_asked_for_a_pause_then_it_holds() -> None:
    remote = Remote()
    remote.weather = [busy(300), busy()]
    desk = Desk(remote)
    desk.say(*many(500))
    await desk.settled()
    assert all(call.at_s >= remote.calls[0].at_s + 300 for call in remote.calls[2:])


@in_virtual_time
async def test_one_portion_fails_for_ever_then_the_others_go_on_and_it_is_parked_in_the_end() -> None:
    remote = Remote(rows_max=2)
    broken = {"sku-0", "sku-1"}
    fair = remote.send

    async def send(rows: list[object]) -> object:
        judged = await fair(rows)  # type: ignore[arg-type]  # rows are handed through
        if any(getattr(row, "sku", "") in broken for row in rows):
            raise busy()
        return judged

    remote.send = send  # type: ignore[assignment, method-assign]  # as above
    desk = Desk(remote)
    desk.say(*many(20))
    await desk.until(lambda: len(desk.facts()) == 18, within_s=60)
    await desk.settled()
    assert set(desk.dead()) == {b"sku-0", b"sku-1"}
    assert 900 < asyncio.get_running_loop().time() - 1_000 < 1_100


@in_virtual_time
async def test_host_is_down_for_days_then_it_goes_on_trying() -> None:
    remote = Remote()
    remote.weather = [TransientError("no route").after(SILENT) for _ in range(5_000)]
    desk = Desk(remote)
    desk.say(*many(3))
    await desk.settled(within_s=1_000_000)
    assert asyncio.get_running_loop().time() > 86_400
    assert desk.dead() == []
    assert desk.outcomes("sku-0")[0].attempts == 5_001


@in_virtual_time
async def test_a_person_is_needed_then_slowly_on_and_loud_and_nothing_is_parked() -> None:
    remote = Remote()
    remote.weather = [OperatorError("store msk-9 is unknown there").after(ANSWERED) for _ in range(30)]
    desk = Desk(remote)
    with structlog.testing.capture_logs() as logs:
        desk.say(*many(600))
        await desk.settled()
    assert desk.dead() == []
    assert len(remote.shows) == 600
    assert [(line["event"], line["connection"]) for line in logs] == [("send_needs_operator", "crm")] * 30
    closed, mended = desk.door()  # said once, taken back once
    assert b"store msk-9 is unknown there" in (closed or b"")
    assert mended is None
    pauses = [after.at_s - before.at_s for before, after in itertools.pairwise(remote.calls[2:31])]
    assert all(30 <= pause <= 61 for pause in pauses)


@in_virtual_time
async def test_host_was_closed_for_long_between_two_failures_then_that_time_does_not_count() -> None:
    remote = Remote()
    remote.weather = [busy(), *(OperatorError("401").after(ANSWERED) for _ in range(30)), busy()]
    desk = Desk(remote)
    desk.say(*many(3))
    await desk.settled()
    assert asyncio.get_running_loop().time() > 1_000 + 900
    assert desk.dead() == []


@in_virtual_time
async def test_nothing_is_taken_and_nothing_is_at_fault_then_it_backs_off() -> None:
    remote = Remote()
    remote.bad = {"sku-0"}
    desk = Desk(remote)
    answers = remote._answer  # noqa: SLF001  # the remote is ours
    empty = [True] * 3

    def answer(rows: object) -> object:
        judged = answers(rows)  # type: ignore[arg-type]  # rows are handed through
        if empty.pop() if empty else False:
            return type(judged)(exchange=ANSWERED, again=frozenset(range(2)))
        return judged

    remote._answer = answer  # type: ignore[assignment, method-assign]  # noqa: SLF001  # as above
    desk.say(*many(2))
    await desk.settled()
    assert len(remote.calls) == 3 + 2
    assert remote.calls[3].at_s - remote.calls[0].at_s > 3 * remote.takes_s
    assert remote.shows == {"sku-1": 7}


# --- newer records ---


@in_virtual_time
async def test_newer_level_comes_while_the_host_is_down_then_only_the_newest_is_told() -> None:
    remote = Remote()
    remote.weather = [busy(60)]
    desk = Desk(remote)
    desk.say(*many(3))
    await asyncio.sleep(10)
    desk.say(("sku-1", 2, "8"))
    desk.say(("sku-1", 3, "9"))
    await desk.until(lambda: len(desk.outcomes("sku-1")) == 2, within_s=1)
    await desk.settled()
    assert [(type(said), said.sequence) for said in desk.outcomes("sku-1")] == [(Superseded, 1), (Superseded, 2), (Done, 3)]
    assert remote.shows["sku-1"] == 9
    assert [len(call.skus) for call in remote.calls[1:]] in ([2, 1], [1, 2])


@in_virtual_time
async def test_newer_level_comes_while_a_call_is_under_way_then_it_goes_after_it() -> None:
    remote = Remote(takes_s=5)
    desk = Desk(remote)
    desk.say(("tea", 1, "4"))
    await asyncio.sleep(1)
    desk.say(("tea", 2, "3"))
    await desk.settled()
    assert [(type(said), said.sequence) for said in desk.outcomes()] == [(Done, 1), (Done, 2)]
    assert remote.calls[1].at_s >= remote.calls[0].at_s + 5
    assert remote.shows["tea"] == 3


@in_virtual_time
async def test_newer_level_comes_while_a_call_fails_then_the_older_one_does_not_go_out_again() -> None:
    remote = Remote(takes_s=5)
    remote.weather = [OutcomeUnknownError("cut").after(SILENT)]
    desk = Desk(remote)
    desk.say(("tea", 1, "4"), ("oil", 1, "1"))
    await asyncio.sleep(1)
    desk.say(("tea", 2, "3"))
    await desk.settled()
    assert [(type(said), said.sequence) for said in desk.outcomes("tea")] == [(Superseded, 1), (Done, 2)]
    assert [(type(said), said.attempts) for said in desk.outcomes("oil")] == [(Done, 2)]


@in_virtual_time
async def test_newer_level_comes_just_as_a_portion_is_full_then_the_portion_waits_for_it() -> None:
    remote = Remote(rows_max=3)
    desk = Desk(remote)
    desk.say(("tea", 1, "4"), ("oil", 1, "1"))
    await asyncio.sleep(LINGER_S / 2)
    desk.say(("tea", 2, "3"), ("rye", 1, "1"))
    await desk.settled()
    assert [sorted(call.skus) for call in remote.calls] == [["oil", "rye", "tea"]]
    assert remote.shows["tea"] == 3


# --- the end ---


@in_virtual_time
async def test_partitions_go_while_rows_wait_and_back_off_then_at_once_and_with_all_slots_back() -> None:
    remote = Remote()
    remote.weather = [busy(3_600), busy(3_600)]
    desk = Desk(remote, limit=100)
    said = desk.say(*many(5_000))
    await asyncio.sleep(30)
    began_s = asyncio.get_running_loop().time()
    await desk.runner.give_up()
    assert asyncio.get_running_loop().time() - began_s < 0.1
    assert said.unfinished == 5_000
    assert desk.outlet.written == []
    assert desk.runner.slots._value == 100  # noqa: SLF001  # there is no other way to see it


@in_virtual_time
async def test_partitions_go_while_a_call_is_under_way_then_its_rows_are_told_and_no_other_call_begins() -> None:
    remote = Remote(takes_s=8)
    desk = Desk(remote, limit=100)
    said = desk.say(*many(5_000))
    await asyncio.sleep(4)
    began_s = asyncio.get_running_loop().time()
    await desk.runner.give_up()
    assert asyncio.get_running_loop().time() - began_s < 5
    assert (len(remote.calls), len(desk.facts()), said.unfinished) == (2, 500, 4_500)
    assert desk.runner.slots._value == 100  # noqa: SLF001  # there is no other way to see it


@in_virtual_time
async def test_partitions_come_back_then_all_is_told() -> None:
    remote = Remote()
    remote.weather = [busy(3_600), busy(3_600)]
    desk = Desk(remote)
    desk.say(*many(600))
    await asyncio.sleep(30)
    await desk.runner.give_up()
    desk.batches.clear()
    desk.runner.take_over({0})
    desk.say(*many(600))
    await desk.settled()
    assert [len(call.skus) for call in remote.calls[2:]] == [250, 250, 100]


def test_system_has_a_bug_then_every_lane_of_the_call_hears_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    deaths: list[object] = []

    def die(_reason: str, error: object = None) -> NoReturn:
        deaths.append(error)
        raise asyncio.CancelledError

    monkeypatch.setattr(lane_agent, "die", die)
    bug = KeyError("a bug of ours")

    async def work() -> None:
        remote = Remote()
        remote.weather = [bug]
        desk = Desk(remote)
        desk.say(*many(3))
        await desk.until(lambda: len(deaths) == 3, within_s=5)

    virtual_time.run(work())
    assert deaths == [bug] * 3


@in_virtual_time
async def test_every_row_is_refused_then_each_is_parked_by_itself() -> None:
    remote = Remote(rows_max=4)
    remote.weather = [RefusedError("no", status=400).after(ANSWERED) for _ in range(7)]
    desk = Desk(remote)
    desk.say(*many(4))
    await desk.settled()
    assert len(desk.dead()) == 4
    assert remote.shows == {}
