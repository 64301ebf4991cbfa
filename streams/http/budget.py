"""The request budget of one remote credential: who may ask how often, so that no purpose starves another."""

import enum
import time
from collections.abc import Callable, Iterable

from aiolimiter import AsyncLimiter

from models.errors import TransientError

DAY_S = 86_400
USABLE = 0.9  # a tenth stays spare, for people and for clocks that differ
BURST_S = 0.1  # with the tenth that is spare, no second ever sees more than the whole limit


class Purpose(enum.Enum):
    """What a request is for; the value is its share of the usable budget."""

    SEND = 0.60
    FETCH = 0.25
    POLL = 0.15


class Budget:
    """Limits per second and per UTC day, shared by purpose; one per connection and process.

    `purposes` are those that this connection has at all; the others leave their shares to them.

    `per_day` is counted from the start of the process, so it guards against runaway use rather than keeping accounts.
    """

    def __init__(
        self,
        *,
        per_second: float,
        per_day: int | None = None,
        purposes: Iterable[Purpose] = Purpose,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._asked = sum(purpose.value for purpose in purposes)
        self._per_second = per_second
        self._per_day = per_day
        self._clock = clock
        self._part = dict.fromkeys(Purpose, 1.0)
        self._pace = {purpose: self._limiter(purpose) for purpose in Purpose}
        self._day = self._today()
        self._used = dict.fromkeys(Purpose, 0)

    @classmethod
    def by_hand(cls, *, per_second: float, per_day: int | None = None) -> "Budget":
        """For what a person runs beside the roles: no more than the tenth that these leave."""
        return cls(per_second=per_second * (1 - USABLE), per_day=per_day, purposes=(Purpose.FETCH,))

    def own(self, purpose: Purpose, part: float) -> None:
        """This process serves `part` (0 to 1: owned by all partitions of the topic) of the purpose's work from now on."""
        if part > 0 and part != self._part[purpose]:
            self._part[purpose] = part
            self._pace[purpose] = self._limiter(purpose)

    def rate(self, purpose: Purpose) -> float:
        """Requests per second that this process may make for the purpose."""
        return self._per_second * self._share(purpose)

    async def take(self, purpose: Purpose) -> None:
        """Wait for a turn. A day's budget that is used up raises `TransientError` until the next UTC day."""
        self._spend(purpose)
        await self._pace[purpose].acquire()

    def _spend(self, purpose: Purpose) -> None:
        if self._today() != self._day:
            self._day, self._used = self._today(), dict.fromkeys(Purpose, 0)
        if self._per_day is not None and self._used[purpose] >= self._per_day * self._share(purpose):
            left_s = (self._day + 1) * DAY_S - self._clock()
            raise TransientError(f"the day's request budget for {purpose.name.lower()} is used up", retry_after_s=left_s)
        self._used[purpose] += 1

    def _limiter(self, purpose: Purpose) -> AsyncLimiter:
        rate = self.rate(purpose)
        burst = max(1.0, rate * BURST_S)
        return AsyncLimiter(burst, burst / rate)

    def _share(self, purpose: Purpose) -> float:
        return USABLE * purpose.value / self._asked * self._part[purpose]

    def _today(self) -> int:
        return int(self._clock() // DAY_S)
