"""The configuration of a shop."""

from typing import Any

import pytest

from streams.secret import Secret
from streams.systems.shop.settings import ShopSettings
from tests.systems.shop.conftest import NEXT_SECRET, SECRET, settings_for


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"webhook_secret": Secret("whsec_not base64")}, "webhook_secret"),
        ({"webhook_secret": Secret("whsec_")}, "webhook_secret"),
        ({"inbound_secret_previous": Secret("hunter2!")}, "inbound_secret_previous"),
        ({"webhook_url": "shop.example/hook"}, "webhook_url"),
        ({"api_url": "ftp://shop.example"}, "api_url"),
        ({"starts_at": "read"}, "api_url"),
        ({"shown_every_s": 0.0}, "shown_every_s"),
    ],
)
def test_settings_when_they_cannot_work_then_named_without_showing_a_secret(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named) as caught:
        ShopSettings(**{"webhook_url": "https://shop.example/hook", "webhook_secret": Secret(SECRET), **changes})
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_settings_when_shown_then_stars() -> None:
    settings = settings_for(None, webhook_secret_previous=NEXT_SECRET)
    assert "whsec" not in repr(settings)
    assert len(settings.signing_keys) == 2
