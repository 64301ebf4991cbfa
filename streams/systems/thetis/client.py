"""Calls to Thetis: one method per endpoint, with the token kept fresh. No retry but one after a 401."""

import asyncio
import base64
import time
from collections.abc import Callable
from urllib.parse import quote, urlencode

import msgspec

from models.codec import text_of
from streams.http import Answer, HttpClient
from streams.systems.answered import expected
from streams.systems.thetis import wire
from streams.systems.thetis.errors import TOKEN_TABLE, judged
from streams.systems.thetis.settings import ThetisSettings

UNAUTHORIZED = 401
NOT_FOUND = 404
TOKEN_LIFE_S = 3_600.0
TOKEN_SPARE_S = 60.0


class ThetisClient:
    """One context of Thetis. Raises the errors of `models.errors`, as `HttpClient.call` and `judged` do."""

    def __init__(self, settings: ThetisSettings, http: HttpClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._http = http
        self._clock = clock
        self._authorization = ""
        self._good_until_s = float("-inf")
        self._refreshing = asyncio.Lock()

    async def items(self, first_row: int) -> tuple[Answer, list[msgspec.Raw]]:
        """`GET /globalTradeItems`: one page, inactive items too; each element as its original bytes."""
        query = urlencode({"maxNumRows": self._settings.page_rows, "firstRow": first_row, "onlyActive": "false"})
        answer = judged(await self._get(f"/globalTradeItems?{query}"))
        return answer, expected(wire.decode_rows, answer)

    async def item(self, item: str) -> Answer:
        """`GET /globalTradeItems/{id}`; status 200, or 404 when there is no such item."""
        answer = await self._get(f"/globalTradeItems/{quote(item, safe='')}")
        if answer.status != NOT_FOUND:
            expected(wire.decode_body, judged(answer))  # an object; what is wrong in it is parked by whoever translates it
        return answer

    async def seller_ids(self) -> list[str]:
        """`GET /sellers`: the ids of all sales channels of the context."""
        answer = judged(await self._get("/sellers"))
        rows = expected(wire.decode_ids, answer)
        return [text for text in (text_of(row.id) for row in rows) if text is not None]

    async def _get(self, path: str) -> Answer:
        """One call. A 401 means that the token was withdrawn early: fetch another and ask once more."""
        authorization = await self._token()
        answer = await self._call(path, authorization)
        if answer.status != UNAUTHORIZED:
            return answer
        return await self._call(path, await self._token(instead_of=authorization))

    async def _call(self, path: str, authorization: str) -> Answer:
        headers = {"Authorization": authorization, "x-api-key": self._settings.api_key.reveal(), "Accept": "application/json"}
        url = f"{self._settings.api_url.rstrip('/')}{path}"
        return await self._http.call("GET", url, headers=headers, deadline_s=self._settings.call_deadline_s)

    async def _token(self, *, instead_of: str | None = None) -> str:
        """The `Authorization` header; all who need a new one at once share one request."""
        async with self._refreshing:
            if self._clock() < self._good_until_s and self._authorization != instead_of:
                return self._authorization
            asked_s = self._clock()
            token = await self._new_token()
            self._http.redactor.add(token.access_token)
            self._authorization = f"{token.token_type} {token.access_token}"
            self._good_until_s = asked_s + (TOKEN_LIFE_S if token.expires_in is None else token.expires_in) - TOKEN_SPARE_S
            return self._authorization

    async def _new_token(self) -> wire.Token:
        """`POST /oauth2/token` (client credentials)."""
        pair = f"{self._settings.client_id.reveal()}:{self._settings.client_secret.reveal()}"
        basic = base64.b64encode(pair.encode()).decode()
        self._http.redactor.add(basic)
        headers = {
            "Authorization": f"Basic {basic}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        url = f"{self._settings.auth_url.rstrip('/')}/oauth2/token"
        body = b"grant_type=client_credentials"
        answer = await self._http.call("POST", url, headers=headers, body=body, deadline_s=self._settings.call_deadline_s)
        return expected(wire.decode_token, judged(answer, TOKEN_TABLE))
