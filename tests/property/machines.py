"""The stateful machines of Hypothesis: they choose the steps, `Play` takes them.

The script of a failing run is printed, ready to be kept in `saved_examples.py`.
"""

from typing import ClassVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from agents.stock.decide import decide
from tests.property.play import Play, Setup

WHICH = st.integers(0, 7)
TWO = st.integers(0, 1)
FEW = st.integers(1, 3)
THREE = st.integers(0, 2)
MASKS = st.sampled_from((0, 0, 0, 0, 1, 2, 4))
DELTAS = st.sampled_from((-1, 1, -2, 2, -3, 3))
SPANS = st.sampled_from((1, 2, 3, 5, 8, 10, 13, 20, 2_000))


def circumstances(*, orders: bool, audited: bool = False) -> tuple[Setup, ...]:
    """Every clock with little room and with much, and each other circumstance once with either."""
    plain = [Setup(orders, cap, clock, audited) for clock in range(3) for cap in (60, 2)]
    apart = [Setup(orders, cap, 1, audited, apart=True) for cap in (60, 2)]
    unread = [Setup(orders, cap, 1, audited, unread=True) for cap in (60, 2)]
    limit = [Setup(orders, cap, 0, audited, limit=2) for cap in (60, 2)]
    return (*plain, *apart, *unread, *(() if audited else limit))


class FenceMachine(RuleBasedStateMachine):
    """What both modes have in common: time, readings, foreign moves, shops that sell and cancel, crashes."""

    setups: ClassVar[tuple[Setup, ...]]
    play: Play

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.play = Play(data.draw(st.sampled_from(self.setups)), decide)

    def do(self, *step: str | int) -> None:
        self.play.do(*step)

    def teardown(self) -> None:
        if not hasattr(self, "play"):
            return
        try:
            self.play.finish()
        finally:
            note(f"{self.play.setup!r}\n{self.play.script!r}")

    @rule(ms=SPANS)
    def time_passes(self, ms: int) -> None:
        self.do("pass", ms)

    @rule(place=TWO)
    def reading_at_once(self, place: int) -> None:
        self.do("read", place)

    @rule(place=TWO)
    def reading_started(self, place: int) -> None:
        self.do("start", place)

    @precondition(lambda self: self.play.truth.readings)
    @rule(which=THREE, choice=THREE)
    def figure_taken(self, which: int, choice: int) -> None:
        self.do("figure", which, choice)

    @precondition(lambda self: self.play.truth.readings)
    @rule(which=THREE)
    def reading_ended(self, which: int) -> None:
        self.do("end", which)

    @precondition(lambda self: self.play.truth.readings)
    @rule(which=THREE)
    def reading_handed(self, which: int) -> None:
        self.do("counted", which)

    @rule(which=WHICH)
    def reading_repeated(self, which: int) -> None:
        self.do("recounted", which)

    @rule()
    def ask_served(self) -> None:
        self.do("serve")

    @rule(place=TWO, delta=DELTAS, jitter=THREE)
    def foreign_move(self, place: int, delta: int, jitter: int) -> None:
        self.do("foreign", place, delta, jitter)

    @rule(shop=TWO, place=TWO, quantity=FEW)
    def shop_sells(self, shop: int, place: int, quantity: int) -> None:
        self.do("sell", shop, place, quantity)

    @precondition(lambda self: self.play.truth.lines)
    @rule(which=WHICH, steps=st.integers(1, 5))
    def order_advances(self, which: int, steps: int) -> None:
        self.do("advance", which, steps)

    @precondition(lambda self: self.play.truth.lines)
    @rule(which=WHICH, quantity=FEW)
    def shop_cancels(self, which: int, quantity: int) -> None:
        self.do("cancel", which, quantity)

    @precondition(lambda self: self.play.truth.lines)
    @rule(which=WHICH, jitter=THREE)
    def warehouse_frees(self, which: int, jitter: int) -> None:
        self.do("free", which, jitter)

    @rule(shop=TWO, buffer=THREE)
    def buffer_changes(self, shop: int, buffer: int) -> None:
        self.do("buffer", shop, buffer)

    @rule(shop=TWO)
    def number_taken(self, shop: int) -> None:
        self.do("told", shop)

    @rule(shop=TWO)
    def number_wanted_again(self, shop: int) -> None:
        self.do("resend", shop)

    @rule(back=st.integers(0, 8), more=st.integers(0, 8))
    def worker_crashes(self, back: int, more: int) -> None:
        self.do("crash", back, more)


