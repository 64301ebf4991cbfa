"""The door for the shop's own events."""

import pytest

from models.errors import PoisonError
from streams.systems.shop.signature import key_of, sign
from streams.systems.shop.webhook import ShopWebhook
from streams.systems.spec import Hook, Taken
from tests.systems.shop.conftest import NEXT_SECRET, SECRET, settings_for

ID = "msg_demo0001"
TIME_S = 1_772_352_930
BODY = b'{"type":"stock.changed","timestamp":"2026-03-01T08:15:30Z","data":{"sku":"TEA-1001"}}'
LITERAL = {"webhook-id": ID, "webhook-timestamp": str(TIME_S), "webhook-signature": "v1,9TpXv+Fku9pw3d0vcHBaGM1DXfDvZ+/zArqJ5THkVN8="}


def hook(headers: dict[str, str] | None = None, body: bytes = BODY, now_s: float = TIME_S) -> Hook:
    return Hook("", LITERAL if headers is None else headers, body, now_s)


@pytest.fixture
def door() -> ShopWebhook:
    return ShopWebhook("web", settings_for(None))


def test_sign_then_the_published_vector() -> None:
    assert sign([key_of(SECRET)], ID, TIME_S, BODY) == LITERAL


@pytest.mark.parametrize("now_s", [TIME_S, TIME_S + 300, TIME_S - 300])
def test_verify_when_signed_and_fresh_then_genuine(door: ShopWebhook, now_s: float) -> None:
    assert door.verify(hook(now_s=now_s)) is None


@pytest.mark.parametrize("now_s", [TIME_S + 301, TIME_S - 301, TIME_S + 86_400])
def test_verify_when_too_old_or_from_the_future_then_refused(door: ShopWebhook, now_s: float) -> None:
    assert door.verify(hook(now_s=now_s)) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": ""},
        {"webhook-signature": LITERAL["webhook-signature"].removeprefix("v1,")},
        {"webhook-signature": LITERAL["webhook-signature"].replace("v1,", "v2,")},
        {"webhook-signature": "v1,ÄÖÜ\udce4"},
        {"webhook-id": "msg_demo0002"},
        {"webhook-id": ""},
        {"webhook-id": "msg.demo"},
        {"webhook-id": "m" * 257},
        {"webhook-timestamp": str(TIME_S + 1)},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "²"},
        {"webhook-timestamp": "9" * 5_000},
        {"webhook-timestamp": ""},
    ],
)
def test_verify_when_any_part_is_wrong_then_refused(door: ShopWebhook, change: dict[str, str]) -> None:
    assert door.verify(hook({**LITERAL, **change})) is not None


def test_verify_when_the_body_was_changed_then_refused(door: ShopWebhook) -> None:
    assert door.verify(hook(body=BODY.replace(b"1001", b"1002"))) is not None


def test_verify_when_no_header_at_all_then_refused(door: ShopWebhook) -> None:
    assert door.verify(hook({})) is not None


def test_verify_when_the_list_also_has_others_then_any_match_is_enough(door: ShopWebhook) -> None:
    assert door.verify(hook({**LITERAL, "webhook-signature": f"v1a,xyz v1,AAAA {LITERAL['webhook-signature']}"})) is None


def test_verify_while_the_secret_is_changed_then_old_and_new_are_genuine() -> None:
    door = ShopWebhook("web", settings_for(None, inbound_secret=NEXT_SECRET, inbound_secret_previous=SECRET))
    assert door.verify(hook(sign([key_of(SECRET)], ID, TIME_S, BODY))) is None
    assert door.verify(hook(sign([key_of(NEXT_SECRET)], ID, TIME_S, BODY))) is None
    after = ShopWebhook("web", settings_for(None, inbound_secret=NEXT_SECRET))
    assert after.verify(hook(sign([key_of(SECRET)], ID, TIME_S, BODY))) is not None


def test_verify_when_the_shop_has_no_secret_then_nothing_is_genuine() -> None:
    assert ShopWebhook("web", settings_for(None, inbound_secret=None)).verify(hook()) is not None


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b'{"order":"SO-1","lines":[{"sku":"A"}]}', "SO-1"),
        (b'{"order":10023}', "10023"),
        (b'{"sku":"TEA-1001","name":"Tea"}', "TEA-1001"),
        (b'{"number":"C-9"}', "C-9"),
        (b'{"something":"new"}', "web"),
        (b"{}", "web"),
    ],
)
@pytest.mark.req("X-07")
def test_take_then_keyed_by_what_it_is_about_and_a_replay_has_the_same_id(door: ShopWebhook, data: bytes, key: str) -> None:
    body = b'{"type":"order.placed","timestamp":"2026-03-01T08:15:30Z","data":' + data + b"}"
    assert door.take(hook(body=body)) == Taken(key, ID)
    assert door.take(hook(body=body)) == Taken(key, ID)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"type":"order.placed"}',
        b'{"type":1,"timestamp":"2026-03-01T08:15:30Z","data":{}}',
        b'{"type":"order.placed","timestamp":"2026-03-01T08:15:30Z","data":[]}',
        b'{"type":"order.placed","timestamp":"2026-03-01T08:15:30Z","data":{"order":""}}',
        b'{"type":"order.placed","timestamp":"2026-03-01T08:15:30Z","data":{"order":{}}}',
        b"[" * 100_000,
    ],
)
def test_take_when_malformed_then_refused(door: ShopWebhook, body: bytes) -> None:
    with pytest.raises(PoisonError):
        door.take(hook(body=body))
    assert not door.parks
