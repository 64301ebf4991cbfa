"""Secrets: resolved by reference, never shown."""

from pathlib import Path

import pytest

from models.errors import ConfigError
from streams.secret import Secret, resolve


def test_secret_when_shown_then_stars() -> None:
    secret = Secret("hunter2")
    assert [repr(secret), str(secret), f"{secret}"] == ["***"] * 3
    assert secret.reveal() == "hunter2"


def test_resolve_when_env_or_file_then_its_value(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STOCKWIRE_TEST_SECRET", "from env")
    (tmp_path / "secret").write_text("from file\n")
    assert resolve({"env": "STOCKWIRE_TEST_SECRET"}, "connections.wh.api_key") == Secret("from env")
    assert resolve({"file": str(tmp_path / "secret")}, "connections.wh.api_key") == Secret("from file")


@pytest.mark.parametrize(
    "reference",
    ["hunter2", None, {}, {"env": 3}, {"env": "STOCKWIRE_NOT_SET"}, {"env": "A", "file": "B"}, {"file": "/nowhere/at/all"}],
)
def test_resolve_when_wrong_then_names_the_key_and_not_the_value(reference: object) -> None:
    with pytest.raises(ConfigError, match=r"^connections\.wh\.api_key: ") as caught:
        resolve(reference, "connections.wh.api_key")
    assert "hunter2" not in str(caught.value)
