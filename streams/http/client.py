"""Every outgoing call: allowed hosts only, within the budget, with a deadline, and with errors that say what is known."""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
from yarl import URL

from models.errors import OperatorError, OutcomeUnknownError, TransientError
from models.outcome import Exchange
from streams.http.answer import Answer, http_date_ms
from streams.http.budget import Budget, Purpose
from streams.http.redact import Redactor

DEADLINE_MAX_S = 10.0
CONNECT_S = 4.0


class _Request(msgspec.Struct, frozen=True):
    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes | None
    timeout: aiohttp.ClientTimeout


class HttpClient:
    """Calls one remote system. One session, made at the first call; close it with `close()` or `async with`.

    `hosts` are the base URLs that may be called; anything else is refused before it leaves.
    `redactor` knows the secrets of the connection; register what becomes known later (`http.redactor.add(token)`).
    """

    def __init__(  # noqa: PLR0913  # all by name, each with its default
        self,
        *,
        hosts: tuple[str, ...],
        budget: Budget,
        purpose: Purpose,
        redactor: Redactor | None = None,
        answer_max_bytes: int = 16 * 1024 * 1024,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.redactor = redactor or Redactor()
        self._hosts = tuple(URL(host) for host in hosts)
        self._budget = budget
        self._purpose = purpose
        self._answer_max_bytes = answer_max_bytes
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def call(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None, deadline_s: float = 8.0
    ) -> Answer:
        """Make one call and return its answer, whatever the status; `judge` says what it means. Redirects are not followed.

        `deadline_s` (at most 10) runs from the moment the budget lets the call go. Raises `TransientError` when the request
        never left, `OutcomeUnknownError` when it may have been acted upon (also: time-out, answer too large),
        `OperatorError` for an address that may not be called; each carries the `exchange`.
        """
        deadline_s = min(deadline_s, DEADLINE_MAX_S)
        timeout = aiohttp.ClientTimeout(total=deadline_s, connect=min(CONNECT_S, deadline_s))
        request = _Request(method, self._allowed(url), headers or {}, body, timeout)
        await self._budget.take(self._purpose)
        return await self._exchange(request)

    async def close(self) -> None:
        """Close the connections. A later call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def __aenter__(self) -> Self:
        """Nothing to open: the session is made at the first call."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close."""
        await self.close()

    def _allowed(self, text: str) -> URL:
        try:
            url = URL(text)
        except ValueError as error:
            raise OperatorError(f"not a URL: {self.redactor.text(text)}") from error
        if not any(_below(url, host) for host in self._hosts):
            raise OperatorError(f"{self.redactor.text(str(url.origin() if url.absolute else url))} is not an address of this connection")
        return url

    async def _exchange(self, request: _Request) -> Answer:
        status: int | None = None
        asked_ms = self._now_ms()
        try:
            async with self._open_session().request(
                request.method, request.url, headers=request.headers, data=request.body, timeout=request.timeout, allow_redirects=False
            ) as response:
                status = response.status
                body = await self._read(response)
                headers = {name.lower(): value for name, value in response.headers.items()}
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ServerFingerprintMismatch) as error:
            exchange = self._exchange_of(request, None, b"", asked_ms)
            raise TransientError(f"cannot connect to {exchange.url}: {self.redactor.text(str(error))}").after(exchange) from error
        except (aiohttp.ClientError, OSError, _TooLargeError) as error:
            exchange = self._exchange_of(request, status, b"", asked_ms)
            why = self.redactor.text(str(error)) or type(error).__name__
            raise OutcomeUnknownError(f"{exchange.method} {exchange.url} broke off: {why}").after(exchange) from error
        return Answer(
            status=status,
            headers=headers,
            body=body,
            asked_ms=asked_ms,
            answered_ms=self._now_ms(),
            date_ms=http_date_ms(headers.get("date", "")),
            exchange=self._exchange_of(request, status, body, asked_ms),
        )

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._answer_max_bytes:
                raise _TooLargeError(f"the answer is larger than {self._answer_max_bytes} bytes")
        return bytes(body)

    def _exchange_of(self, request: _Request, status: int | None, body: bytes, asked_ms: int) -> Exchange:
        return Exchange(
            method=request.method,
            url=self.redactor.text(str(request.url)),
            status=status,
            request=self.redactor.body(request.body or b""),
            response=self.redactor.body(body),
            took_ms=max(0, self._now_ms() - asked_ms),
        )

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(headers={"User-Agent": "stockwire"}, cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    def _now_ms(self) -> int:
        return int(self._clock() * 1_000)


class _TooLargeError(Exception):
    pass


def _below(url: URL, base: URL) -> bool:
    same_origin = (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port)
    path = base.path.rstrip("/")
    return same_origin and (url.path == path or url.path.startswith(f"{path}/"))
