"""Making ourselves known to a (simulated) account: only what differs is written, and it is read back."""

from typing import Any

import msgspec
import pytest
from aiohttp import web

from models.errors import ConfigError, OperatorError, RefusedError
from models.message import Json
from streams.systems.retailcrm.register import body_of, differences, register
from streams.systems.spec import Context, Registration
from tests.systems.retailcrm.conftest import CLIENT_ID, CONTEXT, MODULE, Client, settings_for
from tests.systems.retailcrm.simulated import KEY, Crm, serving, simulated

READ, EDIT = "GET /integration-modules/{code}", "POST /integration-modules/{code}/edit"


async def registered(crm_url: str, client: Client, context: Context = CONTEXT, *, dry_run: bool = False, **module: Json) -> Registration:
    settings = settings_for(crm_url, module={**MODULE, **module})
    return await register(context, settings, client(settings), dry_run=dry_run)


async def posts(crm: Crm) -> list[dict[str, Any]]:
    """What was written, decoded."""
    calls = [call for call in (await crm.admin("calls"))["calls"] if call["endpoint"] == EDIT]
    return [msgspec.json.decode(call["form"]["integrationModule"]) for call in calls]


@pytest.mark.req("R-04", "R-05", "R-06", "R-07", "R-10", "R-11", "R-13", "R-14")
async def test_register_when_unknown_then_made_by_one_call_and_read_back(client: Client) -> None:
    async with simulated() as crm:
        found = await registered(crm.url, client)
        assert found == Registration(code="wms-ab12", exists=False, differences=("wms-ab12: there is no such module",), written=True)
        calls = (await crm.admin("calls"))["calls"]
        assert [(call["endpoint"], call["path"]) for call in calls] == [
            (READ, "/api/v5/integration-modules/wms-ab12"),
            (EDIT, "/api/v5/integration-modules/wms-ab12/edit"),
            (READ, "/api/v5/integration-modules/wms-ab12"),
        ]
        assert await posts(crm) == [
            {
                "code": "wms-ab12",
                "integrationCode": "wms",
                "active": True,
                "name": "Acme WMS",
                "clientId": CLIENT_ID,
                "baseUrl": "https://wms.example/hooks/crm",
                "logo": "https://wms.example/logo.svg",
                "accountUrl": "https://wms.example/cabinet",
                "actions": {"activity": "/activity"},
                "integrations": {
                    "store": {
                        "actions": [
                            {"code": "inventoriesUpload", "url": "/inventories-upload", "callPoints": ["order-card", "offer-list"]},
                        ]
                    }
                },
            }
        ]


@pytest.mark.req("R-05", "R-06")
async def test_register_when_equal_then_nothing_is_written(client: Client) -> None:
    async with simulated() as crm:
        await registered(crm.url, client)
        again = await registered(crm.url, client)
        assert again == Registration(code="wms-ab12", exists=True, differences=(), written=False)
        assert len(await posts(crm)) == 1
        assert list(await crm.admin("modules")) == ["wms-ab12"]


@pytest.mark.req("R-05", "R-14")
@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"name": "Another"}, 'name: "Acme WMS" there, "Another" configured'),
        ({"logo": "https://a/b.svg"}, 'logo: "https://wms.example/logo.svg" there, "https://a/b.svg" configured'),
        (
            {"call_points": ["order-card"]},
            'integrations.store.actions.inventoriesUpload.callPoints: ["offer-list","order-card"] there, ["order-card"] configured',
        ),
    ],
)
async def test_register_when_a_setting_changed_then_one_more_call(client: Client, change: dict[str, Json], difference: str) -> None:
    async with simulated() as crm:
        await registered(crm.url, client)
        found = await registered(crm.url, client, **change)
        assert (found.exists, found.differences, found.written) == (True, (difference,), True)
        assert len(await posts(crm)) == 2
        assert not (await registered(crm.url, client, **change)).differences


@pytest.mark.req("R-05")
async def test_register_when_our_address_changed_or_it_was_switched_off_then_written(client: Client) -> None:
    async with simulated() as crm:
        await registered(crm.url, client)
        await crm.admin("module", {"module": "wms-ab12", "active": False, "tell": False})
        moved = Context(connection="crm", hooks_url="https://new.example/hooks/crm")
        found = await registered(crm.url, client, moved)
        assert [text.partition(":")[0] for text in found.differences] == ["active", "baseUrl"]
        assert (await crm.admin("modules"))["wms-ab12"]["active"] is True


@pytest.mark.req("R-04", "R-06")
async def test_register_when_dry_then_shown_and_nothing_written(client: Client) -> None:
    async with simulated() as crm:
        found = await registered(crm.url, client, dry_run=True)
        assert (found.exists, found.written, bool(found.differences)) == (False, False, True)
        assert await posts(crm) == []
        assert await crm.admin("modules") == {}


