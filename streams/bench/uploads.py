"""The job of a catalogue as data: levels of many SKUs that wait, and a simulated CRM, which must show each of them in the end."""

import sys
from collections.abc import Mapping
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self

import msgspec

from models.codec import encode
from models.level import Level
from streams.bench.desk import Feed
from streams.bench.installation import CRM, PLACE, STORE, wait_listening
from streams.bench.subject import RunFailedError, Subject
from streams.demo.world import free_port

ROWS_MAX = 250
UPLOAD = "POST /store/inventories/upload"
ASK_WITHIN_S = 30.0
OK = 200


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What the programs are told: `offers` levels wait in `source` for the account at `url`. `profile`: also say where the time went."""

    bootstrap: str
    group: str
    partitions: int
    source: str
    url: str
    offers: int
    profile: bool = False


class Moment(msgspec.Struct, frozen=True):
    """What a program says of itself, Unix time: its partitions are assigned and recovered; the bare one also when it is done."""

    ready_s: float = 0.0
    done_s: float = 0.0


class Count(msgspec.Struct, frozen=True):
    """The calls of one endpoint: how many, how many rows they brought, at most in one call, and how they were answered."""

    calls: int = 0
    offers: int = 0
    offers_max: int = 0
    statuses: Mapping[str, int] = {}


def feed(offers: int) -> list[Feed]:
    """A level for each offer of the account."""
    return [Feed(sku_of(number).encode(), encode(_level(number))) for number in range(1, offers + 1)]


def sku_of(number: int) -> str:
    """As the simulated CRM names its offers."""
    return f"SKU-{number:05}"


def check(offers: int, shown: Mapping[str, Mapping[str, Decimal]], count: Count, *, most: int | None) -> None:
    """Each offer shows its number, and no call was refused or in vain; of calls there are at most `most`. Raises `RunFailedError`."""
    wrong = sum(shown.get(sku_of(number)) != {STORE: _quantity(number)} for number in range(1, offers + 1))
    if wrong:
        raise RunFailedError(f"{wrong} of {offers} offers show a wrong number")
    if count.statuses != {str(OK): count.calls}:
        raise RunFailedError(f"not all calls were taken: {dict(count.statuses)}")
    if count.offers != offers or count.offers_max > ROWS_MAX or (most is not None and count.calls > most):
        raise RunFailedError(
            f"{count.calls} calls for {count.offers} offers, at most {count.offers_max} in one; expected {most} for {offers}"
        )


class Account:
    """A simulated CRM with so many offers, in a process of its own, until the end of the `with`. `per_second` calls it takes."""

    def __init__(self, folder: Path, offers: int, *, per_second: int) -> None:
        self._port = free_port()
        options = {"offers": offers, "calls_kept": 0, "rules": {"per_second": per_second, "burst": per_second}}
        command = (sys.executable, "-m", "streams.cli", "simulate", "retailcrm", "--port", str(self._port))
        self._subject = Subject(CRM, (*command, "--params", encode(options).decode()), folder)
        self.url = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        """Return when it answers."""
        try:
            wait_listening(self._port, self._subject)
        except BaseException:
            self._subject.stop()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        """End it."""
        self._subject.stop()

    def count(self) -> Count:
        """The uploads up to now."""
        counts: dict[str, dict[str, Any]] = self._asked("/admin/calls?only=counts", dict[str, dict[str, Any]])["counts"]
        return msgspec.convert(counts.get(UPLOAD, {}), Count)

    def shown(self) -> dict[str, dict[str, Decimal]]:
        """What it shows, by SKU and store."""
        shown: dict[str, dict[str, Decimal]] = self._asked("/admin/truth", dict[str, dict[str, Decimal]])
        return shown

    def _asked(self, path: str, kind: Any) -> Any:  # noqa: ANN401  # a type and an instance of it
        connection = HTTPConnection("127.0.0.1", self._port, timeout=ASK_WITHIN_S)
        try:
            connection.request("GET", path)
            return msgspec.json.decode(connection.getresponse().read(), type=kind)
        finally:
            connection.close()


def _quantity(number: int) -> Decimal:
    return Decimal(1 + number * 7 % 1_000)


def _level(number: int) -> Level:
    quantity = _quantity(number)
    return Level(connection=CRM, sku=sku_of(number), sequence=number, level=quantity, parts={PLACE: quantity}, as_of_ms=1)
