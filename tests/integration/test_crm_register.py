"""`stockwire register` and `stockwire check` as a user runs them, against accounts that are right, bare, or wrong in some way."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from streams.broker import RealBroker
from streams.demo.world import CALL_POINT, SECRETS, Crm, Shop, World, free_port
from tests.installation import ended
from tests.systems.retailcrm.simulated import Crm as Account
from tests.systems.retailcrm.simulated import simulated

pytestmark = [pytest.mark.broker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]
READ, EDIT = "GET /integration-modules/{code}", "POST /integration-modules/{code}/edit"
MODULE = "stockwire-crm"
KEY = {"key": SECRETS["DEMO_CRM"]}
STORE = {"code": "warehouse-store"}
DOCUMENTED = {
    "/api/credentials",
    "/api/v5/settings",
    "/api/v5/reference/sites",
    "/api/v5/reference/stores",
    "/api/v5/store/inventories",
    "/api/v5/store/inventories/upload",
    f"/api/v5/integration-modules/{MODULE}",
    f"/api/v5/integration-modules/{MODULE}/edit",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(empty_broker: RealBroker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("world")
    shops = {"web": Shop(mode="absolute"), "outlet": Shop(mode="incremental")}
    async with World(bootstrap=empty_broker.bootstrap, embedded=False, folder=folder, shops=shops, crms={"crm": Crm()}) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def account() -> AsyncIterator[Account]:
    """A bare account with our store, at an address of its own."""
    async with simulated(api_keys=[KEY], stores=[STORE]) as crm:
        yield crm


def _config(world: World, folder: Path, url: str, *changes: tuple[str, str]) -> Path:
    """The installation's own file, at another account and with some texts replaced."""
    text = world.config.read_text(encoding="utf-8")
    for old, new in ((world.remote("crm").url, url), *changes):
        assert old in text
        text = text.replace(old, new)
    path = folder / "stockwire.toml"
    path.write_text(text, encoding="utf-8")
    return path


async def _register(world: World, config: Path, *options: str) -> tuple[int, str]:
    code, words = await ended(world, "register", *options, config=config)
    assert not [name for name in ("DEMO_CRM", "DEMO_CLIENT") if SECRETS[name] in words], words
    return code, words


async def _posts(account: Account) -> list[dict[str, Any]]:
    """What was written, and that it was written where its code says."""
    log: Any = await account.admin("calls")
    found = [(call["path"], json.loads(call["form"]["integrationModule"])) for call in log["calls"] if call["endpoint"] == EDIT]
    assert [path for path, body in found if path != f"/api/v5/integration-modules/{body['code']}/edit"] == []
    return [body for _, body in found]


async def _asked(account: Account) -> dict[str, Any]:
    answered: Any = await account.admin("call-point", {"module": MODULE, "offers": ["wms-100"]})
    return dict(answered)


