"""Every interleaving of a few moves and readings: nothing is left to chance."""

import pytest

from agents.stock.decide import decide
from tests.property.budgets import CAMPAIGN_TIMEOUT_S
from tests.property.driver import ViolationError
from tests.property.exhaustive import Explorer, Scope
from tests.property.mutants import MUTANTS, Mutant

pytestmark = pytest.mark.req("T-35", "T-39", "T-40", "T-42", "X-07")

SMALL = (
    Scope(deltas=((1, -1),), readings=1, repeats=1, span=3),
    Scope(deltas=((1, -1), (2, -2)), readings=1, repeats=0, span=2, resolution=2, masked=True),
    Scope(deltas=((-1,), (-2, 2)), readings=2, repeats=0, span=2, cap=1),
)
WHOLE = (
    Scope(deltas=((1, -1), (2, -2)), readings=2, repeats=1, span=3),
    Scope(deltas=((1, -1), (2, -2)), readings=2, repeats=1, span=2, resolution=2, masked=True),
    Scope(deltas=((-1, 1), (-2, 2), (-4, 4)), readings=1, repeats=0, span=2, cap=1),
    Scope(deltas=((-1, 1), (-2, 2)), readings=2, repeats=1, span=3, cap=1),
)
KILLED = ("unclear positives", "touching is later", "older reading", "fold without guard", "never ask")


@pytest.mark.parametrize("scope", SMALL, ids=repr)
def test_every_interleaving_when_small_then_never_too_much_and_right_at_rest(scope: Scope) -> None:
    assert Explorer(decide, scope).run() > 1_000


@pytest.mark.campaign
@pytest.mark.timeout(CAMPAIGN_TIMEOUT_S)
@pytest.mark.parametrize("scope", WHOLE, ids=repr)
def test_every_interleaving_when_whole_then_never_too_much_and_right_at_rest(scope: Scope) -> None:
    assert Explorer(decide, scope).run() > 10_000


@pytest.mark.parametrize("mutant", [mutant for mutant in MUTANTS if mutant.name in KILLED], ids=lambda mutant: mutant.name)
def test_every_interleaving_when_a_rule_is_wrong_then_a_shortest_trace_is_found(mutant: Mutant) -> None:
    def explore() -> None:
        for scope in SMALL:
            Explorer(decide, scope).run()

    with mutant.applied(), pytest.raises(ViolationError):
        explore()
