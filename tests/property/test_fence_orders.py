"""The fence in orders mode, against the true world: no number is ever too high, and at rest every number is right."""

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.property.budgets import CAMPAIGN, CAMPAIGN_TIMEOUT_S, EVERY_TIME
from tests.property.machines import OrdersMachine

pytestmark = pytest.mark.req("T-35", "T-37", "T-38", "T-39", "T-40", "T-42", "X-07", "X-18")


def test_orders_mode_when_anything_happens_then_never_too_much_and_right_at_rest() -> None:
    run_state_machine_as_test(OrdersMachine, settings=EVERY_TIME)


@pytest.mark.campaign
@pytest.mark.timeout(CAMPAIGN_TIMEOUT_S)
def test_orders_mode_when_anything_happens_for_long_then_never_too_much_and_right_at_rest() -> None:
    run_state_machine_as_test(OrdersMachine, settings=CAMPAIGN)
