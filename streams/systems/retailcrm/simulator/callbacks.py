"""CRM to warehouse system: the callbacks of registered modules. What is answered goes the way of an upload."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import msgspec

from models.codec import encode
from streams.systems.retailcrm.simulator.account import Account, Module
from streams.systems.retailcrm.simulator.modules import actions_of
from streams.systems.retailcrm.simulator.options import CallbackRules
from streams.systems.retailcrm.simulator.protocol import RefusedError
from streams.systems.retailcrm.simulator.upload import OfferRow, Uploaded, uploaded

KEPT = 2_000
ACTIVITY_TIMEOUT_S = 30.0
OK = range(200, 300)
Row = Mapping[str, Any]


class Answered(msgspec.Struct, frozen=True, rename="camel"):
    """What a warehouse system answers."""

    success: bool = False
    error_msg: str | None = None
    offers: list[OfferRow] = []


class Record(msgspec.Struct, kw_only=True):
    """One call: what was sent, what came back (`status` 0: nothing), and what came of it.

    `error`: why the answer counts as a failure, which leaves the stock as it was. `applied` null: nothing was written (yet).
    """

    module: str
    action: str
    url: str
    form: dict[str, str]
    at_ms: int
    took_ms: int = 0
    status: int = 0
    body: str = ""
    error: str | None = None
    held: bool = False
    applied: Uploaded | None = None


class NotCalledError(Exception):
    """The CRM makes no such call now; the text says why."""


class Callbacks:
    """Makes the calls, one at a time per module and action unless they are to be at once. There is no second try."""

    def __init__(self, account: Account) -> None:
        self.records: deque[Record] = deque(maxlen=KEPT)
        self._account = account
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}
        self._held: list[tuple[Record, bytes, Sequence[str]]] = []
        self._session: aiohttp.ClientSession | None = None

    async def activity(self, module: Module) -> Record | None:
        """Tell that the module was switched on or off, or frozen; None where nobody wants to know."""
        url = module.actions.get("activity")
        if url is None:
            return None
        form = {
            "clientId": module.client_id,
            "activity": encode({"active": module.active, "freeze": module.freeze}).decode(),
            "systemUrl": self._account.options.system_url,
        }
        record, _ = await self._called(module, "activity", url, form, ACTIVITY_TIMEOUT_S)
        return record

    async def ask(self, module: Module, action: str, offers: Sequence[Row] | None, at_once: int, rules: CallbackRules) -> list[Record]:
        """Ask for stock, `at_once` times, and write what is answered. Raises `NotCalledError`."""
        known = actions_of(module).get(action)
        if known is None or not module.active or module.freeze:
            raise NotCalledError(f"{module.code}: {'no action ' + action if known is None else 'not active, or frozen'}")
        if len(offers or ()) > self._account.rules.upload_rows_max:
            raise NotCalledError(f"{len(offers or ())} offers are too many for one call")
        async with self._locks.setdefault((module.code, action), asyncio.Lock()):
            told = await asyncio.gather(*(self._asked(module, action, known.url, offers, rules) for _ in range(at_once)))
        return [record for records in told for record in records]

    def apply_held(self) -> list[Record]:
        """Write the answers that were held back, oldest first."""
        held, self._held = self._held, []
        for record, body, sites in held:
            record.held = False
            self._apply(record, body, sites)
        return [record for record, _, _ in held]

    async def close(self) -> None:
        """Close the way out."""
        if self._session is not None:
            await self._session.close()

    async def _asked(self, module: Module, action: str, url: str, offers: Sequence[Row] | None, rules: CallbackRules) -> list[Record]:
        data: Any = offers or [] if rules.bare else {} if offers is None else {"offers": offers}
        client_id = module.client_id if rules.client_id is None else rules.client_id
        form = {**({"clientId": client_id} if client_id else {}), rules.field: encode(data).decode()}
        sites = tuple(dict.fromkeys(row["site"] for row in offers or () if row.get("site") in self._account.sites))
        records = []
        for _ in range(1 + rules.repeat):
            record, body = await self._called(module, action, url, form, rules.timeout_s)
            records.append(record)
            if record.error is None and rules.hold:
                record.held = True
                self._held.append((record, body, sites))
            elif record.error is None:
                self._apply(record, body, sites)
        return records

    async def _called(self, module: Module, action: str, url: str, form: dict[str, str], timeout_s: float) -> tuple[Record, bytes]:
        whole = f"{module.base_url.rstrip('/')}/{url.lstrip('/')}"
        record = Record(module=module.code, action=action, url=whole, form=form, at_ms=int(time.time() * 1_000))
        self.records.append(record)
        body, begun_s, timeout = b"", time.monotonic(), aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._open().post(whole, data=form, timeout=timeout, allow_redirects=False) as response:
                record.status, body = response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            record.error = f"{type(error).__name__}: {error}"
        else:
            record.error = _failure(record.status, body)
        record.took_ms = int((time.monotonic() - begun_s) * 1_000)
        record.body = body.decode(errors="replace")
        return record, body

    def _apply(self, record: Record, body: bytes, sites: Sequence[str]) -> None:
        """Write the rows of an answer; offers and stores that do not exist are left out."""
        try:
            rows = msgspec.json.decode(body, type=Answered, strict=False).offers
            record.applied = uploaded(self._account, sites or tuple(self._account.sites), rows, unknown_store="ignore")
        except RefusedError as error:
            record.error = f"{error.text} {encode(error.errors).decode()}"

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(headers={"User-Agent": "retailCRM"})
        return self._session


def _failure(status: int, body: bytes) -> str | None:
    """Why an answer is none."""
    if status not in OK:
        return f"status {status}"
    try:
        answered = msgspec.json.decode(body, type=Answered, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"not an answer: {error}"
    return None if answered.success else f"refused: {answered.error_msg}"
