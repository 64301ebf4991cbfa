"""`level.<c>.v1` → retailCRM: levels of up to 250 SKUs in one call, each with the stores of its places."""

from collections.abc import Mapping, Sequence

import msgspec

from agents.ports import Judged, Row
from models.codec import encode
from models.errors import OperatorError, OutcomeUnknownError, PoisonError, RefusedError
from models.level import Level
from streams.http import Answer, HttpClient
from streams.systems.retailcrm import wire
from streams.systems.retailcrm.client import ROWS_MAX, CrmClient
from streams.systems.retailcrm.errors import PARTLY, Fault, faults, is_success, of_portion
from streams.systems.retailcrm.row import stores_of
from streams.systems.retailcrm.settings import RetailCrmSettings
from streams.systems.spec import Context


class CrmSink:
    """Absolute values: what is repeated changes nothing."""

    rows_max = ROWS_MAX

    def __init__(self, context: Context, settings: RetailCrmSettings, http: HttpClient) -> None:
        self._context = context
        self._settings = settings
        self._client = CrmClient(settings, http)

    def row_for(self, level: Level) -> Row:
        """The offer by our SKU, and what each of its stores has. Raises `PoisonError` for a level of none of our places."""
        stores = stores_of(level, self._context.stores, self._settings.presence_stores)
        return Row(sku=level.sku, body=encode({self._settings.offer_key: level.sku, "stores": stores}))

    async def send(self, rows: Sequence[Row]) -> Judged:
        """One upload. Raises `OperatorError` also for a store that the account does not have, and `RefusedError` for a no to no row."""
        answer, said = await self._client.upload(b"[" + b",".join(row.body for row in rows) + b"]")
        uploaded = _uploaded(answer)
        missing = self._missing(rows, answer, uploaded)
        if is_success(answer, said):
            return Judged(exchange=answer.exchange, missing=missing)
        named = [fault for fault in faults(said) if fault.row < len(rows)]
        self._check_stores(rows, answer, named)
        refused = self._refused(named, missing)
        rest = frozenset(range(len(rows))) - missing - refused.keys()
        if len(rest) == len(rows):
            raise of_portion(answer, said, self._client.clean)
        taken = answer.status == PARTLY and (uploaded.processed_offers_count or 0) >= len(rest)
        return Judged(exchange=answer.exchange, missing=missing, refused=refused, again=frozenset() if taken else rest)

    def _missing(self, rows: Sequence[Row], answer: Answer, uploaded: wire.Uploaded) -> frozenset[int]:
        """The rows whose offers nobody knows there. Raises `RefusedError` when one is named by another id than we gave."""
        try:
            names = [offer.named(self._settings.offer_key) for offer in uploaded.not_found]
        except msgspec.ValidationError as error:
            raise OutcomeUnknownError(f"notFoundOffers is not {wire.SENT}: {error}").after(answer.exchange) from error
        at = {row.sku.strip(): number for number, row in enumerate(rows)}
        if names and len(rows) == 1:
            return frozenset((0,))
        if any(name not in at for name in names):
            reason = f"notFoundOffers names an offer by something else than the {self._settings.offer_key} that was sent"
            raise RefusedError(reason, status=answer.status).after(answer.exchange)
        return frozenset(at[name] for name in names if name is not None)

    def _refused(self, named: Sequence[Fault], missing: frozenset[int]) -> Mapping[int, str]:
        found: dict[int, list[str]] = {}
        for fault in named:
            if fault.row not in missing:
                found.setdefault(fault.row, []).append(self._client.clean(fault.text))
        return {row: "; ".join(texts) for row, texts in found.items()}

    def _check_stores(self, rows: Sequence[Row], answer: Answer, named: Sequence[Fault]) -> None:
        """A store that is not there is no fault of its row: every row names it."""
        for fault in named:
            if fault.store is not None:
                code = _code_of(rows[fault.row], fault.store)
                raise OperatorError(f"{self._client.clean(fault.text)}: {self._where(code)}").after(answer.exchange)

    def _where(self, code: str) -> str:
        keys = [f"places.{place}.stores.{self._context.connection}" for place, known in self._context.stores.items() if known == code]
        return (
            f"the account has no store {code!r}, which is named by {' and '.join(keys) or 'an older configuration'}: correct it, or make it"
        )


def _uploaded(answer: Answer) -> wire.Uploaded:
    try:
        return wire.decode_uploaded(answer.body)
    except PoisonError as error:
        raise OutcomeUnknownError(f"the answer to an upload is not {wire.SENT}: {error}").after(answer.exchange) from error


def _code_of(row: Row, number: int) -> str:
    stores = msgspec.json.decode(row.body)["stores"]
    return str(stores[number]["code"]) if number < len(stores) else ""
