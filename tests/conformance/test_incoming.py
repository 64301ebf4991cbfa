"""A simulator calls our door by itself: what is genuine is stored once and without a secret, and everything else harms nothing."""

import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from urllib.parse import quote, unquote

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agents.ports import Element
from models.inbound import Inbound
from models.topics import DEAD, inbound
from streams.receiver.door import Admission, Door
from streams.receiver.limits import ReceiverLimits
from streams.receiver.request import Request
from streams.systems.spec import Callback, Hook, Taken, Webhook
from tests.conformance.facts import assert_nothing_new
from tests.conformance.manifests import (
    Running,
    assert_hidden,
    conformance,
    door_of,
    secrets_of,
    settings_of,
    started,
    translate_of,
    with_rule,
    with_wrong_secrets,
)
from tests.eventually import eventually

LIMITS = ReceiverLimits()
HOUR_S = 3_600.0
LATER_S = 30.0
PARSED_MAX = 1_000
"""What is deeper than this no parser takes for JSON: then it is a text like any other."""
TOO_DEEP = (LIMITS.depth_max + 1, 15_000)
each = pytest.mark.parametrize("name", with_rule("simulator-is-heard"))


class Heard:
    """A door with one connection `c`, that keeps what came and how it was answered."""

    def __init__(self) -> None:
        self.door: Door | None = None
        self.came: list[tuple[Request, float, Admission]] = []

    async def answer(self, request: web.Request) -> web.Response:
        body, now_s = await request.read(), time.time()
        headers = {name.lower(): value for name, value in request.headers.items()}
        delivery = Request(request.method, request.raw_path, headers, body, len(body))
        assert self.door is not None
        admission = self.door.admit(delivery, now_s)
        self.came.append((delivery, now_s, admission))
        return web.Response(body=admission.body, status=admission.status, content_type="application/json")


class Trusting:
    """A door for which everybody is genuine: what it is told, nobody has to sign."""

    def __init__(self, inner: Webhook) -> None:
        self._inner = inner
        self.parks = inner.parks

    def verify(self, _hook: Hook) -> None:
        return None

    def take(self, hook: Hook) -> Taken:
        return self._inner.take(hook)


class TrustingCallback(Trusting):
    """The same, where the caller waits for our answer."""

    def __init__(self, inner: Callback) -> None:
        super().__init__(inner)
        self.refusal = inner.refusal


class Genuine(msgspec.Struct, frozen=True):
    """One delivery as the simulator made it."""

    name: str
    url: str
    delivery: Request
    now_s: float
    admission: Admission

    @property
    def secrets(self) -> tuple[str, ...]:
        return secrets_of(settings_of(self.name, self.url))

    def again(self, *, after_s: float = 0.0, body: bytes | None = None) -> Admission:
        """The same to another process of ours, later or with another body."""
        return self._to(door_of(self.name, settings_of(self.name, self.url)), after_s, body)

    def trusted(self, body: bytes) -> Admission:
        """Another body, which is believed."""
        inner = door_of(self.name, settings_of(self.name, self.url))
        return self._to(TrustingCallback(inner) if isinstance(inner, Callback) else Trusting(inner), 0.0, body)

    def elsewhere(self) -> Admission:
        """To the same connection of somebody who has other secrets."""
        return self._to(door_of(self.name, with_wrong_secrets(settings_of(self.name, self.url))), 0.0, None)

    def _to(self, webhook: Webhook, after_s: float, body: bytes | None) -> Admission:
        sent = self.delivery.body if body is None else body
        return Door({"c": webhook}, LIMITS).admit(self.delivery._replace(body=sent, size=len(sent)), self.now_s + after_s)


_genuine: dict[str, Genuine] = {}


async def genuine(name: str) -> Genuine:
    """What the simulator sends when its lever is pulled."""
    if name not in _genuine:
        heard = Heard()
        async with calling(name, heard) as running:
            lever = conformance(name)["lever"]
            await running.admin(lever["path"], lever["body"])
            await eventually(lambda: _came(heard), what="a call of the simulator")
            _genuine[name] = Genuine(name, running.url, *heard.came[0])
    return _genuine[name]


