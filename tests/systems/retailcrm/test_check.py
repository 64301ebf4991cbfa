"""`stockwire check` of an account."""

import re
from typing import Any

import pytest

from models.message import Json
from streams.systems.retailcrm.check import check
from streams.systems.retailcrm.register import register
from streams.systems.spec import Context
from tests.systems.retailcrm.conftest import CLIENT_ID, CONTEXT, MODULE, Client, answering, settings_for
from tests.systems.retailcrm.simulated import KEY, serving, simulated


async def problems(url: str, client: Client, context: Context = CONTEXT, **changes: Json) -> list[str]:
    settings = settings_for(url, **changes)
    return await check(context, settings, client(settings))


@pytest.mark.req("R-03", "R-06")
async def test_check_when_all_is_well_then_nothing_said_and_nothing_written(client: Client) -> None:
    async with simulated() as crm:
        settings = settings_for(crm.url, module=MODULE)
        await register(CONTEXT, settings, client(settings), dry_run=False)
        await crm.admin("calls", method="DELETE")
        assert await check(CONTEXT, settings, client(settings)) == []
        assert [call["endpoint"].partition(" ")[0] for call in (await crm.admin("calls"))["calls"]] == ["GET"] * 6


async def test_check_when_there_is_no_module_then_it_is_not_asked_for(client: Client) -> None:
    async with simulated(api_keys=[{"key": KEY, "scopes": ["reference_read", "store_read", "store_write"]}]) as crm:
        assert await problems(crm.url, client, Context(connection="crm", stores=CONTEXT.stores)) == []


WRONG: list[tuple[dict[str, Any], dict[str, Json], Context, str]] = [
    ({"api_keys": [{"key": KEY, "scopes": ["store_read", "reference_read"]}]}, {}, CONTEXT, "connections.crm.api_key: .*store_write"),
    (
        {"api_keys": [{"key": KEY, "sites": ["b2b"]}], "sites": [{"code": "main"}, {"code": "b2b"}]},
        {},
        CONTEXT,
        "connections.crm.site: .*sees b2b",
    ),
    ({}, {"site": "nowhere"}, CONTEXT, "connections.crm.site: no site 'nowhere'; known: main"),
    ({}, {}, Context(connection="crm", stores={"omsk": "omsk-9"}), "places.omsk.stores.crm: .*no store 'omsk-9'; known: msk-1, "),
    (
        {"stores": [{"code": "msk-1", "active": False}]},
        {},
        Context(connection="crm", stores={"m": "msk-1"}),
        "places.m.stores.crm: .*not active",
    ),
    ({}, {}, Context(connection="crm", stores={"shop": "shown-1"}), "connections.crm.presence_stores: .*only whether.*name it here"),
    ({}, {"presence_stores": ["msk-1"]}, CONTEXT, "connections.crm.presence_stores: .*counts.*take it out"),
    ({}, {"presence_stores": ["else"]}, CONTEXT, "connections.crm.presence_stores: 'else' is the store of no place"),
    ({}, {}, Context(connection="crm", stores={"a": "msk-1", "b": "msk-1"}), "places: store 'msk-1' .*more than one place"),
    ({}, {"module": MODULE}, CONTEXT, "connections.crm.module: .*no such module; run `stockwire register`"),
    ({}, {"module": MODULE}, Context(connection="crm", stores=CONTEXT.stores), "receiver.public_url: missing"),
]


@pytest.mark.req("R-03", "R-06", "R-14", "R-23")
@pytest.mark.parametrize(("options", "changes", "context", "said"), WRONG)
async def test_check_when_something_does_not_fit_then_said_with_its_key(
    client: Client, options: dict[str, Any], changes: dict[str, Json], context: Context, said: str
) -> None:
    async with simulated(**options) as crm:
        found = await problems(crm.url, client, context, **changes)
    assert [problem for problem in found if re.match(said, problem)]


@pytest.mark.req("R-06", "R-25")
async def test_check_when_the_module_was_changed_frozen_or_switched_off_there_then_each_is_said(client: Client) -> None:
    async with simulated() as crm:
        settings = settings_for(crm.url, module=MODULE)
        await register(CONTEXT, settings, client(settings), dry_run=False)
        await crm.admin("module", {"module": "wms-ab12", "active": False, "freeze": True, "tell": False})
        found = await problems(crm.url, client, module={**MODULE, "name": "Another"})
    assert [re.sub(r"connections.crm.module: (\w+).*", r"\1", problem) for problem in found] == ["active", "name", "module"]
    assert "frozen" in found[-1]


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc", None, 7])
async def test_check_when_the_zone_of_the_account_is_unknown_then_said(client: Client, zone: Json) -> None:
    async with simulated() as crm:
        await crm.admin("faults", {"endpoint": "GET /settings", "extra": {"settings": {"timezone": {"value": zone}}}})
        (found,) = await problems(crm.url, client)
    assert found.startswith("connections.crm: the account's time zone ")


async def test_check_when_several_things_are_wrong_then_all_are_said(client: Client) -> None:
    async with simulated(stores=[]) as crm:
        await crm.admin("faults", {"endpoint": "GET /settings", "status": 500})
        found = await problems(crm.url, client, site="nowhere", module=MODULE)
    assert [problem.partition(": ")[0] for problem in found] == [
        "connections.crm.site",
        "places.moscow.stores.crm",
        "places.petersburg.stores.crm",
        "connections.crm",
        "connections.crm",
        "connections.crm.module",
    ]


async def test_check_when_the_key_is_wrong_or_it_is_no_account_then_said_once_without_secrets(client: Client) -> None:
    async with simulated() as crm:
        (wrong_key,) = await problems(crm.url, client, api_key="k-wrong", module=MODULE)
        assert "api_key" in wrong_key
        assert "k-wrong" not in wrong_key
        await crm.admin("rules", {"account": False})
        (no_account,) = await problems(crm.url, client)
        assert "account_url" in no_account
    (nobody,) = await problems("http://127.0.0.1:9", client, module=MODULE)
    assert nobody.startswith("connections.crm: cannot connect")
    assert CLIENT_ID not in nobody


async def test_check_when_an_account_says_nothing_of_scopes_then_it_is_believed(client: Client) -> None:
    async with serving(
        answering('{"success":true,"scopes":[],"sites":{"main":{}},"stores":[],"settings":{"timezone":{"value":"UTC"}}}')
    ) as url:
        (only,) = await problems(url, client, Context(connection="crm"))
    assert "/store/inventories" in only
