"""Registration at the simulated CRM, and its calls to whoever registered."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from aiohttp import web

from tests.systems.retailcrm.simulated import MUG, TEA, Crm, Got, serving, simulated

EDIT = "/v5/integration-modules/wms-ab12/edit"
READ = "/v5/integration-modules/wms-ab12"
CLIENT = "7c1f7a3e-5d0e-4c38-9a53-0f0a1f0d1b11"
MODULE: dict[str, Any] = {
    "code": "wms-ab12",
    "integrationCode": "wms",
    "active": True,
    "name": "Acme WMS",
    "logo": "https://wms.example/logo.svg",
    "clientId": CLIENT,
    "baseUrl": "https://wms.example/retailcrm",
    "accountUrl": "https://wms.example/cabinet",
    "actions": {"activity": "/activity"},
    "integrations": {"store": {"actions": [{"code": "inventoriesUpload", "url": "/inventories-upload", "callPoints": ["p"]}]}},
}
ANSWER = (
    b'{"success":true,"offers":[{"id":20282,"stores":[{"code":"msk-1","available":12.5,"purchasePrice":310.0},'
    b'{"code":"moon","available":1}]},{"xmlId":"wms-101","stores":[{"code":"msk-1","available":-3}]},{"xmlId":"who","stores":[]}]}'
)
Reply = Callable[[dict[str, str]], Awaitable[web.Response]]


async def register(crm: Crm, **changes: Any) -> Got:  # noqa: ANN401  # members of a module
    module = {name: value for name, value in {**MODULE, **changes}.items() if value is not None}
    return await crm.post(EDIT, "integrationModule=" + quote(msgspec.json.encode(module)))


@pytest.mark.req("R-04", "R-05", "R-06", "R-09", "R-10", "R-11", "R-13", "R-14")
async def test_crm_when_a_module_is_registered_twice_then_made_changed_and_read_back_as_documented() -> None:
    async with simulated() as crm:
        assert (await crm.get(READ)).body == b'{"success":false,"errorMsg":"Not found"}'
        made = await register(crm)
        assert (made.status, made.body) == (201, b'{"success":true,"info":[]}')
        assert (await register(crm, name="Other")).status == 200
        assert (await crm.get(READ)).body == (
            b'{"success":true,"integrationModule":{"code":"wms-ab12","integrationCode":"wms","active":true,"freeze":false,'
            b'"name":"Other","logo":"https://wms.example/logo.svg","native":false,"baseUrl":"https://wms.example/retailcrm",'
            b'"actions":{"activity":"/activity"},"availableCountries":[],"accountUrl":"https://wms.example/cabinet","integrations":'
            b'{"store":{"actions":[{"code":"inventoriesUpload","url":"/inventories-upload","callPoints":["p"]}]}}}}'
        )
        modules = await crm.admin("modules")
        assert (list(modules), modules["wms-ab12"]["client_id"]) == (["wms-ab12"], CLIENT)


async def test_crm_when_a_module_is_edited_in_part_then_the_rest_stays_and_lists_are_replaced() -> None:
    async with simulated() as crm:
        await register(crm)
        await crm.post(EDIT, 'integrationModule={"active":"false","freeze":true,"integrations":{"store":{}}}')
        module = (await crm.get(READ)).json["integrationModule"]
        assert (module["active"], module["freeze"], module["name"]) == (False, False, "Acme WMS")
        assert module["integrations"] == MODULE["integrations"]
        await crm.post(EDIT, 'integrationModule={"integrations":{"store":{"actions":[]}},"actions":[]}')
        module = (await crm.get(READ)).json["integrationModule"]
        assert (module["actions"], module["integrations"]) == ([], {"store": {"actions": []}})


async def test_crm_when_a_module_has_no_callbacks_then_it_is_one_all_the_same() -> None:
    async with simulated() as crm:
        assert (await register(crm, integrations={"store": {}}, actions=[], logo=None, accountUrl=None)).status == 201
        module = (await crm.get(READ)).json["integrationModule"]
        assert (module["integrations"], module["actions"], "logo" in module) == ({"store": []}, [], False)


async def test_crm_when_the_module_is_in_brackets_then_the_same() -> None:
    async with simulated() as crm:
        body = "&".join(
            f"integrationModule{name}={value}"
            for name, value in {
                "[code]": "wms-ab12",
                "[name]": "Acme",
                "[baseUrl]": "http://a.example",
                "[clientId]": "c",
                "[active]": "1",
                "[integrations][store][actions][][code]": "inventoriesUpload",
                "[integrations][store][actions][0][url]": "/u",
                "[integrations][store][actions][0][callPoints][]": "p",
            }.items()
        )
        assert (await crm.post(EDIT, body)).body == b'{"success":true,"info":[]}'
        store = (await crm.get(READ)).json["integrationModule"]["integrations"]["store"]
        assert store == {"actions": [{"code": "inventoriesUpload", "url": "/u", "callPoints": ["p"]}]}


@pytest.mark.req("R-07", "R-14")
@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"name": None}, {"name": "This value should not be blank."}),
        ({"clientId": ""}, {"clientId": "This value should not be blank."}),
        ({"baseUrl": None}, {"baseUrl": "This value should not be blank."}),
        ({"code": "wms-other"}, {"code": "This value is not valid."}),
        ({"integrationCode": "other"}, {"code": "Code prefix must match integrationCode"}),
        ({"active": "perhaps"}, {"integrationModule.active": "This value is not valid."}),
        ({"integrations": {"store": {"actions": {"inventoriesUpload": "/u"}}}}, {"integrations.store": "This value is not valid."}),
        (
            {"integrations": {"store": {"actions": [{"code": "inventoriesUpload", "url": "/u"}]}}},
            {"integrations.store.actions[0].callPoints": "This value should not be blank."},
        ),
        (
            {"integrations": {"store": {"actions": [{"code": "inventoriesUpload", "url": "", "callPoints": ["p"]}]}}},
            {"integrations.store.actions[0].url": "This value should not be blank."},
        ),
    ],
)
async def test_crm_when_a_module_is_wrong_then_400_by_name(changes: dict[str, Any], errors: dict[str, str]) -> None:
    async with simulated() as crm:
        got = await register(crm, **changes)
        assert (got.status, got.json) == (400, {"success": False, "errorMsg": "Errors in the entity format", "errors": errors})
        missing = await crm.post(EDIT, "module={}")
        assert (missing.status, missing.body) == (400, b'{"success":false,"errorMsg":"Parameter \'integrationModule\' is missing"}')


class Wms:
    """A receiver that remembers what it was sent."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, bytes]] = []
        self.body = ANSWER
        self.status = 200

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((request.path, request.content_type, await request.read()))
        return web.Response(body=self.body, status=self.status, content_type="application/json")


