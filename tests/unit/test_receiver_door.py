"""Who may come in, and where what they bring belongs."""

import pytest

from models.topics import DEAD, inbound
from streams.receiver.door import Admission, Door
from streams.receiver.limits import ReceiverLimits
from streams.receiver.request import Request
from tests.receiver_case import SECRET, PathHook, SignedHook, event, signature

NOW_S = 1_772_352_930.5
DOOR = Door({"wh": PathHook(), "web": SignedHook()}, ReceiverLimits(body_max_bytes=1000, depth_max=8))


def _admit(path: str, body: bytes, *, method: str = "POST", headers: dict[str, str] | None = None, size: int | None = None) -> Admission:
    return DOOR.admit(Request(method, path, headers or {}, body[:1000], len(body) if size is None else size), NOW_S)


def _signed(body: bytes, *, at_s: float = NOW_S) -> Admission:
    return _admit("/hooks/web", body, headers={"x-signature": signature(body), "x-time": str(int(at_s))})


@pytest.mark.req("T-22")
def test_door_when_secret_is_right_then_body_goes_to_inbound_as_it_came() -> None:
    found = _admit(f"/hooks/wh/{SECRET}", event(1, "42"))
    assert found.status == 204
    assert found.letter is not None
    assert found.letter.topic == inbound("wh")
    assert found.letter.key == b"42"
    assert found.letter.value == event(1, "42")
    headers = dict(found.letter.headers)
    assert set(headers) == {"kind", "received_ms", "delivery", "connection", "trace"}
    assert headers["connection"] == b"wh"
    assert headers["kind"] == b"webhook"
    assert headers["received_ms"] == b"1772352930500"
    assert headers["delivery"] == b"e1"


def test_door_when_delivery_is_repeated_then_trace_is_the_same() -> None:
    first, again, other = (_admit(f"/hooks/wh/{SECRET}", event(number)) for number in (1, 1, 2))
    assert first.letter is not None
    assert again.letter is not None
    assert other.letter is not None
    assert dict(first.letter.headers)["trace"] == dict(again.letter.headers)["trace"] != dict(other.letter.headers)["trace"]


@pytest.mark.parametrize(
    "path", ["/hooks/wh/wrong", "/hooks/wh", "/hooks/nobody/x", "/hooks/nobody", "/hooks/", "/hooks/wh/%ff%00", "/hooks/web"]
)
def test_door_when_name_or_secret_is_wrong_then_all_are_answered_alike(path: str) -> None:
    found = _admit(path, event(1))
    assert (found.status, found.letter) == (401, None)


def test_door_when_there_are_no_connections_then_answers_alike_too() -> None:
    found = Door({}, ReceiverLimits()).admit(Request("POST", "/hooks/x", {}, b"{}", 2), NOW_S)
    assert found.status == 401


@pytest.mark.parametrize("path", ["/", "/hook/wh", "/hooks", ""])
def test_door_when_path_is_no_hook_then_404(path: str) -> None:
    assert _admit(path, b"").status == 404


def test_door_when_method_is_not_post_then_405() -> None:
    assert _admit(f"/hooks/wh/{SECRET}", b"", method="GET").status == 405


def test_door_when_signed_timestamp_is_old_then_401() -> None:
    assert _signed(event(1)).status == 204
    assert _signed(event(1), at_s=NOW_S - 400).status == 401


@pytest.mark.parametrize("body", [b"not json", b"[1]", b"\xff", b"", b"[" * 5000, b'{"type":"Event","id":' + b"[" * 9 + b"]" * 9 + b"}"])
def test_door_when_body_is_malformed_then_signed_system_gets_400_and_parking_one_a_dead_letter(body: bytes) -> None:
    assert _signed(body[:1000]).status == 400
    found = _admit(f"/hooks/wh/{SECRET}", body[:1000])
    assert (found.status, found.outcome) == (204, "parked")
    assert found.letter is not None
    assert (found.letter.topic, found.letter.value) == (DEAD, body[:1000])
    headers = dict(found.letter.headers)
    assert headers["dead_error"] == b"PoisonError"
    assert headers["connection"] == b"wh"


def test_door_when_take_says_dead_then_it_is_parked_under_its_key() -> None:
    found = _admit(f"/hooks/wh/{SECRET}", b'{"type":"Event","id":"e9","item":"k","dead":true}')
    assert found.letter is not None
    assert (found.letter.topic, found.letter.key) == (DEAD, b"k")
    assert dict(found.letter.headers)["dead_reason"] == b"unwanted"


def test_door_when_our_code_fails_then_parking_system_gets_2xx_and_other_500() -> None:
    bug = b'{"type":"Event","id":"bug"}'
    assert _admit(f"/hooks/wh/{SECRET}", bug).status == 204
    assert _signed(bug).status == 500


def test_door_when_body_is_too_large_then_parking_system_keeps_its_beginning_and_size() -> None:
    found = _admit(f"/hooks/wh/{SECRET}", b"x" * 5000)
    assert (found.status, found.outcome) == (204, "too_large_parked")
    assert found.letter is not None
    assert found.letter.value == b"x" * 1000
    assert b"5000 bytes" in dict(found.letter.headers)["dead_reason"]


@pytest.mark.parametrize("path", ["/hooks/web", "/hooks/nobody", "/hooks/wh/wrong"])
def test_door_when_body_is_too_large_and_not_parked_then_413_for_all_alike(path: str) -> None:
    found = _admit(path, b"x" * 5000)
    assert (found.status, found.letter) == (413, None)


def test_door_when_headers_hold_secrets_then_none_is_stored() -> None:
    found = _admit(f"/hooks/wh/{SECRET}", b"broken", headers={"authorization": "Bearer secret", "content-type": "text/plain"})
    assert found.letter is not None
    stored = repr(found.letter)
    assert "secret" not in stored.replace("dead_error", "")
    assert dict(found.letter.headers)["content_type"] == b"text/plain"
