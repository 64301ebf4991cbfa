"""A bulk sender on the engine's own lanes, in virtual time: what it was given, what its remote was told, what it wrote."""

import asyncio
import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from aiokafka import ConsumerRecord
from faust.types import TP

from agents.ports import Judged, Row
from agents.send import bulk_send_agent
from models.codec import Decoder, encode
from models.errors import PoisonError, RefusedError
from models.facts import SkuUnknown, Told
from models.level import Level
from models.outcome import AnyOutcome, Done, Exchange, Refused, Superseded
from models.sent_row import SentRow
from models.topics import DEAD, FACT_STOCK, REVIEW, outcome
from streams.engine.channel import Batch
from streams.engine.lane_agent import LaneRunner
from tests.unit.engine_fakes import FakeOutlet, changelog, host

ANSWERED = Exchange(method="POST", url="https://crm.example/upload", status=200)
TROUBLE = Exchange(method="POST", url="https://crm.example/upload", status=503)
SILENT = Exchange(method="POST", url="https://crm.example/upload", status=None)

FACT = Decoder[Told | SkuUnknown](Told | SkuUnknown)
CLOSED = b"closed/crm"
OUTCOME = Decoder[AnyOutcome](Done | Refused | Superseded)


class Said(msgspec.Struct, frozen=True):
    """One call: when it began and the SKUs in it."""

    at_s: float
    skus: tuple[str, ...]


class Remote:
    """A channel of many SKUs a call. It minds its callers: too many rows, a SKU twice, or in two calls at once, fails the test.

    `weather` is what the next calls meet: an error, or None for fair; then it is fair. `unknown` SKUs are missing, `bad` ones refused:
    by name if `names` is set (then the whole call is not applied: the others go out again), else without saying which.
    """

    def __init__(self, rows_max: int = 250, *, takes_s: float = 0.25) -> None:
        self.rows_max = rows_max
        self.takes_s = takes_s
        self.weather: list[Exception | None] = []
        self.unknown: set[str] = set()
        self.bad: set[str] = set()
        self.names = True
        self.calls: list[Said] = []
        self.shows: dict[str, Decimal] = {}
        self.busy: set[str] = set()

    def row_for(self, level: Level) -> Row:
        if level.level == Decimal("0.5"):
            raise PoisonError("only whole pieces here")
        return Row(sku=level.sku, body=str(level.level).encode())

    async def send(self, rows: Sequence[Row]) -> Judged:
        skus = tuple(row.sku for row in rows)
        assert 1 <= len(rows) <= self.rows_max
        assert len(set(skus)) == len(skus)
        assert not self.busy & set(skus)
        self.calls.append(Said(asyncio.get_running_loop().time(), skus))
        self.busy |= set(skus)
        await asyncio.sleep(self.takes_s)
        self.busy -= set(skus)
        error = self.weather.pop(0) if self.weather else None
        if error is not None:
            raise error
        return self._answer(rows)

    def _answer(self, rows: Sequence[Row]) -> Judged:
        bad = {index: "not a number we take" for index, row in enumerate(rows) if row.sku in self.bad}
        if bad and not self.names:
            raise RefusedError("something in there is wrong", status=400).after(ANSWERED)
        if bad:
            return Judged(exchange=ANSWERED, refused=bad, again=frozenset(range(len(rows))) - set(bad))
        missing = frozenset(index for index, row in enumerate(rows) if row.sku in self.unknown)
        self.shows |= {row.sku: Decimal(row.body.decode()) for index, row in enumerate(rows) if index not in missing}
        return Judged(exchange=ANSWERED, missing=missing)


class Desk:
    """The sender of connection `crm`, run by the engine; `offset` of the next record."""

    def __init__(self, remote: Remote, *, limit: int = 1000) -> None:
        self.outlet = FakeOutlet()
        self.rows = changelog(self.outlet)
        loop = asyncio.get_running_loop()
        self.agent = bulk_send_agent("crm", remote, limit=limit, rng=random.Random(1), clock=loop.time)  # noqa: S311  # chance that can be repeated
        self.runner = LaneRunner(self.agent, self.rows, host(self.outlet))
        self.batches: list[Batch] = []
        self._offset = 0

    def say(self, *levels: tuple[str, int, str]) -> Batch:
        """SKU, sequence and number of each."""
        raws: list[Any] = []
        for sku, sequence, number in levels:
            value = encode(Level(connection="crm", sku=sku, sequence=sequence, level=Decimal(number)))
            key = sku.encode()
            raws.append(ConsumerRecord("level.crm.v1", 0, self._offset, 1_000 + self._offset, 0, key, value, None, 1, 1, ()))
            self._offset += 1
        said = Batch(TP("level.crm.v1", 0), raws)
        self.batches.append(said)
        self.runner.take(said)
        return said

    async def settled(self, within_s: float = 100_000.0) -> None:
        """Return when all that was said is finished."""
        await self.until(lambda: not any(batch.unfinished for batch in self.batches), within_s)

    async def until(self, probe: Callable[[], bool], within_s: float = 100_000.0) -> None:
        """Look once a millisecond of virtual time."""
        end_s = asyncio.get_running_loop().time() + within_s
        pause_s = 0.001
        while not probe():
            assert asyncio.get_running_loop().time() < end_s, "it stands still"
            await asyncio.sleep(pause_s)
            pause_s = min(1.0, pause_s * 1.2)

    def row(self, sku: str) -> SentRow | None:
        """As recovery would find it."""
        raw = self.rows.store.partitions[0].rows.get(sku.encode())
        return None if raw is None else msgspec.json.decode(raw, type=SentRow)

    def outcomes(self, sku: str | None = None) -> list[Any]:
        """All, or those of a SKU."""
        said = [OUTCOME(value) for value in self.outlet.values(outcome("crm"))]
        return [one for one in said if sku in (None, one.sku)]

    def facts(self) -> list[Told]:
        """What was told."""
        return [fact for fact in self._facts() if isinstance(fact, Told)]

    def unknown(self) -> list[SkuUnknown]:
        """What the channel did not know."""
        return [fact for fact in self._facts() if isinstance(fact, SkuUnknown)]

    def _facts(self) -> list[Told | SkuUnknown]:
        return [FACT(value) for value in self.outlet.values(FACT_STOCK)]

    def dead(self) -> list[bytes | None]:
        """Keys of the dead letters."""
        return [key for topic, key, _ in self.outlet.written if topic == DEAD]

    def review(self) -> list[tuple[bytes | None, bool]]:
        """Key of each change of a matter about an offer, and whether there is one from then on."""
        return [(key, value is not None) for key, value in self._matters() if key != CLOSED]

    def door(self) -> list[bytes | None]:
        """What was said of the connection itself: that it is closed, or (None) that it is not."""
        return [value for key, value in self._matters() if key == CLOSED]

    def _matters(self) -> list[tuple[bytes | None, bytes | None]]:
        return [(key, value) for topic, key, value in self.outlet.written if topic == REVIEW]
