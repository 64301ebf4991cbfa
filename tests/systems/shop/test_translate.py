"""What a shop's elements say."""

from decimal import Decimal
from pathlib import Path

import pytest

from models.errors import PoisonError
from models.inbound import Inbound
from models.observation import Ignored, ShownSeen
from streams.systems.shop.translate import translate

FIXTURES = Path(__file__).parent / "fixtures"
READING = Inbound(kind="reading", received_ms=2, asked_ms=1, answered_ms=2)
WEBHOOK = Inbound(kind="webhook", received_ms=2, delivery="msg_1")


@pytest.mark.req("X-12")
@pytest.mark.parametrize(
    ("row", "shown"),
    [
        (b'{"sku":"A","available":100.50}', "100.50"),
        (b'{"sku":"A","available":0.125,"name":"Tea"}', "0.125"),
        (b'{"sku":"A","available":-3}', "-3"),
        (b'{"sku":"A","available":123456789012.125}', "123456789012.125"),
    ],
)
def test_translate_when_a_row_then_what_is_shown_to_the_last_digit(row: bytes, shown: str) -> None:
    (seen,) = translate(row, READING)
    assert seen == ShownSeen("A", Decimal(shown))
    assert isinstance(seen, ShownSeen)
    assert str(seen.shown) == shown


@pytest.mark.parametrize(
    "row",
    [
        b'{"sku":"A"}',
        b'{"available":1}',
        b'{"sku":"","available":1}',
        b'{"sku":"A","available":null}',
        b'{"sku":"A","available":0.0001}',
        b'{"sku":"A","available":1234567890123}',
        b'{"sku":"A","available":-1e40090100042}',
        b'{"sku":"A","available":"NaN"}',
        b'{"sku":"A","available":"Infinity"}',
        b"[]",
        b"",
    ],
)
def test_translate_when_a_row_cannot_be_read_then_parked(row: bytes) -> None:
    with pytest.raises(PoisonError):
        translate(row, READING)


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.json")), ids=lambda path: path.stem)
def test_translate_when_an_event_then_kept_and_counted_by_its_type(path: Path) -> None:
    assert translate(path.read_bytes(), WEBHOOK) == [Ignored(path.stem.partition("__")[0])]


def test_translate_when_an_unknown_type_then_counted_as_such() -> None:
    assert translate(b'{"type":"moon.full","timestamp":"2026-03-01T08:15:30Z","data":{}}', WEBHOOK) == [Ignored("unknown")]


def test_translate_when_no_event_then_parked() -> None:
    with pytest.raises(PoisonError):
        translate(b"{}", WEBHOOK)