@pytest.mark.req("R-04", "R-05", "R-06", "R-07", "R-10", "R-11", "R-12", "R-13", "R-14", "R-24", "R-25")
async def test_register_as_a_user_goes_about_it(world: World, account: Account, tmp_path: Path) -> None:
    config = _config(world, tmp_path, account.url)
    assert await _register(world, config, "--dry-run") == (
        0,
        f"crm: module {MODULE}: would be written {MODULE}: there is no such module",
    )
    assert await _posts(account) == []
    assert "error" in await _asked(account)
    assert await account.admin("callbacks") == []

    assert (await _register(world, config))[1].startswith(f"crm: module {MODULE}: made")
    assert await _register(world, config) == (0, f"crm: module {MODULE}: as configured")
    assert await _register(world, config, "crm", "--dry-run") == (0, f"crm: module {MODULE}: as configured")
    (body,) = await _posts(account)
    wanted = {"code": MODULE, "name": "Stockwire", "clientId": SECRETS["DEMO_CLIENT"]}
    wanted["baseUrl"] = f"http://127.0.0.1:{world.ports['receiver']}/hooks/crm"
    assert {key: body[key] for key in wanted} == wanted
    assert body["integrations"]["store"]["actions"] == [
        {"code": "inventoriesUpload", "url": "/inventories-upload", "callPoints": [CALL_POINT]}
    ]

    renamed = _config(world, tmp_path, account.url, ('name = "Stockwire"', 'name = "Lager Århus"'))
    changed = 'name: "Stockwire" there, "Lager Århus" configured'
    assert await _register(world, renamed, "--dry-run") == (0, f"crm: module {MODULE}: would be written {changed}")
    assert len(await _posts(account)) == 1
    assert await _register(world, renamed) == (0, f"crm: module {MODULE}: changed {changed}")
    assert await _register(world, renamed) == (0, f"crm: module {MODULE}: as configured")
    modules: Any = await account.admin("modules")
    assert {code: module["name"] for code, module in modules.items()} == {MODULE: "Lager Århus"}
    assert len(await _posts(account)) == 2

    (call,) = (await _asked(account))["calls"]
    assert (call["status"], call["error"]) == (200, None)
    assert call["took_ms"] < 1_000


@pytest.mark.req("R-04", "R-05")
async def test_register_when_the_answer_is_lost_then_said_and_the_next_time_nothing_is_written_twice(
    world: World, account: Account, tmp_path: Path
) -> None:
    config = _config(world, tmp_path, account.url)
    await account.admin("faults", {"endpoint": EDIT, "status": 0, "acts": True})
    code, words = await _register(world, config)
    assert code == 1
    assert "not registered: crm" in words
    assert await _register(world, config) == (0, f"crm: module {MODULE}: as configured")
    assert len(await _posts(account)) == 1


@pytest.mark.req("R-02", "R-06")
@pytest.mark.parametrize(
    "fault", [{"status": 503, "body": "html"}, {"status": 429, "retry_after": "1"}, {"body": "truncated"}], ids=["503", "429", "half"]
)
async def test_register_when_the_account_does_not_answer_well_then_words_and_no_post(
    world: World, account: Account, tmp_path: Path, fault: dict[str, Any]
) -> None:
    await account.admin("faults", {"endpoint": READ, **fault})
    code, words = await _register(world, _config(world, tmp_path, account.url))
    assert (code, "not registered: crm" in words, "Traceback" in words) == (1, True, False)
    assert await _posts(account) == []


@pytest.mark.req("R-07", "R-14")
@pytest.mark.parametrize(
    ("change", "named"),
    [
        (('name = "Stockwire"', ""), "connections.crm.module"),
        (('name = "Stockwire"', 'name = " "'), "connections.crm.module"),
        ((f'call_points = ["{CALL_POINT}"]', "call_points = []"), "call_points"),
        (('client_id = {env = "DEMO_CLIENT"}', 'client_id = {env = "NOT_THERE"}'), "NOT_THERE"),
        (("public_url = ", "# public_url = "), "receiver.public_url"),
    ],
    ids=["no name", "blank name", "no call points", "no client id", "no address"],
)
async def test_register_when_something_of_ours_is_missing_then_named_before_any_call(
    world: World, account: Account, tmp_path: Path, change: tuple[str, str], named: str
) -> None:
    code, words = await _register(world, _config(world, tmp_path, account.url, change))
    assert code != 0
    assert named in words
    assert "Traceback" not in words
    log: Any = await account.admin("calls")
    assert log["calls"] == []


async def test_register_at_what_knows_no_registration_then_a_word_about_it(world: World) -> None:
    code, words = await ended(world, "register", "web")
    assert (code, "'web': nothing to register at; known: crm" in words) == (2, True), words


# --- stockwire check ---


@pytest.mark.req("R-02", "R-06", "T-01")
async def test_check_when_all_is_right_then_ok_for_each_connection_and_code_0(world: World) -> None:
    code, words = await ended(world, "check")
    assert (code, [f"{name}: ok" in words for name in ("kafka", "warehouse", "web", "outlet", "crm")]) == (0, [True] * 5), words


