"""`stockwire run`: what stops a role before it begins is said in one sentence."""

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli import main


@pytest.mark.parametrize("role", ["receiver", "worker", "sender", "poller"])
def test_run_when_the_port_is_taken_then_says_so_and_ends(tmp_path: Path, role: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config = tmp_path / "stockwire.toml"
        config.write_text(f"[kafka]\nbootstrap = 'localhost:1'\n[{role}]\nhost = '127.0.0.1'\nport = {port}\n", encoding="utf-8")
        done = CliRunner().invoke(main, ["run", role, "--config", str(config)])
    assert done.exit_code == 1
    assert f"error: [{role}] cannot listen at 127.0.0.1:{port} (Address already in use)" in done.stderr
