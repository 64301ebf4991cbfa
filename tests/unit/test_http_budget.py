"""The request budget: purposes do not starve each other, days have an end."""

import asyncio
import time

import pytest

from models.errors import TransientError
from streams.http import Budget, Purpose


async def taken_within(budget: Budget, purpose: Purpose, seconds: float) -> int:
    taken = 0

    async def take() -> None:
        nonlocal taken
        while True:
            await budget.take(purpose)
            taken += 1

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(take(), seconds)
    return taken


async def test_budget_when_all_ask_then_each_has_its_share_and_the_whole_stays_below_the_limit() -> None:
    budget = Budget(per_second=200)
    taken = await asyncio.gather(*(taken_within(budget, purpose, 1.0) for purpose in Purpose))
    send, fetch, poll = taken
    assert send > fetch > poll
    assert sum(taken) <= 200


async def test_budget_when_half_is_owned_then_half_the_pace() -> None:
    whole, half = Budget(per_second=200), Budget(per_second=200)
    half.own(Purpose.SEND, 0.5)
    most, fewer = await asyncio.gather(taken_within(whole, Purpose.SEND, 0.5), taken_within(half, Purpose.SEND, 0.5))
    assert fewer < 0.7 * most


async def test_budget_when_day_is_used_up_then_transient_until_midnight() -> None:
    now_s = 10 * 86_400.0 + 3_600
    budget = Budget(per_second=1e6, per_day=100, clock=lambda: now_s)
    for _ in range(54):
        await budget.take(Purpose.SEND)
    with pytest.raises(TransientError) as caught:
        await budget.take(Purpose.SEND)
    assert caught.value.retry_after_s == 23 * 3_600
    await budget.take(Purpose.FETCH)
    now_s += 23 * 3_600
    await budget.take(Purpose.SEND)


async def test_budget_when_limit_is_low_then_it_is_kept() -> None:
    budget = Budget(per_second=10)
    began = time.monotonic()
    await budget.take(Purpose.SEND)
    await budget.take(Purpose.SEND)
    assert time.monotonic() - began >= 0.18


async def test_budget_when_a_purpose_does_not_exist_then_the_others_have_its_share() -> None:
    alone, among = Budget(per_second=200, purposes=[Purpose.SEND]), Budget(per_second=200)
    most, fewer = await asyncio.gather(taken_within(alone, Purpose.SEND, 0.5), taken_within(among, Purpose.SEND, 0.5))
    assert fewer < 0.8 * most
    assert most <= 200 * 0.5 + 20


@pytest.mark.req("R-02")
def test_budget_when_a_person_runs_a_command_beside_the_roles_then_their_paces_are_together_within_the_limit() -> None:
    roles, hand = Budget(per_second=10, purposes=(Purpose.SEND, Purpose.POLL)), Budget.by_hand(per_second=10)
    assert roles.rate(Purpose.SEND) + roles.rate(Purpose.POLL) + hand.rate(Purpose.FETCH) <= 10
    assert hand.rate(Purpose.FETCH) > 0.5
