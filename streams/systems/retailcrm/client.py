"""Calls to retailCRM: one method per endpoint, no retry. The key is a header, what is written a form with JSON in its fields."""

from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from models.codec import encode, text_of
from models.errors import PoisonError, RefusedError
from streams.http import Answer, HttpClient
from streams.systems.answered import expected
from streams.systems.retailcrm import wire
from streams.systems.retailcrm.errors import judged, understood
from streams.systems.retailcrm.settings import RetailCrmSettings

ROWS_MAX = 250
NOT_FOUND = 404
FORM = "application/x-www-form-urlencoded"


class CrmClient:
    """One account, as seen by one of its sites. Raises the errors of `models.errors`, as `HttpClient.call` and `judged` do."""

    def __init__(self, settings: RetailCrmSettings, http: HttpClient) -> None:
        self._settings = settings
        self._http = http
        self.clean = http.redactor.text

    async def upload(self, offers: bytes) -> tuple[Answer, wire.Envelope]:
        """`POST /store/inventories/upload`: the JSON list `offers`; the answer is a yes or a no. Absolute, so a repeat is harmless."""
        answer = await self._post("/api/v5/store/inventories/upload", {"site": self._settings.site, "offers": offers.decode()})
        return answer, understood(answer, self.clean)

    async def inventories(self, page: int, rows: int = ROWS_MAX) -> tuple[Answer, wire.ShownPage]:
        """`GET /store/inventories` of the site, with the rows of each store; `page` counts from 1."""
        query = {"filter[details]": 1, "filter[sites][]": self._settings.site, "limit": rows, "page": page}
        answer = judged(await self._get("/api/v5/store/inventories", query), self.clean)
        return answer, expected(wire.decode_page, answer)

    async def credentials(self) -> wire.Credentials:
        """`GET /api/credentials`: what the key may do, and where."""
        return expected(wire.decode_credentials, judged(await self._get("/api/credentials"), self.clean))

    async def sites(self) -> dict[str, Any]:
        """`GET /reference/sites`, by code."""
        return wire.mapping_of(expected(wire.decode_sites, judged(await self._get("/api/v5/reference/sites"), self.clean)).sites)

    async def stores(self) -> dict[str, wire.Store]:
        """`GET /reference/stores`, by code."""
        answer = judged(await self._get("/api/v5/reference/stores"), self.clean)
        return {store.code: store for store in expected(wire.decode_stores, answer).stores}

    async def zone(self) -> str:
        """`GET /settings`: the name of the account's time zone; empty if it does not say."""
        answer = judged(await self._get("/api/v5/settings"), self.clean)
        zone = wire.mapping_of(expected(wire.decode_settings, answer).settings.get("timezone")).get("value")
        return zone if isinstance(zone, str) else ""

    async def module(self, code: str) -> dict[str, Any] | None:
        """`GET /integration-modules/{code}`; None if there is none."""
        answer = await self._get(f"/api/v5/integration-modules/{quote(code, safe='')}")
        try:
            return expected(wire.decode_module, judged(answer, self.clean)).integration_module
        except RefusedError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def edit_module(self, module: dict[str, Any]) -> None:
        """`POST /integration-modules/{code}/edit`: make it, or change what `module` names."""
        path = f"/api/v5/integration-modules/{quote(module['code'], safe='')}/edit"
        judged(await self._post(path, {"integrationModule": encode(module).decode()}), self.clean)

    async def _get(self, path: str, query: dict[str, Any] | None = None) -> Answer:
        url = f"{self._settings.base_url}{path}" + (f"?{urlencode(query)}" if query else "")
        return await self._http.call("GET", url, headers=self._headers(), deadline_s=self._settings.call_deadline_s)

    async def _post(self, path: str, form: dict[str, str]) -> Answer:
        headers = {**self._headers(), "Content-Type": FORM}
        url, body = f"{self._settings.base_url}{path}", urlencode(form).encode()
        return await self._http.call("POST", url, headers=headers, body=body, deadline_s=self._settings.call_deadline_s)

    def _headers(self) -> dict[str, str]:
        return {"X-API-KEY": self._settings.api_key.reveal(), "Accept": "application/json"}


def offer_of(offer: msgspec.Raw) -> str | None:
    """What the account calls an offer, or None if it has no id or cannot be read."""
    try:
        return text_of(wire.decode_ids(bytes(offer)).id)
    except PoisonError:
        return None
