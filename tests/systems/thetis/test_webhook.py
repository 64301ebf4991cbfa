"""The receiving side: what is genuine, and where it goes."""

from pathlib import Path

import pytest

from models.errors import PoisonError
from streams.secret import Secret
from streams.systems.spec import Hook, Taken
from streams.systems.thetis.settings import ThetisSettings
from streams.systems.thetis.webhook import ThetisWebhook

FIXTURES = Path(__file__).parent / "fixtures"
SECRET = "an-unguessable-segment"
WEBHOOK = ThetisWebhook(
    "wh", ThetisSettings(api_key=Secret("k"), client_id=Secret("i"), client_secret=Secret("s"), webhook_secret=Secret(SECRET))
)
EVENT = "c7f6a8c2-0f7e-4f0a-8a50-6f3b1f1d2a11"


def hook(body: bytes = b"{}", secret: str = SECRET) -> Hook:
    return Hook(secret=secret, headers={}, body=body, now_s=0.0)


@pytest.mark.parametrize("secret", ["", "wrong", f"{SECRET} ", SECRET.upper(), "ø" * 22, "\udcff"])
def test_verify_when_the_secret_is_wrong_then_says_so_without_it(secret: str) -> None:
    reason = WEBHOOK.verify(hook(secret=secret))
    assert reason
    assert SECRET not in reason


def test_verify_when_the_secret_is_ours_then_genuine() -> None:
    assert WEBHOOK.verify(hook()) is None


@pytest.mark.req("T-22", "T-40")
@pytest.mark.parametrize("name", ["availableStockChanged__seller", "availableStockChanged__flat"])
def test_take_when_either_shape_then_keyed_by_item_and_named_by_the_event(name: str) -> None:
    assert WEBHOOK.take(hook((FIXTURES / f"{name}.json").read_bytes())) == Taken("90233151", EVENT)


@pytest.mark.req("T-22")
def test_take_when_the_event_is_about_no_item_then_keyed_by_the_connection() -> None:
    taken = WEBHOOK.take(hook((FIXTURES / "documentCreated__delivery_note.json").read_bytes()))
    assert taken == Taken("wh", "2ad9a8a4-6d1b-4f64-9a1e-40b1f2b3e215")


def test_take_when_the_event_has_no_id_then_named_by_its_envelope_else_by_its_bytes() -> None:
    assert WEBHOOK.take(hook(b'{"id": "e", "detail": {}}')) == Taken("wh", "e")
    first, again, other = (WEBHOOK.take(hook(body)).delivery for body in (b'{"delta": 1}', b'{"delta": 1}', b'{"delta": 2}'))
    assert first == again != other


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"7", b"[" * 100_000, b"\xff"])
def test_take_when_it_cannot_be_parsed_then_poison_which_is_parked(body: bytes) -> None:
    with pytest.raises(PoisonError):
        WEBHOOK.take(hook(body))
    assert WEBHOOK.parks


@pytest.mark.parametrize("body", [b'{"detail": 7}', b'{"detail": {"globalTradeItemId": {}}, "id": []}', b'{"globalTradeItemId": true}'])
def test_take_when_members_have_wrong_types_then_taken_all_the_same(body: bytes) -> None:
    assert WEBHOOK.take(hook(body)).key == "wh"