@asynccontextmanager
async def both(**options: Any) -> AsyncIterator[tuple[Crm, Wms]]:  # noqa: ANN401
    wms, app = Wms(), web.Application()
    app.router.add_route("*", "/{path:.*}", wms.take)
    async with serving(app) as url, simulated(**options) as crm:
        assert (await register(crm, baseUrl=f"{url}/retailcrm/")).status == 201
        yield crm, wms


@pytest.mark.req("R-08", "R-12", "R-24", "R-25")
async def test_crm_when_a_call_point_is_reached_then_asks_as_documented_and_writes_the_answer() -> None:
    async with both() as (crm, wms):
        (record,) = (await crm.admin("call-point", {"offers": ["wms-100", "wms-101", "who"]}))["calls"]
        asked = (
            '{"offers":[{"id":20282,"externalId":"sku-100","xmlId":"wms-100","site":"main"},'
            '{"id":20283,"externalId":"sku-101","xmlId":"wms-101","site":"main"},{"xmlId":"who"}]}'
        )
        ((path, kind, body),) = wms.got
        assert (path, kind) == ("/retailcrm/inventories-upload", "application/x-www-form-urlencoded")
        assert body == f"clientId={CLIENT}&inventories={quote(asked, safe='')}".replace("%20", "+").encode()
        assert (record["status"], record["error"], record["applied"]) == (200, None, [2, [{"xmlId": "who"}]])
        assert await crm.admin("truth") == {"wms-101": {"msk-1": 0}, "wms-100": {"msk-1": 12.5}}
        assert await crm.admin("costs") == {"wms-101": {}, "wms-100": {"msk-1": 310}}
        assert await crm.admin("callbacks") == [record]


@pytest.mark.parametrize(
    ("point", "form"),
    [
        ({}, b"clientId=%s&inventories=%%7B%%7D" % CLIENT.encode()),
        ({"offers": []}, b"clientId=%s&inventories=%%7B%%22offers%%22%%3A%%5B%%5D%%7D" % CLIENT.encode()),
        (
            {"offers": [], "callback": {"field": "inventoriesUpload", "client_id": "x"}},
            b"clientId=x&inventoriesUpload=%7B%22offers%22%3A%5B%5D%7D",
        ),
        ({"offers": [{"xmlId": "a"}], "callback": {"bare": True, "client_id": ""}}, b"inventories=%5B%7B%22xmlId%22%3A%22a%22%7D%5D"),
    ],
)
async def test_crm_when_told_to_ask_otherwise_then_the_form_differs(point: dict[str, Any], form: bytes) -> None:
    async with both() as (crm, wms):
        await crm.admin("call-point", point)
        assert [body for _, _, body in wms.got] == [form]