@pytest.mark.req("R-09")
async def test_register_when_no_logo_is_configured_then_its_key_is_absent(client: Client) -> None:
    async with simulated() as crm:
        await registered(crm.url, client, logo="", account_url="")
        (body,) = await posts(crm)
        assert "logo" not in body
        assert "accountUrl" not in body


@pytest.mark.req("R-07")
async def test_register_when_something_of_ours_is_missing_then_refused_before_any_call(client: Client) -> None:
    async with simulated() as crm:
        bare = settings_for(crm.url)
        with pytest.raises(ConfigError) as caught:
            await register(Context(connection="crm"), bare, client(bare), dry_run=False)
        assert [problem.partition(":")[0] for problem in caught.value.problems] == ["connections.crm.module", "receiver.public_url"]
        assert (await crm.admin("calls"))["calls"] == []


async def test_register_when_the_key_may_not_then_the_operator_is_told(client: Client) -> None:
    async with simulated(api_keys=[{"key": KEY, "scopes": ["integration_read"]}]) as crm:
        with pytest.raises(OperatorError, match="scopes"):
            await registered(crm.url, client)


async def test_register_when_the_account_refuses_then_its_words(client: Client) -> None:
    async with simulated() as crm:
        await crm.admin("faults", {"endpoint": EDIT, "status": 400})
        with pytest.raises(RefusedError, match="400"):
            await registered(crm.url, client)


async def test_register_when_it_reads_back_as_something_else_then_said_without_the_client_id(client: Client) -> None:
    async def read(_request: web.Request) -> web.Response:
        return web.Response(
            text='{"success":true,"integrationModule":{"code":"wms-ab12","clientId":"other","actions":[],"integrations":[]}}'
        )

    async def edit(_request: web.Request) -> web.Response:
        return web.Response(status=201, text='{"success":true,"info":[]}')

    app = web.Application()
    app.router.add_get("/api/v5/integration-modules/wms-ab12", read)
    app.router.add_post("/api/v5/integration-modules/wms-ab12/edit", edit)
    async with serving(app) as url:
        with pytest.raises(OperatorError, match="reads back as something else") as caught:
            await registered(url, client)
    assert "clientId: another one is there" in str(caught.value)
    assert CLIENT_ID not in str(caught.value)


# --- the comparison ---

DOCUMENTED = msgspec.json.decode("""
{"code":"wms-ab12","integrationCode":"wms","active":true,"freeze":false,
 "name":"Acme WMS","logo":"https://wms.example/logo.svg","native":false,
 "baseUrl":"https://wms.example/hooks/crm","actions":{"activity":"/activity"},"availableCountries":[],
 "accountUrl":"https://wms.example/cabinet",
 "integrations":{"store":{"actions":[{"code":"inventoriesUpload","url":"/inventories-upload","callPoints":["offer-list","order-card"]}]}}}
""")


def against(there: Json) -> list[str]:
    module = settings_for(module=MODULE).module
    assert module is not None
    return differences(there, body_of(CONTEXT, module))


@pytest.mark.req("R-06", "R-11", "R-12")
@pytest.mark.parametrize(
    "there",
    [
        DOCUMENTED,
        {**DOCUMENTED, "clientId": CLIENT_ID},
        {**DOCUMENTED, "baseUrl": "https://wms.example/hooks/crm/", "actions": {"activity": "activity"}},
        {
            **DOCUMENTED,
            "integrations": {
                "store": {"actions": {"inventoriesUpload": {"url": "inventories-upload", "callPoints": ["order-card", "offer-list"]}}},
                "delivery": {},
            },
        },
    ],
)
def test_differences_when_only_the_spelling_differs_then_none(there: Json) -> None:
    assert against(there) == []


@pytest.mark.req("R-06")
@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({"clientId": "other"}, ["clientId"]),
        ({"active": False}, ["active"]),
        ({"actions": []}, ["actions.activity"]),
        ({"actions": {"activity": "/activity", "settings": "/settings"}}, ["actions.settings"]),
        (
            {"integrations": []},
            ["integrations.store.actions.inventoriesUpload.callPoints", "integrations.store.actions.inventoriesUpload.url"],
        ),
        ({"name": None, "code": "wms"}, ["code", "name"]),
    ],
)
def test_differences_when_something_is_not_as_configured_then_one_per_key_path(change: dict[str, Json], paths: list[str]) -> None:
    found = against({**DOCUMENTED, **change})
    assert [text.partition(": ")[0] for text in found] == paths
    assert CLIENT_ID not in "".join(found)
