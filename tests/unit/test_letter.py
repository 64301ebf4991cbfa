"""What a dead letter says of itself, and what is written so that it is tried again."""

import pytest

from models.agent import Dead
from models.message import Headers
from streams.dead import VALUE_LIMIT_BYTES, dead_headers
from streams.letter import HOPS_MAX, Letter, Place, again, letter_of

HERE = Place("dead.v1", 3, 120)
ORIGIN = ("inbound.my-wh.v1", 2, 77)


def _letter(
    own: Headers | None = None,
    *,
    origin: tuple[str, int, int] | None = ORIGIN,
    agent: str = "translate.my-wh",
    key: bytes | None = b"item",
    size: int = 9,
) -> tuple[Letter, Headers]:
    headers = dead_headers(own or {}, Dead(error="PoisonError", reason="no"), agent=agent, exchange=b"{}", origin=origin)
    return letter_of(HERE, 5, key, headers, size), headers


@pytest.mark.req("X-17")
def test_again_when_origin_is_known_then_bytes_as_they_were_and_only_harmless_headers() -> None:
    letter, headers = _letter({"kind": b"webhook", "hops": b"2", "redriven_from": b"dead.v1-0-1"})
    assert (letter.to, letter.record, letter.problem) == ("inbound.my-wh.v1", "inbound.my-wh.v1-2-77", None)
    record = again(letter, b"\x00\xff", headers)
    assert record[:4] == ("inbound.my-wh.v1", None, b"item", b"\x00\xff")
    assert dict(record.headers) == {
        "kind": b"webhook",
        "hops": b"3",
        "redriven_from": b"dead.v1-3-120",
        "redriven_origin": b"inbound.my-wh.v1-2-77",
    }


def test_again_when_written_again_before_then_it_stands_where_it_stood_at_first() -> None:
    first, _ = _letter({"redriven_origin": b"inbound.my-wh.v1-2-5"})
    later, _ = _letter()
    assert (first.first, first.record) == (Place("inbound.my-wh.v1", 2, 5), later.record)
    assert sorted([later, first], key=lambda letter: letter.turn) == [first, later]


@pytest.mark.parametrize("key", [None, b"@tick"])
def test_letter_when_its_key_chose_no_partition_then_it_goes_to_the_one_it_was_in(key: bytes | None) -> None:
    assert _letter(key=key)[0].partition == 2
    assert _letter(key=b"item")[0].partition is None
    assert _letter(key=key, origin=None, agent="receiver.my-wh")[0].partition is None


@pytest.mark.parametrize(
    ("own", "origin", "agent", "text"),
    [
        ({}, None, "translate.my-wh", "does not say where it came from"),
        ({}, None, "receiver.", "does not say where it came from"),
        ({"hops": b"%d" % HOPS_MAX}, ORIGIN, "a", "10 times already"),
        ({"hops": b"-1"}, ORIGIN, "a", "`hops` is no number"),
        ({"hops": b"\xb2"}, ORIGIN, "a", "`hops` is no number"),
        ({}, ("poll.v1", 0, 1), "poll", "poll.v1 is not written again"),
        ({}, ("review.v1", 0, 1), "a", "review.v1 is not written again"),
        ({}, ("dead.v1", 0, 1), "a", "dead.v1 is not written again"),
        ({}, ("audit.v1", 0, 1), "a", "audit.v1 is not written again"),
    ],
)
def test_letter_when_it_cannot_be_written_again_then_it_says_why(
    own: Headers, origin: tuple[str, int, int] | None, agent: str, text: str
) -> None:
    letter, headers = _letter(own, origin=origin, agent=agent)
    assert letter.to is None
    assert text in (letter.problem or "")
    with pytest.raises(ValueError, match="goes nowhere"):
        again(letter, b"", headers)


@pytest.mark.parametrize("name", ["dead_topic", "dead_partition", "dead_offset"])
def test_letter_when_a_part_of_its_origin_is_broken_then_it_has_none(name: str) -> None:
    _, headers = _letter()
    for broken in ({key: value for key, value in headers.items() if key != name}, {**headers, name: b""}):
        assert letter_of(HERE, 5, b"item", broken, 9).origin is None


def test_letter_when_only_its_beginning_is_kept_then_it_is_left() -> None:
    assert "only its beginning" in (_letter(size=VALUE_LIMIT_BYTES)[0].problem or "")
    assert _letter(size=VALUE_LIMIT_BYTES - 1)[0].problem is None


def test_letter_of_a_level_without_a_sku_then_no_number_is_said_again() -> None:
    for key in (None, b"", b"\xff"):
        assert "its key is no SKU" in (_letter(origin=("level.my-web.v1", 0, 1), key=key)[0].problem or "")
