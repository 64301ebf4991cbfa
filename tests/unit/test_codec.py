"""What stands in Kafka, byte for byte."""

from decimal import Decimal

import pytest

from models.codec import Decoder, encode, headers_of
from models.errors import PoisonError
from models.facts import Resend, StockFact, StockMoved
from models.inbound import Inbound
from models.level import Level

DECODE: Decoder[StockFact] = Decoder(StockFact)


def moved(delta: str) -> StockMoved:
    return StockMoved(connection="wh", place="north", sku="TEA", item="9", id="e1", lo_ms=None, hi_ms=5, delta=Decimal(delta))


@pytest.mark.req("X-12")
@pytest.mark.parametrize("digits", ["100.50", "0.125", "-3", "12345678901234567890.123456789"])
def test_quantity_keeps_its_digits_through_kafka(digits: str) -> None:
    value = encode(moved(digits))

    assert f'"delta":{digits}'.encode() in value
    fact = DECODE(value)
    assert isinstance(fact, StockMoved)
    assert str(fact.delta) == digits
    assert encode(fact) == value


def test_message_says_its_type_and_leaves_out_what_is_not_set() -> None:
    assert encode(Resend(connection="web", sku="TEA")) == b'{"type":"Resend","connection":"web","sku":"TEA"}'


def test_headers_are_what_a_viewer_filters_by() -> None:
    level = Level(connection="web", sku="TEA", sequence=7, level=Decimal(3))

    assert headers_of(level) == {"type": b"Level", "connection": b"web", "sku": b"TEA"}


def test_unknown_members_are_ignored_and_counted() -> None:
    decode: Decoder[StockFact] = Decoder(StockFact)

    fact = decode(b'{"type":"Resend","connection":"web","sku":"TEA","urgent":true,"by":{"who":1}}')

    assert fact == Resend(connection="web", sku="TEA")
    assert decode.unknown == 2


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"type":"Nonsense"}',
        b'{"type":"Resend","sku":"TEA"}',
        b'{"type":"Resend","connection":1,"sku":"T"}',
        b"\xff",
    ],
)
def test_what_is_no_fact_is_poison_with_words(value: bytes) -> None:
    with pytest.raises(PoisonError, match=r"not a value we know: ."):
        DECODE(value)


@pytest.mark.parametrize("depth", [10_000])
def test_nesting_without_end_is_poison(depth: int) -> None:
    with pytest.raises(PoisonError):
        DECODE(b"[" * depth)


def test_inbound_headers_come_back_as_they_went() -> None:
    inbound = Inbound(kind="reading", received_ms=9, asked_ms=1, answered_ms=2, date_ms=0, sweep="stock/1")

    assert Inbound.of(inbound.headers()) == inbound
    assert b"" not in inbound.headers().values()
