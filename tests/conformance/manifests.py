"""What the conformance tests know of a system: its manifest, its `conformance.toml`, and its simulator as a real server."""

import contextlib
import functools
import inspect
import socket
import tomllib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec
from aiohttp import web

from models.codec import encode
from models.errors import StockwireError
from models.inbound import Inbound
from models.level import Level
from models.message import Json
from models.observation import Observation
from streams import systems
from streams.http import Budget, HttpClient, Purpose, Redactor
from streams.secret import Secret
from streams.systems.spec import Context, SystemSpec, Webhook

SYSTEMS = systems.discover()
FOLDERS = Path(inspect.getfile(systems)).parent
TESTS = Path(__file__).parents[1] / "systems"
HOOKS = "https://hooks.example/hooks/c"
WRONG = "whsec_d3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmc="


@functools.cache
def conformance(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDERS / name / "conformance.toml").read_text())


def has(name: str, capability: str) -> bool:
    return getattr(SYSTEMS[name], capability) is not None


def with_rule(rule: str) -> list[str]:
    return [name for name in sorted(SYSTEMS) if conformance(name)["rules"].get(rule) == "done"]


class Running(NamedTuple):
    """A system's simulator as a server, settings that fit it, and the way there."""

    name: str
    spec: SystemSpec
    url: str
    settings: Any
    context: Context
    http: HttpClient
    secrets: tuple[str, ...]

    async def admin(self, path: str, body: Json = None, *, method: str = "") -> Json:
        """`GET`, or `POST` where there is a body."""
        method = method or ("GET" if body is None else "POST")
        sent = None if body is None else msgspec.json.encode(body)
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self.url}/admin/{path}", data=sent, raise_for_status=True) as response,
        ):
            return msgspec.json.decode(await response.read())

    async def calls(self) -> list[dict[str, Any]]:
        """What it was asked, oldest first."""
        told = await self.admin("calls")
        calls: list[dict[str, Any]] = told["calls"] if isinstance(told, dict) else told
        return calls


@contextlib.asynccontextmanager
async def started(name: str, hooks: str = HOOKS) -> AsyncIterator[Running]:
    """The simulator with the options of the example; `{hooks}` there is where we take its own calls.

    A call that we give up goes on there, as it does at a real remote (and not at aiohttp's `TestServer`).
    """
    spec = SYSTEMS[name]
    runner = web.AppRunner(spec.simulator(_filled(example_of(name)["simulator"], "{hooks}", hooks)), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    settings = settings_of(name, url)
    try:
        async with client_of(spec, settings) as http:
            yield Running(name, spec, url, settings, context_of(name, hooks), http, secrets_of(settings))
    finally:
        await runner.cleanup()


def example_of(name: str) -> dict[str, Any]:
    """Options for the system's own simulator, and settings that fit it."""
    example: dict[str, Any] = conformance(name)["example"]
    return example


def context_of(name: str, hooks: str = HOOKS) -> Context:
    return Context(connection="c", stores=example_of(name).get("stores", {}), hooks_url=hooks)


def settings_of(name: str, url: str, **changed: Json) -> Any:  # noqa: ANN401  # of its system
    """The example's settings: strings where they must be secret become secrets."""
    told = {**_filled(example_of(name)["settings"], "{url}", url), **changed}
    return msgspec.convert(told, SYSTEMS[name].settings, dec_hook=lambda _kind, value: Secret(value))


def _filled(value: Any, mark: str, text: str) -> Any:  # noqa: ANN401  # any TOML
    if isinstance(value, dict):
        return {key: _filled(one, mark, text) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, mark, text) for one in value]
    return value.replace(mark, text) if isinstance(value, str) else value


def secrets_of(settings: msgspec.Struct) -> tuple[str, ...]:
    values = [getattr(settings, field) for field in settings.__struct_fields__]
    own = tuple(value.reveal() for value in values if isinstance(value, Secret))
    return own + tuple(secret for value in values if isinstance(value, msgspec.Struct) for secret in secrets_of(value))


def with_wrong_secrets(settings: Any) -> Any:  # noqa: ANN401  # of its system
    """The same settings, and no secret in them is right."""
    changed = {}
    for field in settings.__struct_fields__:
        value = getattr(settings, field)
        if isinstance(value, Secret):
            changed[field] = Secret(WRONG)
        elif isinstance(value, msgspec.Struct):
            changed[field] = with_wrong_secrets(value)
    return msgspec.structs.replace(settings, **changed)


def client_of(spec: SystemSpec, settings: msgspec.Struct) -> HttpClient:
    return HttpClient(hosts=spec.hosts(settings), budget=Budget(per_second=1e4), purpose=Purpose.SEND, redactor=Redactor.of(settings))


class NoLevels:
    """A view of levels before the first one."""

    complete = True

    def get(self, _sku: str) -> Level | None:
        return None


def door_of(name: str, settings: Any = None) -> Webhook:  # noqa: ANN401  # of its system
    """The receiving side of a connection."""
    spec, settings = SYSTEMS[name], settings or settings_of(name, "http://127.0.0.1")
    if spec.callback is not None:
        return spec.callback(context_of(name), settings, NoLevels())
    assert spec.webhook is not None
    return spec.webhook("c", settings)


def translate_of(name: str, settings: Any = None) -> Callable[[bytes, Inbound], list[Observation]]:  # noqa: ANN401  # of its system
    """What translates for a connection with these settings."""
    spec = SYSTEMS[name]
    return spec.translate_for(settings or settings_of(name, "http://127.0.0.1")) if spec.translate_for else spec.translate


def told(error: StockwireError) -> str:
    """All that an error says to anybody."""
    return f"{error!r} {error.__cause__!r} {'' if error.exchange is None else encode(error.exchange).decode()}"


def assert_hidden(secrets: tuple[str, ...], text: str) -> None:
    """No secret stands in the text, nor the start of one."""
    assert [secret for secret in secrets if secret in text or secret.removeprefix("whsec_")[:12] in text] == []


def nowhere() -> str:
    """An address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"
