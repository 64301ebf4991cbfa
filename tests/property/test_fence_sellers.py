"""The fence in seller mode, against the true world; with losses, staff and hand edits it is right after an audit."""

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.property.budgets import CAMPAIGN, CAMPAIGN_TIMEOUT_S, EVERY_TIME
from tests.property.machines import AuditMachine, FenceMachine, SellersMachine

pytestmark = pytest.mark.req("T-35", "T-36", "T-37", "T-38", "T-39", "T-40", "T-41", "X-07", "X-18")

MACHINES = pytest.mark.parametrize("machine", [SellersMachine, AuditMachine])


@MACHINES
def test_seller_mode_when_anything_happens_then_bounds_hold_and_right_at_rest(machine: type[FenceMachine]) -> None:
    run_state_machine_as_test(machine, settings=EVERY_TIME)


@MACHINES
@pytest.mark.campaign
@pytest.mark.timeout(CAMPAIGN_TIMEOUT_S)
def test_seller_mode_when_anything_happens_for_long_then_bounds_hold_and_right_at_rest(machine: type[FenceMachine]) -> None:
    run_state_machine_as_test(machine, settings=CAMPAIGN)
