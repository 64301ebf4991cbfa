"""Single calls, against the documents and the simulator."""

import pytest

from models.errors import OperatorError, TransientError
from streams.systems.retailcrm.client import CrmClient
from tests.systems.retailcrm.conftest import Client, answering, settings_for
from tests.systems.retailcrm.simulated import KEY, serving, simulated


def client_for(url: str, client: Client) -> CrmClient:
    settings = settings_for(url)
    return CrmClient(settings, client(settings))


@pytest.mark.req("R-02", "R-03")
async def test_calls_then_what_the_simulator_has(client: Client) -> None:
    async with simulated(zone="Asia/Novosibirsk") as crm:
        ours = client_for(crm.url, client)
        assert {"store_read", "store_write"} <= set((await ours.credentials()).scopes)
        assert list(await ours.sites()) == ["main"]
        assert [(store.code, store.inventory_type, store.active) for store in (await ours.stores()).values()] == [
            ("msk-1", "integer", True),
            ("spb-1", "integer", True),
            ("shown-1", "available", True),
        ]
        assert await ours.zone() == "Asia/Novosibirsk"
        assert await ours.module("wms/ab#12") is None


@pytest.mark.parametrize("body", ['{"success":true,"sites":[]}', '{"success":true,"sites":{}}'])
async def test_sites_when_empty_in_either_form_then_none(client: Client, body: str) -> None:
    async with serving(answering(body)) as url:
        assert await client_for(url, client).sites() == {}


async def test_module_when_documented_then_as_it_is(client: Client) -> None:
    body = '{"success":true,"integrationModule":{"code":"wms-ab12","active":true,"freeze":false,"actions":[],"integrations":{"store":[]}}}'
    async with serving(answering(body)) as url:
        assert (await client_for(url, client).module("wms-ab12") or {})["integrations"] == {"store": []}


@pytest.mark.req("R-02")
async def test_calls_when_200_says_no_or_nothing_then_an_error_with_its_exchange(client: Client) -> None:
    async with serving(answering('{"success":false,"errorMsg":"Access denied."}')) as url:
        with pytest.raises(OperatorError, match="scopes") as denied:
            await client_for(url, client).stores()
        assert denied.value.exchange is not None
    async with serving(answering('{"success":true}')) as url:
        with pytest.raises(TransientError):
            await client_for(url, client).stores()


@pytest.mark.req("R-02")
async def test_calls_then_each_has_the_key_as_a_header_and_nowhere_else(client: Client) -> None:
    async with simulated() as crm:
        ours = client_for(crm.url, client)
        await ours.stores()
        await ours.inventories(1)
        for call in (await crm.admin("calls"))["calls"]:
            assert call["status"] == 200
            assert KEY not in f"{call['path']} {call['query']} {call['form']}"