@pytest.mark.req("R-26")
async def test_crm_when_asked_at_once_or_again_then_so_many_calls() -> None:
    async with both(rules={"callback": {"repeat": 1}}) as (crm, wms):
        calls = (await crm.admin("call-point", {"offers": ["wms-100"], "at_once": 3}))["calls"]
        assert (len(calls), len(wms.got)) == (6, 6)


async def test_crm_when_answers_are_held_then_they_are_old_when_they_count() -> None:
    async with both() as (crm, _):
        (held,) = (await crm.admin("call-point", {"offers": ["wms-100"], "callback": {"hold": True}}))["calls"]
        assert (held["held"], held["applied"]) == (True, None)
        await crm.admin("edit", {"offer": "wms-100", "store": "msk-1", "quantity": 3})
        ((applied,),) = (await crm.admin("callbacks/apply", {})).values()
        assert (applied["held"], applied["applied"][0]) == (False, 2)
        assert (await crm.admin("truth"))["wms-100"] == {"msk-1": 12.5}


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, ANSWER, "status 500"),
        (200, b"<html>", "not an answer"),
        (200, b'{"success":false,"errorMsg":"WMS database is offline"}', "refused: WMS database is offline"),
        (200, b'{"success":true,"offers":[{"id":20282,"stores":[{"code":"msk-1","available":"NaN"}]}]}', "Errors in the entity format"),
        (200, b'{"success":true,"offers":[%s]}' % b",".join([b'{"id":20282}'] * 251), "Errors in the entity format"),
    ],
)
async def test_crm_when_the_answer_is_a_failure_then_shown_and_nothing_written(status: int, body: bytes, error: str) -> None:
    async with both() as (crm, wms):
        wms.status, wms.body = status, body
        (record,) = (await crm.admin("call-point", {"offers": ["wms-100"]}))["calls"]
        assert record["error"].startswith(error)
        assert (record["applied"], len(wms.got)) == (None, 1)
        assert await crm.admin("truth") == {"wms-101": {}, "wms-100": {}}


async def test_crm_when_nobody_listens_then_shown_without_a_second_try() -> None:
    async with simulated() as crm:
        await register(crm, baseUrl="http://127.0.0.1:1")
        (record,) = (await crm.admin("call-point", {"offers": []}))["calls"]
        assert (record["status"], record["error"][:14]) == (0, "ClientConnecto")


@pytest.mark.req("R-25")
async def test_crm_when_not_registered_off_or_frozen_then_never_called_and_each_change_told() -> None:
    async with both() as (crm, wms):
        told = (await crm.admin("module", {"module": "wms-ab12", "freeze": True}))["call"]
        assert told["form"] == {
            "clientId": CLIENT,
            "activity": '{"active":true,"freeze":true}',
            "systemUrl": "https://acme.retailcrm.ru",
        }
        assert wms.got[0][0] == "/retailcrm/activity"
        assert "error" in await crm.admin("call-point", {})
        await crm.admin("module", {"module": "wms-ab12", "freeze": False, "active": False, "tell": False})
        assert "error" in await crm.admin("call-point", {})
        await crm.admin("module", {"module": "wms-ab12", "active": True})
        assert "error" in await crm.admin("call-point", {"action": "reserve"})
        assert "error" in await crm.admin("call-point", {"offers": [{"id": 1}] * 251})
        assert [path for path, _, _ in wms.got] == ["/retailcrm/activity"] * 2
        assert "error" in await crm.admin("call-point", {"module": "other"})


async def test_crm_when_an_answer_names_offers_of_one_site_then_only_those_are_written() -> None:
    second = {**TEA, "id": 30282, "site": "second"}
    async with both(sites=[{"code": "main"}, {"code": "second"}], offers=[TEA, MUG, second]) as (crm, wms):
        wms.body = b'{"success":true,"offers":[{"xmlId":"wms-100","stores":[{"code":"msk-1","available":4}]}]}'
        await crm.admin("call-point", {"offers": ["wms-100"], "site": "second"})
        assert (await crm.admin("truth?site=second"), (await crm.admin("truth"))["wms-100"]) == ({"wms-100": {"msk-1": 4}}, {})
