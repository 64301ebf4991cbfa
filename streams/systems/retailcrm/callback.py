"""retailCRM → `inbound.<c>.v1`, and back in the same answer: the account asks for numbers, and says when we are switched off."""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from models.agent import Emit, Rank
from models.codec import encode
from models.cursor import Cursor
from models.errors import PoisonError
from models.facts import Resend
from models.topics import FACT_STOCK, POLL
from streams.systems.retailcrm import wire
from streams.systems.retailcrm.client import ROWS_MAX
from streams.systems.retailcrm.register import ACTIVITY, ACTIVITY_PATH, INVENTORIES_PATH
from streams.systems.retailcrm.row import stores_of
from streams.systems.retailcrm.settings import RetailCrmSettings
from streams.systems.spec import Context, Hook, Levels, Taken

ACTIONS = {INVENTORIES_PATH: wire.INVENTORIES_UPLOAD, ACTIVITY_PATH: ACTIVITY, "/settings": "settings"}
ASKED_IN = ("inventories", wire.INVENTORIES_UPLOAD, "offers")
CLIENT_ID = "clientId"
FIELDS_MAX = 64
WRITTEN_WITHIN_MS = 30_000
"""So long the account waits for an answer; by then it has written ours, which may be older than an upload that overtook it."""
CATALOGUE = "catalogue"
YES = encode({"success": True})


class CrmCallback:
    """A form, whose field `clientId` is its only credential. Malformed: refused (400), for the account waits for the answer."""

    parks = False

    def __init__(self, context: Context, settings: RetailCrmSettings, levels: Levels) -> None:
        self._context = context
        self._settings = settings
        self._levels = levels
        self._asked_in = ASKED_IN if settings.module is None else (settings.module.callback_field, *ASKED_IN)

    def verify(self, hook: Hook) -> str | None:
        """Compare the client id in constant time; without a configured module nothing is genuine."""
        if self._settings.module is None:
            return "there is no [connections.<name>.module], so nobody has a client id"
        try:
            given = _form(hook.body).get(CLIENT_ID)
        except PoisonError as error:
            return str(error)
        if not given:
            return f"{CLIENT_ID} is missing"
        genuine = hmac.compare_digest(given.encode(), self._settings.module.client_id.reveal().encode())
        return None if genuine else f"{CLIENT_ID} is not ours"

    def take(self, hook: Hook) -> Taken:
        """Key: the connection. Delivery: each call is its own, for a repeated question wants a new answer."""
        action = ACTIONS.get("/" + hook.secret.strip("/"))
        if action is None:
            raise PoisonError(f"no callback of ours; known: {', '.join(ACTIONS)}")
        form = {name: text for name, text in _form(hook.body).items() if name != CLIENT_ID}
        now_ms = int(hook.now_s * 1_000)
        stored = encode({"action": action, **{name: _plain(text) for name, text in form.items() if name != "action"}})
        emits, answer = self._answer(form, now_ms) if action == wire.INVENTORIES_UPLOAD else ((), _noted(form, action))
        delivery = hashlib.sha256(b"%d %b" % (now_ms, stored)).hexdigest()
        return Taken(self._context.connection, delivery, emits=emits, answer=answer, body=stored)

    def refusal(self, reason: str) -> bytes:
        """As every failure is told to the account."""
        return encode({"success": False, "errorMsg": reason})

    def _answer(self, form: dict[str, str], now_ms: int) -> tuple[tuple[Emit, ...], bytes]:
        """What we know of the offers asked for, and the order to send it again: a late upload must not win over it.

        To a question about nothing in particular the answer is empty, and everything is sent.
        """
        asked = self._asked(form)
        if not asked:
            cursor = Cursor(connection=self._context.connection, what=CATALOGUE, due_ms=now_ms)
            every = Emit(rank=Rank.FACT, topic=POLL, key=f"{cursor.connection}/{CATALOGUE}", value=cursor)
            return (every,), encode({"success": True, "offers": []})
        ours = [offer for offer in asked if offer.site in {None, self._settings.site}]  # another site has numbers of its own
        return tuple(self._resends(ours)), encode({"success": True, "offers": list(self._rows(ours[:ROWS_MAX]))})

    def _asked(self, form: dict[str, str]) -> list[wire.OfferIds]:
        """The offers, from the first field that is there: a list, or an object that holds it."""
        text = next((form[name] for name in self._asked_in if form.get(name)), "[]")
        body = wire.decode_any(text.encode())
        offers = body.get("offers") if isinstance(body, dict) else body
        try:
            return msgspec.convert(list(offers.values()) if isinstance(offers, dict) else offers or [], list[wire.OfferIds])
        except msgspec.ValidationError as error:
            raise PoisonError(f"offers are not {wire.SENT}: {error}") from error

    def _resends(self, asked: list[wire.OfferIds]) -> Iterator[Emit]:
        """Also of a SKU that we do not know yet, as long as we have not read all."""
        connection = self._context.connection
        for sku in dict.fromkeys(offer.named(self._settings.offer_key) for offer in asked):
            if sku is not None and (not self._levels.complete or self._levels.get(sku) is not None):
                yield Emit(
                    rank=Rank.FACT,
                    topic=FACT_STOCK,
                    key=sku,
                    value=Resend(connection=connection, sku=sku, again_after_ms=WRITTEN_WITHIN_MS),
                )

    def _rows(self, asked: list[wire.OfferIds]) -> Iterator[dict[str, Any]]:
        """An offer is called as it was asked for; one that we do not know is left out."""
        for offer in asked:
            level = self._levels.get(offer.named(self._settings.offer_key) or "")
            if level is None:
                continue
            try:
                stores = stores_of(level, self._context.stores, self._settings.presence_stores)
            except PoisonError:  # the sender says so; the account keeps its numbers
                continue
            ids = {"id": offer.id, "externalId": offer.external_id, "xmlId": offer.xml_id}
            yield {**{name: value for name, value in ids.items() if value is not None}, "stores": stores}


def _form(body: bytes) -> dict[str, str]:
    """The fields of a form; of a name given twice the last. Raises `PoisonError`."""
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), errors="strict", max_num_fields=FIELDS_MAX)
    except ValueError as error:
        raise PoisonError("not a form of a few fields in UTF-8") from error
    return dict(pairs)


def _plain(text: str) -> Any:  # noqa: ANN401  # any JSON
    """A field as people want to read it: JSON as it is, other text as text."""
    try:
        return msgspec.Raw(text.encode()) if isinstance(wire.decode_any(text.encode()), dict | list) else text
    except PoisonError:
        return text


def _noted(form: dict[str, str], action: str) -> bytes:
    """The answer to what is only stored. Raises `PoisonError` when the field of the action is not there or no JSON."""
    if action not in form:
        raise PoisonError(f"the field {action} is missing")
    wire.decode_any(form[action].encode())
    return YES