class OrdersMachine(FenceMachine):
    """Orders mode: the shops' orders go through us; anything may be lost, masked, repeated, done by staff."""

    setups = circumstances(orders=True)

    @precondition(lambda self: self.play.waiting)
    @rule(which=WHICH, mask=MASKS, delay=st.integers(0, 20), error=THREE)
    def webhook_handed(self, which: int, mask: int, delay: int, error: int) -> None:
        self.do("moved", which, mask, delay, error)

    @precondition(lambda self: self.play.kept)
    @rule(which=WHICH, mask=MASKS, delay=st.integers(0, 20), error=THREE)
    def webhook_repeated(self, which: int, mask: int, delay: int, error: int) -> None:
        self.do("again", which, mask, delay, error)

    @precondition(lambda self: self.play.waiting)
    @rule(which=WHICH)
    def webhook_lost(self, which: int) -> None:
        self.do("lost", which)

    @precondition(lambda self: self.play.truth.lines)
    @rule(which=WHICH)
    def cancel_heard(self, which: int) -> None:
        self.do("hear", which)

    @precondition(lambda self: self.play.truth.lines)
    @rule(which=WHICH)
    def order_refused(self, which: int) -> None:
        self.do("refuse", which)

    @precondition(lambda self: self.play.truth.lines)
    @rule(which=WHICH)
    def line_packed(self, which: int) -> None:
        self.do("pack", which)

    @precondition(lambda self: self.play.truth.lines)
    @rule(which=WHICH, quantity=FEW)
    def staff_cancel(self, which: int, quantity: int) -> None:
        self.do("staff_cancel", which, quantity)

    @rule(shop=TWO, place=TWO, quantity=FEW)
    def staff_ship_as_shop(self, shop: int, place: int, quantity: int) -> None:
        self.do("staff_ship", shop, place, quantity)

    @precondition(lambda self: self.play.order_facts)
    @rule(which=WHICH)
    def order_fact_repeated(self, which: int) -> None:
        self.do("repeated", which)

    @rule()
    def seller_added(self) -> None:
        self.do("seller")


class SellersMachine(FenceMachine):
    """Seller mode, without staff and loss: every webhook has its time, id and seller, and comes within `lag`."""

    setups = circumstances(orders=False)

    @precondition(lambda self: self.play.waiting)
    @rule(which=WHICH, delay=st.integers(0, 20), error=THREE)
    def webhook_handed(self, which: int, delay: int, error: int) -> None:
        self.do("moved", which, 0, delay, error)

    @precondition(lambda self: self.play.kept)
    @rule(which=WHICH, delay=st.integers(0, 20), error=THREE)
    def webhook_repeated(self, which: int, delay: int, error: int) -> None:
        self.do("again", which, 0, delay, error)


class AuditMachine(SellersMachine):
    """Seller mode with all that only an audit mends: loss, staff, numbers typed in by hand. S1, S2, S5 and S6 hold."""

    setups = circumstances(orders=False, audited=True)

    @precondition(lambda self: self.play.waiting)
    @rule(which=WHICH)
    def webhook_lost(self, which: int) -> None:
        self.do("lost", which)

    @precondition(lambda self: self.play.truth.lines)
    @rule(which=WHICH, quantity=FEW)
    def staff_cancel(self, which: int, quantity: int) -> None:
        self.do("staff_cancel", which, quantity)

    @rule(shop=TWO, place=TWO, quantity=FEW)
    def staff_ship_as_shop(self, shop: int, place: int, quantity: int) -> None:
        self.do("staff_ship", shop, place, quantity)

    @rule(quantity=DELTAS)
    def shop_edited_by_hand(self, quantity: int) -> None:
        self.do("edit", quantity)

    @rule()
    def shop_number_read(self) -> None:
        self.do("shown")
