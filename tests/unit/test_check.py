"""`stockwire check` says why Kafka does not answer."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli import check, main

NOBODY = "127.0.0.1:9"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("", f"{NOBODY} does not answer ({NOBODY}/bootstrap: Connect to ipv4#{NOBODY} failed: Connection refused"),
        ('[kafka.tls]\nca_file = "nowhere.pem"', "[kafka] cannot be used: Failed to create admin client: ssl.ca.location failed"),
    ],
)
def test_check_when_kafka_cannot_be_reached_then_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, more: str, words: str) -> None:
    monkeypatch.setattr(check, "ASK_WITHIN_S", 1.0)
    config = tmp_path / "stockwire.toml"
    config.write_text(f'[kafka]\nbootstrap = "{NOBODY}"\n{more}\n', encoding="utf-8")
    done = CliRunner().invoke(main, ["check", "--config", str(config)])
    assert (done.exit_code, f"kafka: {words}" in done.output) == (1, True), done.output
