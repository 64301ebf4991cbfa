"""The line between us and a simulator, which spoils the good answers to one endpoint and passes on everything else."""

import contextlib
import re
from collections.abc import AsyncIterator, Callable

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

Spoil = Callable[[bytes], bytes]
LEFT_OUT = {"content-length", "content-encoding", "transfer-encoding", "connection", "host"}


class Line:
    """`endpoint` as simulators log it: `GET /things/{id}`, or `*`. `breaks`: only half of what is announced arrives.

    `credentials` collects what was shown to the remote to be let in.
    """

    def __init__(self, remote: str, endpoint: str, spoil: Spoil, *, breaks: bool = False, credentials: set[str] | None = None) -> None:
        self._remote = remote
        method, _, path = endpoint.partition(" ")
        route = "[^/]+".join(re.escape(part) for part in re.split(r"\{[^}]*\}", path))
        self._spoiled = re.compile(".*" if endpoint == "*" else f"{method} .*{route}")
        self._spoil = spoil
        self._breaks = breaks
        self._credentials = set() if credentials is None else credentials

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in LEFT_OUT}
        shown = [value for name, value in headers.items() if re.search("auth|key|token|cookie", name.lower())]
        self._credentials.update(text.removeprefix("Bearer ").removeprefix("Basic ") for text in shown)
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method, f"{self._remote}{request.raw_path}", headers=headers, data=await request.read(), allow_redirects=False
            ) as answer,
        ):
            body, status = await answer.read(), answer.status
            headers = {name: value for name, value in answer.headers.items() if name.lower() not in LEFT_OUT}
        if not self._spoiled.fullmatch(f"{request.method} {request.path}") or not 200 <= status < 300:
            return web.Response(body=body, status=status, headers=headers)
        body = self._spoil(body)
        return await self._half(request, body, status, headers) if self._breaks else web.Response(body=body, status=status, headers=headers)

    async def _half(self, request: web.Request, body: bytes, status: int, headers: dict[str, str]) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers={**headers, "Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        assert request.transport is not None
        request.transport.abort()
        return response


@contextlib.asynccontextmanager
async def line(
    remote: str, endpoint: str, spoil: Spoil, *, breaks: bool = False, credentials: set[str] | None = None
) -> AsyncIterator[str]:
    """The URL at which the remote can be reached over such a line."""
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", Line(remote, endpoint, spoil, breaks=breaks, credentials=credentials).pass_on)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")