@pytest.mark.req("R-02", "R-06", "R-23", "R-25")
async def test_check_when_many_things_are_wrong_at_once_then_each_is_named_with_its_key(world: World, tmp_path: Path) -> None:
    key = {**KEY, "scopes": ["store_read", "reference_read", "integration_read"], "sites": ["other"]}
    sites, stores = [{"code": "main"}, {"code": "other"}], [{"code": "elsewhere"}]
    async with simulated(api_keys=[key], sites=sites, stores=stores, zone="Europe/Moscow") as account:
        code, words = await ended(world, "check", config=_config(world, tmp_path, account.url))
    assert code == 1
    assert "does not fit: crm" in words
    for named in (
        "connections.crm.api_key: the key may not integration_write, store_write",
        "connections.crm.site: the key does not see site 'main'; it sees other",
        "places.warehouse-shelf.stores.crm: the account has no store 'warehouse-store'; known: elsewhere",
        f"connections.crm.module: {MODULE}: there is no such module; run `stockwire register`",
    ):
        assert named in words


@pytest.mark.req("R-02", "R-06", "R-25")
async def test_check_when_the_module_or_store_is_not_as_configured_then_named(world: World, tmp_path: Path) -> None:
    async with simulated(api_keys=[KEY], stores=[{**STORE, "inventory_type": "available"}]) as account:
        config = _config(world, tmp_path, account.url)
        await _register(world, config)
        await account.admin("module", {"module": MODULE, "freeze": True, "tell": False})
        other = _config(world, tmp_path, account.url, (CALL_POINT, "order-card"), ('name = "Stockwire"', 'name = "Other"'))
        code, words = await ended(world, "check", config=other)
        assert code == 1
        for named in (
            "connections.crm.presence_stores: store 'warehouse-store' keeps only whether there is any in the account; name it here",
            'connections.crm.module: name: "Stockwire" there, "Other" configured; run `stockwire register`',
            f'inventoriesUpload.callPoints: ["{CALL_POINT}"] there, ["order-card"] configured',
            f"connections.crm.module: module {MODULE} is frozen by the account",
        ):
            assert named in words
        await account.admin("stores", {**STORE, "active": False})
        _, words = await ended(world, "check", config=config)
        assert "places.warehouse-shelf.stores.crm: store 'warehouse-store' is not active in the account" in words


@pytest.mark.req("R-02")
async def test_check_when_key_account_or_host_is_wrong_then_one_problem_that_says_what_to_look_at(world: World, tmp_path: Path) -> None:
    async with simulated(api_keys=[{"key": "another-key"}], stores=[STORE]) as account:
        config = _config(world, tmp_path, account.url)
        _, no_key = await ended(world, "check", config=config)
        await account.admin("rules", {"account": False})
        _, no_account = await ended(world, "check", config=config)
    _, no_host = await ended(world, "check", config=_config(world, tmp_path, f"http://127.0.0.1:{free_port()}"))
    assert "check api_key" in no_key
    assert "Check account_url" in no_account
    assert "connections.crm" in no_host.split("web: ok")[1]
    for words in (no_key, no_account, no_host):
        assert "does not fit: crm" in words
        assert "Traceback" not in words
        assert SECRETS["DEMO_CRM"] not in words


@pytest.mark.req("R-03", "R-02")
async def test_account_then_sees_documented_paths_only_each_with_the_key(world: World) -> None:
    async with aiohttp.ClientSession() as session, session.get(world.remote("crm").url + "/admin/calls") as answer:
        found = await answer.json()
    assert {call["path"] for call in found["calls"]} >= DOCUMENTED - {"/api/v5/store/inventories/upload"}
    assert {call["path"] for call in found["calls"]} <= DOCUMENTED
    assert {int(status) for count in found["counts"].values() for status in count["statuses"]} == {200, 201, 404}
