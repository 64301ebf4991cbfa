"""`stockwire register`, as a person uses it."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from streams.cli import main
from tests.systems.retailcrm.conftest import CLIENT_ID
from tests.systems.retailcrm.simulated import KEY, Crm, simulated

CONFIG = """
[kafka]
bootstrap = "127.0.0.1:9"
[receiver]
public_url = "https://wms.example"
[connections.crm]
system = "retailcrm"
account_url = "{url}"
api_key = {{env = "CRM_TEST_KEY"}}
site = "main"
[connections.crm.module]
name = "{name}"
code = "wms-ab12"
client_id = {{env = "CRM_TEST_CLIENT_ID"}}
call_points = ["order-card"]
"""


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_TEST_KEY", KEY)
    monkeypatch.setenv("CRM_TEST_CLIENT_ID", CLIENT_ID)


async def register(folder: Path, crm: Crm, *arguments: str, name: str = "Acme") -> Result:
    config = folder / "stockwire.toml"
    config.write_text(CONFIG.format(url=crm.url, name=name))
    result: Result = await asyncio.to_thread(CliRunner().invoke, main, ["register", "--config", str(config), *arguments])
    assert CLIENT_ID not in result.output
    assert KEY not in result.output
    return result


@pytest.mark.req("R-04", "R-05", "R-06", "R-10", "R-12")
async def test_register_when_run_three_times_then_made_left_alone_and_changed(tmp_path: Path) -> None:
    async with simulated() as crm:
        dry = await register(tmp_path, crm, "--dry-run")
        assert (dry.exit_code, dry.stdout) == (0, "crm: module wms-ab12: would be written\n  wms-ab12: there is no such module\n")
        assert await crm.admin("modules") == {}
        assert (await register(tmp_path, crm)).stdout.startswith("crm: module wms-ab12: made\n")
        assert (await register(tmp_path, crm, "crm")).stdout == "crm: module wms-ab12: as configured\n"
        changed = await register(tmp_path, crm, name="Another")
        assert changed.stdout == 'crm: module wms-ab12: changed\n  name: "Acme" there, "Another" configured\n'
        assert (await crm.admin("calls"))["counts"]["POST /integration-modules/{code}/edit"]["calls"] == 2
        assert (await crm.admin("modules"))["wms-ab12"]["base_url"] == "https://wms.example/hooks/crm"


async def test_register_when_json_then_one_object_per_connection(tmp_path: Path) -> None:
    async with simulated() as crm:
        told = msgspec.json.decode((await register(tmp_path, crm, "--json")).stdout)
        registration = {"code": "wms-ab12", "exists": False, "differences": ["wms-ab12: there is no such module"], "written": True}
        assert told == {"connection": "crm", "registration": registration}


async def test_register_when_refused_or_unknown_then_said_with_its_exit_code(tmp_path: Path) -> None:
    async with simulated(api_keys=[{"key": "another"}]) as crm:
        refused = await register(tmp_path, crm)
        assert (refused.exit_code, "check api_key" in refused.stdout) == (1, True)
        unknown = await register(tmp_path, crm, "web")
        assert (unknown.exit_code, "known: crm" in unknown.output) == (2, True)
