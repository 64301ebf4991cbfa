"""No secret in what people are shown."""

import msgspec
import pytest

from streams.http import Redactor
from streams.secret import Secret


class Inner(msgspec.Struct, frozen=True):
    token: Secret


class Settings(msgspec.Struct, frozen=True):
    url: str
    key: Secret
    more: tuple[Inner, ...]
    named: dict[str, Secret]


def test_redactor_when_secret_in_text_then_stars() -> None:
    redactor = Redactor("s3cret/+", 'quo"te')
    assert redactor.text("/hooks/s3cret/+?t=s3cret%2F%2B") == "/hooks/***?t=***"
    assert redactor.text('{"t":"quo\\"te"}') == '{"t":"***"}'


def test_redactor_of_settings_then_all_their_secrets() -> None:
    redactor = Redactor.of(Settings("http://a", Secret("one"), (Inner(Secret("two")),), {"x": Secret("three")}))
    assert redactor.text("one two three http://a") == "*** *** *** http://a"


def test_redactor_when_one_secret_holds_another_then_the_longer_goes_first() -> None:
    redactor = Redactor("key")
    redactor.add("key-longer")
    assert redactor.text("key-longer key") == "*** ***"


@pytest.mark.parametrize("shift", range(9))
def test_body_when_secret_lies_across_the_cut_then_no_part_of_it_stays(shift: int) -> None:
    shown = Redactor("topsecret").body(b"x" * (1_999 - shift) + b"topsecret" + b"y" * 5_000)
    assert "t" not in shown
    assert len(shown) == 2_000 or shown.endswith("*")


def test_body_when_not_utf8_then_still_shown() -> None:
    assert Redactor().body(b"\xff\x00ok").endswith("ok")
