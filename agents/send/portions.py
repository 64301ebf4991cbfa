"""Which rows go to a channel together: they wait, fill portions, come back after a failure, are halved. Pure."""

import asyncio
from dataclasses import dataclass, field

import msgspec

from agents.ports import Judged, Row
from agents.send.decide import Trouble
from models.agent import Lane
from models.errors import RefusedError, StockwireError
from models.outcome import Exchange
from models.sent_row import SentRow


class Taken(msgspec.Struct, frozen=True):
    """The channel shows the level now."""

    exchange: Exchange


class Missing(msgspec.Struct, frozen=True):
    """The channel does not know the SKU."""

    exchange: Exchange


class Parked(msgspec.Struct, frozen=True):
    """The channel will not take the row, or too much has been tried: a person must know."""

    error: StockwireError


class Withdrawn(msgspec.Struct, frozen=True):
    """It was in no call, or in none that settled it, when a newer level came or the partition was given up."""


Verdict = Taken | Missing | Parked | Withdrawn


@dataclass(eq=False, slots=True)
class Offer:
    """One SKU's row on its way, and its lane, which waits for `verdict`. `attempts` counts the calls it was in.

    `due_s`: from then on it waits for others no longer. `leaving`: it is not to go out again after the call it is in.
    """

    lane: Lane[SentRow]
    row: Row
    verdict: asyncio.Future[Verdict]
    due_s: float
    attempts: int = 0
    in_call: bool = False
    leaving: bool = False

    def settle(self, verdict: Verdict) -> None:
        """Tell its lane, once."""
        if not self.verdict.done():
            self.verdict.set_result(verdict)


@dataclass(eq=False, slots=True)
class Portion:
    """The offers of one call, and what this very portion has met so far."""

    offers: list[Offer]
    trouble: Trouble = field(default_factory=Trouble)

    @property
    def rows(self) -> list[Row]:
        """What the call says."""
        return [offer.row for offer in self.offers]

    def fail(self, error: BaseException) -> None:
        """Something that nobody expected: every lane that waits must hear of it."""
        for offer in self.offers:
            if not offer.verdict.done():
                offer.verdict.set_exception(error)


class Portions:
    """All rows of one connection that are in no call. At most `rows_max` leave together, and none waits for others beyond `linger_s`."""

    def __init__(self, rows_max: int, linger_s: float) -> None:
        self._rows_max = rows_max
        self._linger_s = linger_s
        self._waiting: dict[Offer, None] = {}
        """In the order in which they leave."""
        self._back: list[Portion] = []

    @property
    def due_s(self) -> float | None:
        """When the next portion may leave; None: nothing waits."""
        dues_s = [portion.trouble.retry_s for portion in self._back]
        if self._waiting:
            dues_s.append(self._waiting_due_s)
        return min(dues_s, default=None)

    def join(self, lane: Lane[SentRow], row: Row, verdict: asyncio.Future[Verdict], now_s: float) -> Offer:
        """A row is ready to go. It has nothing of the same SKU beside it, for a lane is at one record at a time."""
        offer = Offer(lane, row, verdict, now_s + self._linger_s)
        self._waiting[offer] = None
        return offer

    def withdraw(self, offer: Offer) -> None:
        """Its lane has better to do: at once, or else after the call it is in, should that not settle it."""
        offer.leaving = True
        if not offer.in_call:
            self._waiting.pop(offer, None)
            offer.settle(Withdrawn())

    def take(self, now_s: float) -> Portion | None:
        """The portion that has been due for longest, without what is overtaken; it counts as in a call from now on.

        So a portion that fails again and again does not keep the others, nor they it.
        """
        while (portion := self._next(now_s)) is not None:
            for offer in portion.offers:
                offer.attempts += 1
                offer.in_call = True
            if portion.offers:
                return portion
        return None

    def put_back(self, portion: Portion) -> None:
        """The call came to nothing: all go out again together, not before `portion.trouble.retry_s`."""
        portion.offers = _staying(portion.offers)
        if portion.offers:
            self._back.append(portion)

    def give_up(self, portion: Portion, error: StockwireError) -> None:
        """Too much has been tried with this very portion; what is overtaken besides needs nobody."""
        for offer in _staying(portion.offers):
            offer.settle(Parked(error))

    def halve(self, portion: Portion, now_s: float) -> None:
        """One of two or more rows is at fault: each half shows by itself whether it is there."""
        middle = len(portion.offers) // 2
        for offers in (portion.offers[:middle], portion.offers[middle:]):
            self.put_back(Portion(offers, Trouble(retry_s=now_s)))

    def judge(self, portion: Portion, judged: Judged, now_s: float) -> None:
        """Settle all rows but those that go out again; these come before all that wait."""
        again = []
        for index, offer in enumerate(portion.offers):
            if index in judged.again:
                again.append(offer)
            else:
                offer.settle(_verdict(judged, index))
        staying = _staying(again)
        for offer in staying:
            offer.due_s = now_s
        if staying:
            self._waiting = dict.fromkeys(staying) | self._waiting

    @property
    def _waiting_due_s(self) -> float:
        oldest = next(iter(self._waiting))
        return oldest.due_s - (self._linger_s if len(self._waiting) >= self._rows_max else 0.0)

    def _next(self, now_s: float) -> Portion | None:
        back = min((portion for portion in self._back if portion.trouble.retry_s <= now_s), key=lambda it: it.trouble.retry_s, default=None)
        fresh_due_s = self._waiting_due_s if self._waiting else None
        if back is not None and (fresh_due_s is None or back.trouble.retry_s <= fresh_due_s):
            self._back.remove(back)
            back.offers = [offer for offer in back.offers if _is_newest(offer)]
            return back
        return None if fresh_due_s is None or fresh_due_s > now_s else self._fill(now_s)

    def _fill(self, now_s: float) -> Portion | None:
        """From what waits; None if so much is overtaken that the rest may wait for more."""
        oldest_due_s = next(iter(self._waiting)).due_s
        looked_at: list[Offer] = []
        offers: list[Offer] = []
        for offer in self._waiting:
            if len(offers) == self._rows_max:
                break
            looked_at.append(offer)
            if _is_newest(offer):
                offers.append(offer)
        leave = len(offers) == self._rows_max or oldest_due_s <= now_s
        for offer in looked_at:
            if leave or offer.verdict.done():
                del self._waiting[offer]
        return Portion(offers) if leave else None


def _is_newest(offer: Offer) -> bool:
    """What is overtaken is settled here and now."""
    if offer.lane.newer:
        offer.settle(Withdrawn())
    return not offer.verdict.done()


def _staying(offers: list[Offer]) -> list[Offer]:
    for offer in offers:
        offer.in_call = False
        if offer.leaving:
            offer.settle(Withdrawn())
    return [offer for offer in offers if not offer.leaving]


def _verdict(judged: Judged, index: int) -> Verdict:
    exchange = judged.exchange
    if index in judged.missing:
        return Missing(exchange)
    if index in judged.refused:
        return Parked(RefusedError(judged.refused[index], status=exchange.status or 0).after(exchange))
    return Taken(exchange)
