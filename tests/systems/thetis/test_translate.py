"""Thetis → observations: the documented events and items, and everything that could come instead."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import PoisonError
from models.inbound import Inbound
from models.observation import Ignored, ItemGone, MoveSeen, Observation, ReadingSeen, ReadWanted
from streams.secret import Secret
from streams.systems.thetis import SYSTEM
from streams.systems.thetis.settings import ThetisSettings
from streams.systems.thetis.translate import translate, translate_without_moves

FIXTURES = Path(__file__).parent / "fixtures"
OTHERS = [path for path in sorted(FIXTURES.glob("*__*.json")) if path.name.startswith(("doc", "phys", "ship", "inbound", "pack"))]
WEBHOOK = Inbound(kind="webhook", received_ms=1)
READING = Inbound(kind="reading", received_ms=1)
ITEM = "90233151"
MAY_2_091407_MS = 1_714_641_247_000
SELLER_EVENT = "c7f6a8c2-0f7e-4f0a-8a50-6f3b1f1d2a11"


def document(name: str) -> bytes:
    return (FIXTURES / f"{name}.json").read_bytes()


def event(**detail: object) -> bytes:
    return msgspec.json.encode(
        {"id": "envelope", "time": "2024-05-02T09:14:07Z", "detail": {"eventType": "availableStockChanged", **detail}}
    )


def moved(body: bytes) -> MoveSeen:
    (observation,) = translate(body, WEBHOOK)
    assert isinstance(observation, MoveSeen)
    return observation


@pytest.mark.req("T-22", "T-35", "T-39")
def test_translate_when_stock_changed_by_a_seller_then_a_move_with_all_it_says() -> None:
    expected = MoveSeen(item=ITEM, delta=Decimal(-3), id=SELLER_EVENT, stamp_ms=MAY_2_091407_MS, seller="90100042")
    assert moved(document("availableStockChanged__seller")) == expected


@pytest.mark.req("T-35", "T-37")
def test_translate_when_no_seller_caused_it_then_the_move_has_none() -> None:
    move = moved(document("availableStockChanged__plain"))
    assert (move.delta, move.seller) == (Decimal(100), None)


def test_translate_when_the_body_is_masked_then_the_move_has_no_stamp() -> None:
    expected = MoveSeen(item=ITEM, delta=Decimal(-3), id=SELLER_EVENT, stamp_ms=None, seller="90100042")
    assert moved(document("availableStockChanged__flat")) == expected
    assert moved(b'{"globalTradeItemId": 90233151, "delta": -3}') == MoveSeen(ITEM, Decimal(-3), None, None, None)


@pytest.mark.req("T-37")
@pytest.mark.parametrize(("seller", "expected"), [(None, None), (90100042, "90100042"), ("90100042", "90100042"), ("", None)])
def test_translate_when_a_seller_stands_in_any_form_then_text(seller: object, expected: str | None) -> None:
    assert moved(event(globalTradeItemId=1, delta=1, sellerId=seller)).seller == expected
    assert moved(event(globalTradeItemId="1", delta=1, sellerId=seller)).item == "1"


@pytest.mark.req("X-12")
@pytest.mark.parametrize("number", ["-3", "-3.0", "100.50", "0.125", "9007199254740993", "1e2"])
def test_translate_when_the_delta_is_any_number_then_exactly_that(number: str) -> None:
    delta = moved(b'{"globalTradeItemId": 1, "delta": %s}' % number.encode()).delta
    assert (delta, delta.as_tuple()) == (Decimal(number), Decimal(number).as_tuple())


def test_translate_when_the_source_gives_no_id_of_its_own_then_the_envelopes() -> None:
    assert moved(event(globalTradeItemId=1, delta=1)).id == "envelope"


@pytest.mark.parametrize("time", [None, 7, "", "yesterday", "2024-05-02T09:14:07"])
def test_translate_when_the_time_is_no_time_then_the_move_is_unclear_not_unusable(time: object) -> None:
    body = msgspec.json.encode({"time": time, "detail": {"eventType": "availableStockChanged", "globalTradeItemId": 1, "delta": 1}})
    assert moved(body).stamp_ms is None


@pytest.mark.req("T-22")
def test_translate_when_an_item_was_created_then_it_is_read() -> None:
    assert translate(document("globalTradeItemCreated__plain"), WEBHOOK) == [ReadWanted(ITEM, "new item")]


def test_translate_when_a_change_has_no_delta_then_the_item_is_read() -> None:
    assert translate(event(globalTradeItemId=1), WEBHOOK) == [ReadWanted("1", "change without delta")]


def test_translate_when_moves_are_subscribed_then_availability_says_nothing_new() -> None:
    assert translate(document("availabilityChanged__plain"), WEBHOOK) == [Ignored("availabilityChanged")]
    assert translate_without_moves(document("availabilityChanged__plain"), WEBHOOK) == [ReadWanted(ITEM, "changed availability")]


def test_manifest_when_moves_are_not_subscribed_then_the_other_translation() -> None:
    secret = Secret("x" * 32)
    thetis = ThetisSettings(api_key=secret, client_id=secret, client_secret=secret, webhook_secret=secret)
    assert SYSTEM.translate_for is not None
    assert SYSTEM.translate_for(thetis) is translate
    assert SYSTEM.translate_for(msgspec.structs.replace(thetis, moves_subscribed=False)) is translate_without_moves


@pytest.mark.parametrize("name", ["api_url", "auth_url"])
def test_settings_when_an_address_has_no_scheme_then_refused_in_words(name: str) -> None:
    secret = Secret("x" * 32)
    given: dict[str, Any] = {name: "api.thetis-ims.com/2"}
    with pytest.raises(ValueError, match=f"{name} must begin with https://"):
        ThetisSettings(api_key=secret, client_id=secret, client_secret=secret, webhook_secret=secret, **given)


@pytest.mark.req("T-22")
@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.stem)
def test_translate_when_another_event_then_ignored_by_its_name(path: Path) -> None:
    assert translate(path.read_bytes(), WEBHOOK) == [Ignored(path.stem.partition("__")[0])]


def test_translate_when_the_event_is_unknown_then_counted_under_one_name() -> None:
    body = msgspec.json.encode({"detail-type": "somethingNew", "detail": {"eventType": "somethingNew", "globalTradeItemId": [1]}})
    assert translate(body, WEBHOOK) == [Ignored("other")]
    assert translate(b"{}", WEBHOOK) == [Ignored("other")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"7",
        b"\xff\xfe",
        b"[" * 100_000,
        event(delta=1),
        event(globalTradeItemId=None, delta=1),
        event(globalTradeItemId={"id": 1}, delta=1),
        event(globalTradeItemId=True, delta=1),
        event(globalTradeItemId=1, delta="NaN"),
        event(globalTradeItemId=1, delta="Infinity"),
        event(globalTradeItemId=1, delta="many"),
        event(globalTradeItemId=1, delta=10**18),
        b'{"globalTradeItemId": 1, "delta": 1e-30}',
        b'{"globalTradeItemId": 1, "delta": 1e999999}',
    ],
)
def test_translate_when_it_cannot_be_used_then_poison(body: bytes) -> None:
    with pytest.raises(PoisonError):
        translate(body, WEBHOOK)


@pytest.mark.req("T-43")
def test_translate_when_items_are_read_then_available_stock_null_counts_0_and_inactive_has_none() -> None:
    rows = msgspec.json.decode(document("globalTradeItem__page"), type=list[msgspec.Raw])
    assert [translate(bytes(row), READING) for row in rows] == [
        [ReadingSeen(item=ITEM, sku="TEE-BLU-M", value=Decimal(137))],
        [ReadingSeen(item="90233152", sku="TEE-BLU-L", value=Decimal(0))],
        [ReadingSeen(item="90233153", sku="TEE-OLD", value=Decimal(0))],
        [ReadingSeen(item="90233154", sku="GIFT-WRAP", value=Decimal(0), stocked=False)],
        [ReadingSeen(item="90233155", sku="TEE-OVERSOLD", value=Decimal(-4))],
    ]


@pytest.mark.req("R-17")
@pytest.mark.parametrize(
    ("given", "cost"),
    [("310.00", "310.00"), ("0.125", "0.125"), ("0", "0"), ("null", None), ('"free"', None), ("-1", None), ("1e99", None)],
)
def test_translate_when_an_item_has_a_cost_price_then_its_digits_are_kept_and_nonsense_costs_not_the_number(
    given: str, cost: str | None
) -> None:
    body = f'{{"id": 1, "stockKeepingUnit": "A", "numItemsAvailable": 3, "standardCostPrice": {given}}}'
    [seen] = translate(body.encode(), READING)
    assert isinstance(seen, ReadingSeen)
    assert seen.value == 3
    assert (None if seen.cost is None else str(seen.cost)) == cost


def test_translate_when_an_item_has_no_sku_then_nothing_of_it_is_said() -> None:
    assert translate(b'{"id": 1, "stockKeepingUnit": " "}', READING) == [Ignored("item without SKU")]


def test_translate_when_the_item_is_gone_then_so() -> None:
    assert translate(b'{"id": "90233151"}', Inbound(kind="gone", received_ms=1)) == [ItemGone(ITEM)]


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4)
json_values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.text(max_size=4), scalars, max_size=2)
names = st.sampled_from(["id", "time", "detail", "detail-type", "eventId", "eventType", "globalTradeItemId", "delta", "sellerId", "x"])
kinds = st.sampled_from(["availableStockChanged", "availabilityChanged", "globalTradeItemCreated", "documentCreated"])
details = st.dictionaries(names, json_values, max_size=6) | st.fixed_dictionaries({"eventType": kinds, "delta": json_values})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=st.binary(max_size=40) | st.dictionaries(names, json_values | details, max_size=8).map(msgspec.json.encode))
def test_translate_when_given_anything_then_observations_or_poison(body: bytes) -> None:
    for kind in ("webhook", "reading", "gone"):
        try:
            said: list[Observation] = translate(body, Inbound(kind=kind, received_ms=1))
        except PoisonError:
            continue
        assert len(said) == 1
