"""The one way out: what is refused, what is unknown, what never left."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from models.errors import OperatorError, OutcomeUnknownError, TransientError
from streams.http import Budget, HttpClient, Purpose, Redactor


async def hello(request: web.Request) -> web.Response:
    return web.Response(body=b"hello " + await request.read(), headers={"X-Note": "n", "Date": "Sun, 01 Mar 2026 08:15:30 GMT"})


async def moved(_request: web.Request) -> web.Response:
    raise web.HTTPFound("/hello")


async def hang(_request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    return web.Response()


async def drop(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def large(_request: web.Request) -> web.Response:
    return web.Response(body=b"x" * 3_000)


@pytest.fixture
async def base() -> AsyncIterator[str]:
    app = web.Application()
    for handler in (hello, moved, hang, drop, large):
        app.router.add_route("*", f"/{handler.__name__}", handler)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("")).rstrip("/")
    await server.close()


@pytest.fixture
async def http(base: str) -> AsyncIterator[HttpClient]:
    async with HttpClient(
        hosts=(base,), budget=Budget(per_second=1e6), purpose=Purpose.SEND, redactor=Redactor("hush"), answer_max_bytes=2_500
    ) as client:
        yield client


async def test_call_when_answered_then_all_of_it(http: HttpClient, base: str) -> None:
    answer = await http.call("POST", f"{base}/hello?key=hush", body=b"hush, you")
    assert (answer.status, answer.body, answer.headers["x-note"]) == (200, b"hello hush, you", "n")
    assert answer.date_ms == 1_772_352_930_000
    assert answer.asked_ms <= answer.answered_ms
    assert (answer.exchange.url, answer.exchange.request, answer.exchange.response) == (
        f"{base}/hello?key=***",
        "***, you",
        "hello ***, you",
    )


async def test_call_when_redirected_then_not_followed(http: HttpClient, base: str) -> None:
    assert (await http.call("GET", f"{base}/moved")).status == 302


@pytest.mark.parametrize("path", ["hang", "drop", "large"])
async def test_call_when_it_breaks_off_after_leaving_then_outcome_unknown(http: HttpClient, base: str, path: str) -> None:
    with pytest.raises(OutcomeUnknownError) as caught:
        await http.call("POST", f"{base}/{path}", body=b"hush", deadline_s=0.3)
    assert caught.value.exchange is not None
    assert caught.value.exchange.request == "***"


async def test_call_when_nobody_listens_then_transient_and_surely_not_done() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with HttpClient(hosts=(url,), budget=Budget(per_second=1e6), purpose=Purpose.SEND) as http:
            with pytest.raises(TransientError) as caught:
                await http.call("POST", url)
    assert not isinstance(caught.value, OutcomeUnknownError)
    assert caught.value.exchange is not None
    assert caught.value.exchange.status is None


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example/api",
        "https://shop.example/api",
        "http://shop.example:8080/api",
        "http://shop.example/apiary",
        "http://shop.example/api/../admin",
        "http://shop.example@evil.example/api",
        "/api",
        "http://[bad/api",
    ],
)
async def test_call_when_host_is_not_allowed_then_refused_before_it_leaves(url: str) -> None:
    http = HttpClient(hosts=("http://shop.example/api",), budget=Budget(per_second=1), purpose=Purpose.SEND)
    with pytest.raises(OperatorError):
        await http.call("GET", url)
