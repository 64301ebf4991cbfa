"""What an element of an account says."""

from decimal import Decimal
from pathlib import Path

import pytest

from models.errors import PoisonError
from models.inbound import Inbound
from models.observation import Ignored, Observation, ShownSeen, UnnamedSeen
from streams.systems.retailcrm.translate import translate, translate_for
from tests.systems.retailcrm.conftest import settings_for

FIXTURES = Path(__file__).parent / "fixtures"
READ = Inbound(kind="reading", received_ms=2, asked_ms=1, answered_ms=2)
CALLED = Inbound(kind="webhook", received_ms=1)


def said(name: str, inbound: Inbound) -> list[Observation]:
    return translate((FIXTURES / f"{name}.json").read_bytes(), inbound)


@pytest.mark.req("R-15", "R-23")
def test_translate_when_an_offer_is_read_then_each_store_and_their_sum() -> None:
    stores = {"msk-1": Decimal("12.5"), "spb-1": Decimal(0)}
    assert said("inventories__two_stores", READ) == [ShownSeen("wms-100", Decimal("12.5"), stores)]
    assert said("inventories__no_stock", READ) == [ShownSeen("wms-101", Decimal(0), {})]


@pytest.mark.req("R-15")
def test_translate_when_our_sku_is_the_shops_id_then_under_it() -> None:
    value = (FIXTURES / "inventories__two_stores.json").read_bytes()
    (seen,) = translate_for(settings_for(offer_key="externalId"))(value, READ)
    assert isinstance(seen, ShownSeen)
    assert seen.sku == "sku-100"


def test_translate_when_the_id_is_a_number_then_text() -> None:
    assert translate(b'{"xmlId":100,"stores":[{"store":"a","quantity":"1.250"}]}', READ) == [
        ShownSeen("100", Decimal("1.250"), {"a": Decimal("1.250")})
    ]


@pytest.mark.req("R-30")
@pytest.mark.parametrize(
    ("value", "event"),
    [
        (b'{"site":"main","quantity":1}', "offer without SKU"),
        (b'{"id":5,"site":"b2b","quantity":1}', "offer of another site"),
        (b'{"id":5,"xmlId":"A","site":"b2b","quantity":1}', "offer of another site"),
    ],
)
def test_translate_when_the_offer_is_not_ours_then_counted(value: bytes, event: str) -> None:
    assert translate_for(settings_for())(value, READ) == [Ignored(event)]


@pytest.mark.req("R-30")
@pytest.mark.parametrize("value", [b'{"id":5,"site":"main","quantity":1}', b'{"id":"5","xmlId":" ","quantity":1}'])
def test_translate_when_the_offer_has_no_sku_of_ours_then_a_matter_for_a_person(value: bytes) -> None:
    assert translate_for(settings_for())(value, READ) == [UnnamedSeen("5")]


@pytest.mark.parametrize(
    "value",
    [
        b'{"xmlId":"A","quantity":3}',
        b'{"xmlId":"A","stores":[{"store":"a","quantity":"NaN"}]}',
        b'{"xmlId":"A","stores":[{"store":"a","quantity":1e400}]}',
        b'{"xmlId":"A","stores":[{"quantity":1}]}',
        b'{"xmlId":"A","stores":7}',
        b"<html>",
    ],
)
def test_translate_when_an_offer_cannot_be_used_then_poison(value: bytes) -> None:
    with pytest.raises(PoisonError):
        translate(value, READ)


def test_translate_when_called_then_kept_and_counted_by_its_action() -> None:
    assert said("inventoriesUpload__two_offers", CALLED) == [Ignored("inventoriesUpload")]
    assert said("activity__frozen", CALLED) == [Ignored("activity")]
    assert said("settings__zone", CALLED) == [Ignored("settings")]
    assert translate(b'{"action":"reserve"}', CALLED) == [Ignored("other")]
    with pytest.raises(PoisonError):
        translate(b"{}", CALLED)
