"""Whatever happens on the way, each SKU ends with its newest level taken, unknown or refused; never two rows of it at once."""

import asyncio
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import OperatorError, OutcomeUnknownError, RefusedError, TransientError
from models.outcome import Done, Refused
from tests.unit import virtual_time
from tests.unit.bulk_case import ANSWERED, SILENT, TROUBLE, Desk, Remote

SKUS = [f"sku-{number}" for number in range(9)]
WEATHER = st.sampled_from(["fair", "busy", "wait", "cut", "closed", "refused"])
STEP = st.tuples(st.sets(st.sampled_from(SKUS), min_size=1), st.sampled_from([0.0, 0.05, 0.3, 2.0, 40.0]), st.booleans())


def weather_of(kind: str) -> Exception | None:
    errors: dict[str, Exception] = {
        "busy": TransientError("busy").after(TROUBLE),
        "wait": TransientError("wait", retry_after_s=20).after(TROUBLE),
        "cut": OutcomeUnknownError("cut").after(SILENT),
        "closed": OperatorError("403").after(ANSWERED),
        "refused": RefusedError("no idea which", status=400).after(ANSWERED),
    }
    return errors.get(kind)


@pytest.mark.req("R-20", "R-21", "R-30")
@given(
    steps=st.lists(STEP, min_size=1, max_size=8),
    weather=st.lists(WEATHER, max_size=12),
    unknown=st.sets(st.sampled_from(SKUS), max_size=3),
    bad=st.sets(st.sampled_from(SKUS), max_size=3),
    names=st.booleans(),
    rows_max=st.integers(1, 5),
)
def test_each_sku_ends_with_its_newest_level(  # noqa: PLR0913  # all by name
    steps: list[tuple[set[str], float, bool]], weather: list[str], unknown: set[str], bad: set[str], *, names: bool, rows_max: int
) -> None:
    async def work() -> None:
        remote = Remote(rows_max)
        remote.weather = [weather_of(kind) for kind in weather]
        remote.unknown, remote.bad, remote.names = unknown, bad, names
        desk = Desk(remote, limit=7)
        newest: dict[str, tuple[int, str]] = {}
        for number, (skus, pause_s, leave) in enumerate(steps):
            desk.say(*((sku, number, str(number)) for sku in sorted(skus)))
            newest |= {sku: (number, str(number)) for sku in skus}
            await asyncio.sleep(pause_s)
            if leave:  # the partitions go and come back; what was not finished is read again
                await desk.runner.give_up()
                unfinished = [batch for batch in desk.batches if batch.unfinished]
                desk.batches.clear()
                desk.runner.take_over({0})
                if unfinished:
                    desk.say(*((sku, sequence, number) for sku, (sequence, number) in newest.items()))
        await desk.settled()
        _check(desk, remote, newest)

    virtual_time.run(work())


def _check(desk: Desk, remote: Remote, newest: dict[str, tuple[int, str]]) -> None:
    """The rows of a call and the calls under way were minded by the remote itself."""
    told = {(fact.sku, fact.sequence) for fact in desk.facts()}
    for sku, (sequence, number) in newest.items():
        last = [said for said in desk.outcomes(sku) if said.sequence == sequence][-1]
        assert isinstance(last, Done | Refused)
        row = desk.row(sku)
        if isinstance(last, Done):
            assert remote.shows[sku] == Decimal(number)
            assert (sku, sequence) in told
            assert row is not None
            assert (row.sequence, row.missing) == (sequence, False)
        elif sku.encode() not in desk.dead():
            assert row is not None
            assert row.missing
            assert sku in remote.unknown
        if sku in remote.bad:
            assert isinstance(last, Refused)
    shown = [key for key, there in desk.review() if there]
    assert len(set(shown)) == len(shown)
    assert len(desk.runner._lanes) == 0  # noqa: SLF001  # none hangs
    assert desk.runner.slots._value == 7  # noqa: SLF001  # there is no other way to see it