@contextlib.asynccontextmanager
async def calling(name: str, heard: Heard) -> AsyncIterator[Running]:
    """A simulator that knows where we are."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", heard.answer)
    async with TestServer(app) as server, started(name, f"{str(server.make_url('')).rstrip('/')}/hooks/c") as running:
        heard.door = Door({"c": door_of(name, running.settings)}, LIMITS)
        if running.spec.register is not None:
            await running.spec.register(running.context, running.settings, running.http, dry_run=False)
        yield running


async def _came(heard: Heard) -> bool:
    return bool(heard.came)


def stored(admission: Admission) -> str:
    """All that is written because of a delivery."""
    letters = [] if admission.letter is None else [admission.letter, *admission.also]
    texts = [b" ".join((one.key, one.value or b"", *(value for _, value in one.headers))).decode(errors="replace") for one in letters]
    return "\n".join(texts)


def headers_of(admission: Admission) -> dict[str, bytes]:
    assert admission.letter is not None
    return dict(admission.letter.headers)


@each
async def test_delivery_when_genuine_then_stored_under_a_key_and_answered_with_a_yes(name: str) -> None:
    found = (await genuine(name)).admission
    assert found.status in {200, 204}
    assert found.letter is not None
    assert (found.letter.topic, bool(found.letter.key)) == (inbound("c"), True)
    assert found.letter.value is not None
    assert translate_of(name)(found.letter.value, Inbound.of(headers_of(found)))


@each
async def test_delivery_then_no_secret_is_stored_or_answered_or_logged(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    found = await genuine(name)
    wrong = found.elsewhere()
    for admission in (found.admission, found.again(), found.trusted(b"\xff"), wrong):
        assert_hidden(found.secrets, stored(admission) + unquote(stored(admission)) + admission.body.decode(errors="replace"))
    captured = capfd.readouterr()
    assert_hidden(found.secrets, captured.out + captured.err)


@each
async def test_delivery_when_our_secrets_are_others_then_the_stranger_is_refused_and_nothing_stored(name: str) -> None:
    found = (await genuine(name)).elsewhere()
    assert (found.status, found.body, found.letter, found.also) == (401, b"", None, ())


@pytest.mark.req("X-07")
@pytest.mark.parametrize("name", with_rule("repeats-are-known"))
async def test_delivery_when_it_comes_again_later_then_known_by_the_same_id_and_key(name: str) -> None:
    one = await genuine(name)
    first, later = one.admission, one.again(after_s=LATER_S)
    assert first.letter is not None
    assert later.letter is not None
    assert (later.letter.topic, later.letter.key, later.letter.value) == (first.letter.topic, first.letter.key, first.letter.value)
    assert [headers_of(later)[known] for known in ("delivery", "trace")] == [headers_of(first)[known] for known in ("delivery", "trace")]
    assert_nothing_new(name, element_of(first), element_of(first))


def element_of(admission: Admission) -> Element:
    """What stands in `inbound.c.v1`."""
    assert admission.letter is not None
    letter = admission.letter
    return Element(key=letter.key.decode(), value=letter.value or b"", inbound=Inbound.of(dict(letter.headers)))


@pytest.mark.parametrize("name", with_rule("webhook-signature"))
async def test_delivery_when_a_byte_is_changed_or_it_is_old_then_refused(name: str) -> None:
    one = await genuine(name)
    for number in range(0, len(one.delivery.body), 7):
        body = bytearray(one.delivery.body)
        body[number] ^= 1
        assert one.again(body=bytes(body)).status == 401
    assert one.again(after_s=HOUR_S).status == 401


@each
async def test_delivery_when_malformed_then_refused_or_parked_as_the_manifest_says(name: str) -> None:
    one = await genuine(name)
    body = one.delivery.body
    for spoilt in (body[: len(body) * 2 // 3], b"\xff\xfe", b"<html>", b'"'):
        assert_unusable(name, one.trusted(spoilt))
    for maybe in (b"", b"{}", b"[]", b"null"):
        assert one.trusted(maybe).status in {200, 204, 400}


@each
async def test_delivery_when_too_deep_then_refused_or_parked_as_the_manifest_says(name: str) -> None:
    one = await genuine(name)
    for depth in TOO_DEEP:
        for body in deep(one.delivery, depth):
            assert_unusable(name, one.trusted(body))


def deep(delivery: Request, depth: int) -> Iterator[bytes]:
    """The same kind of body, with lists in lists; in a form, in each of its fields, and escaped or not."""
    lists = "[" * depth + "]" * depth
    if "form" not in delivery.headers.get("content-type", ""):
        yield lists.encode()
        yield b'{"detail":' + lists.encode() + b',"data":' + lists.encode() + b"}"
        return
    fields = [field.partition("=")[0] for field in delivery.body.decode().split("&")]
    yield "&".join(f"{field}={quote(lists)}" for field in fields).encode()
    if depth < PARSED_MAX:
        yield delivery.body + f"&x-unknown={quote(lists)}".encode()
    yield "&".join(f"{field}={lists}" for field in fields).encode()


def assert_unusable(name: str, admission: Admission) -> None:
    """Whoever would be held up by a no gets a yes, and a person sees what came; everybody else hears why not, and nothing is stored."""
    if door_of(name).parks:
        assert admission.status in {200, 204}
        assert admission.letter is not None
        assert admission.letter.topic == DEAD
        return
    assert (admission.status, admission.letter, admission.also) == (400, None, ())
    assert bool(admission.body) == isinstance(door_of(name), Callback)
