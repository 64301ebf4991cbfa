"""Stock and costs of the simulated CRM, byte by byte as documented."""

from typing import Any

import msgspec
import pytest

from tests.systems.retailcrm.simulated import KEY, MUG, TEA, Crm, simulated

UPLOAD = "/v5/store/inventories/upload"
READ = "/v5/store/inventories"
ENTITY = b'{"success":false,"errorMsg":"Errors in the entity format","errors":%s}'
SITES = [{"code": "main"}, {"code": "second"}]
TWO_SITES = [TEA, {**TEA, "id": 30282, "site": "second"}, MUG]


async def upload(crm: Crm, offers: str, rest: str = "") -> bytes:
    return (await crm.post(UPLOAD, f"offers={offers}{rest}")).body


def done(processed: int, not_found: str = "[]") -> bytes:
    return f'{{"success":true,"processedOffersCount":{processed},"notFoundOffers":{not_found}}}'.encode()


@pytest.mark.req("R-15", "R-16", "R-17", "R-22")
async def test_crm_when_the_documents_example_is_uploaded_then_read_back_as_documented() -> None:
    async with simulated() as crm:
        row = '{"xmlId":"wms-100","stores":[{"code":"msk-1","available":12.50,"purchasePrice":310.0},{"code":"spb-1","available":0}]}'
        body = f'[{row},{{"xmlId":"nope","stores":[{{"code":"msk-1","available":1}}]}}]'
        assert await upload(crm, body, "&site=main") == done(1, '[{"xmlId":"nope"}]')
        got = await crm.get(f"{READ}?filter[offerXmlId][]=wms-100&filter[details]=1&limit=100")
        assert got.body == (
            b'{"success":true,"pagination":{"limit":100,"totalCount":1,"currentPage":1,"totalPageCount":1},"offers":[{"id":20282,'
            b'"externalId":"sku-100","xmlId":"wms-100","site":"main","purchasePrice":310,"quantity":12.5,"stores":['
            b'{"quantity":12.5,"purchasePrice":310,"store":"msk-1"},{"quantity":0,"store":"spb-1"}]}]}'
        )


async def test_crm_when_details_are_not_asked_then_no_stores_newest_first_and_no_unset_cost() -> None:
    async with simulated() as crm:
        assert (await crm.get(READ)).body == (
            b'{"success":true,"pagination":{"limit":20,"totalCount":2,"currentPage":1,"totalPageCount":1},"offers":['
            b'{"id":20283,"externalId":"sku-101","xmlId":"wms-101","site":"main","quantity":0},'
            b'{"id":20282,"externalId":"sku-100","xmlId":"wms-100","site":"main","quantity":0}]}'
        )


@pytest.mark.req("R-17")
async def test_crm_when_cost_or_number_is_absent_or_null_then_kept() -> None:
    async with simulated(offers=[{**TEA, "stock": {"msk-1": 4}, "costs": {"msk-1": "310.25"}}]) as crm:
        await upload(crm, '[{"xmlId":"wms-100","stores":[{"code":"msk-1","available":3}]}]')
        await upload(crm, '[{"xmlId":"wms-100","stores":[{"code":"msk-1","available":2,"purchasePrice":null}]}]')
        await upload(crm, '[{"xmlId":"wms-100","stores":[{"code":"msk-1","available":null}]}]')
        assert (await crm.admin("truth"), await crm.admin("costs")) == ({"wms-100": {"msk-1": 2}}, {"wms-100": {"msk-1": 310.25}})
        await upload(crm, '[{"xmlId":"wms-100","stores":[{"code":"msk-1","purchasePrice":"99.9"}]}]')
        assert (await crm.admin("truth"), await crm.admin("costs")) == ({"wms-100": {"msk-1": 2}}, {"wms-100": {"msk-1": 99.9}})


@pytest.mark.req("R-22")
async def test_crm_when_numbers_leave_the_range_then_clamped_and_presence_is_one_or_nothing() -> None:
    stores = '{"code":"msk-1","available":1000000},{"code":"spb-1","available":-3},{"code":"shown-1","available":40}'
    rows = f'[{{"xmlId":"wms-100","stores":[{stores}]}}]'
    async with simulated(offers=[TEA]) as crm:
        assert await upload(crm, rows) == done(1)
        assert await crm.admin("truth") == {"wms-100": {"msk-1": 999999, "spb-1": 0, "shown-1": 1}}
        await crm.admin("rules", {"negative": "refuse"})
        assert await upload(crm, rows) == ENTITY % b'{"offers[0].stores[1].available":"This value is not valid."}'


@pytest.mark.req("R-20")
async def test_crm_when_a_portion_has_251_offers_then_refused_whole_and_250_taken() -> None:
    def portion(size: int) -> str:
        stores = [{"code": "main-store", "available": 1}]
        return msgspec.json.encode([{"xmlId": f"SKU-{number:05}", "stores": stores} for number in range(1, size + 1)]).decode()

    async with simulated(offers=251, stores=[{"code": "main-store"}]) as crm:
        refused = await upload(crm, portion(251))
        assert refused == ENTITY % b'{"offers":"This collection should contain 250 elements or less."}'
        assert not any((await crm.admin("truth")).values())
        assert await upload(crm, portion(250)) == done(250)
        counts = (await crm.admin("calls?only=counts"))["counts"]["POST /store/inventories/upload"]
        assert counts == {"calls": 2, "offers": 501, "offers_max": 251, "statuses": {"200": 1, "400": 1}}


@pytest.mark.req("R-16")
async def test_crm_when_a_store_is_unknown_then_its_row_is_named_and_nothing_applied() -> None:
    good, bad = '{"id":20283,"stores":[{"code":"msk-1","available":1}]}', '{"xmlId":"wms-100","stores":[{"code":"msk-1"},{"code":"moon"}]}'
    async with simulated() as crm:
        refused = await crm.post(UPLOAD, f"offers=[{good},{bad}]")
        assert (refused.status, refused.body) == (400, ENTITY % b'{"offers[1].stores[1].code":"This value is not valid."}')
        assert await crm.admin("truth") == {"wms-101": {}, "wms-100": {}}
        await crm.admin("rules", {"unknown_store": "ignore"})
        assert await upload(crm, f"[{good},{bad}]") == done(2)


async def test_crm_when_offers_or_stores_repeat_then_the_last_counts() -> None:
    rows = ('{"xmlId":"wms-100","stores":[{"code":"msk-1","available":1},{"code":"msk-1","available":2}]}', '{"id":"20282","stores":[]}')
    again = '{"externalId":"sku-100","stores":[{"code":"msk-1","available":3}]}'
    async with simulated(offers=[TEA]) as crm:
        assert await upload(crm, f"[{','.join(rows)}]") == done(2)
        assert await crm.admin("truth") == {"wms-100": {"msk-1": 2}}
        assert await upload(crm, f"[{rows[0]},{again}]") == done(2)
        assert await crm.admin("truth") == {"wms-100": {"msk-1": 3}}


async def test_crm_when_several_ids_are_given_then_its_own_counts_and_all_are_echoed() -> None:
    async with simulated() as crm:
        assert await upload(crm, '[{"id":20283,"xmlId":"wms-100","stores":[{"code":"msk-1","available":5}]}]') == done(1)
        assert await crm.admin("truth") == {"wms-101": {"msk-1": 5}, "wms-100": {}}
        echoed = await upload(crm, '[{"id":1,"externalId":"sku-100","xmlId":"wms-100","stores":[]}]')
        assert echoed == done(0, '[{"id":1,"externalId":"sku-100","xmlId":"wms-100"}]')
        nameless = await upload(crm, '[{"stores":[{"code":"msk-1","available":5}]}]')
        assert nameless == ENTITY % b'{"offers[0]":"One of id, externalId, xmlId should be given."}'


async def test_crm_when_two_offers_share_an_xml_id_then_both_are_written() -> None:
    async with simulated(offers=[TEA, {**MUG, "xml_id": "wms-100"}]) as crm:
        assert await upload(crm, '[{"xmlId":"wms-100","stores":[{"code":"msk-1","available":0.125}]}]') == done(1)
        stock: list[dict[str, Any]] = await crm.admin("stock")
        assert [offer["stores"] for offer in stock] == [{"msk-1": {"quantity": 0.125, "cost": None}}] * 2


async def test_crm_when_the_key_sees_two_sites_then_writes_name_one_and_reads_tell_both() -> None:
    row = '[{"xmlId":"wms-100","stores":[{"code":"msk-1","available":5}]}]'
    async with simulated(sites=SITES, offers=TWO_SITES) as crm:
        assert await upload(crm, row) == b'{"success":false,"errorMsg":"Parameter \'site\' is missing"}'
        assert (await crm.post(UPLOAD, f"site=moon&offers={row}")).status == 400
        assert await upload(crm, row, "&site=second") == done(1)
        assert await upload(crm, '[{"xmlId":"wms-101","stores":[]}]', "&site=second") == done(0, '[{"xmlId":"wms-101"}]')
        assert await crm.admin("truth?site=second") == {"wms-100": {"msk-1": 5}}
        assert await crm.admin("truth") == {"wms-101": {}, "wms-100": {}}
        both = (await crm.get(f"{READ}?filter[offerXmlId][]=wms-100")).json["offers"]
        assert [(offer["site"], offer["quantity"]) for offer in both] == [("second", 5), ("main", 0)]


async def test_crm_when_the_key_sees_one_site_then_only_that() -> None:
    async with simulated(sites=SITES, offers=TWO_SITES, api_keys=[{"key": KEY, "sites": ["second"]}]) as crm:
        assert await upload(crm, '[{"xmlId":"wms-100","stores":[{"code":"msk-1","available":5}]}]') == done(1)
        assert [offer["id"] for offer in (await crm.get(READ)).json["offers"]] == [30282]
        refused = await crm.get(f"{READ}?filter[sites][]=main")
        assert (refused.status, refused.json["errorMsg"]) == (400, "Errors in the input parameters")
        assert refused.json["errors"] == {"children[sites]": "This value is not valid."}
        credentials = (await crm.get("/credentials")).body
        assert credentials.endswith(b'"credentials":[],"siteAccess":"access_selective","sitesAvailable":["second"]}')


async def test_crm_when_partly_failed_answers_460_by_option_then_the_lists_are_there() -> None:
    async with simulated(rules={"partial_status": 460}) as crm:
        got = await crm.post(UPLOAD, 'offers=[{"xmlId":"nope","stores":[]},{"xmlId":"wms-100","stores":[{"code":"msk-1","available":1}]}]')
        assert (got.status, got.json["success"]) == (460, False)
        assert (got.json["processedOffersCount"], got.json["notFoundOffers"]) == (1, [{"xmlId": "nope"}])
        assert (await crm.admin("truth"))["wms-100"] == {"msk-1": 1}
        assert (await crm.post(UPLOAD, 'offers=[{"xmlId":"wms-100","stores":[]}]')).status == 200


async def test_crm_when_stock_editing_is_off_then_refused() -> None:
    async with simulated(rules={"stock_editing": False}) as crm:
        assert (await crm.post(UPLOAD, 'offers=[{"xmlId":"wms-100","stores":[]}]')).status == 400


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("filter[ids][]=20282", [20282]),
        ("filter[ids][0]=20282&filter[ids][1]=20283", [20283, 20282]),
        ("filter[offerExternalId][]=sku-101", [20283]),
        ("filter[offerExternalId][]=sku-101&filter[ids][]=20282", []),
        ("filter[offerXmlId][]=wms-100&filter[ids][]=20282", [20282]),
        ("filter[offerArticle][]=A-38", [20282]),
        ("filter[productArticle][]=A-38", [20282]),
        ("filter[productExternalId]=p-20283", [20283]),
        ("filter[offerActive]=0", [20284]),
        ("filter[productActive]=1", [20283, 20282]),
        ("filter[sites][]=main&filter[offerActive]=1", [20283, 20282]),
    ],
)
async def test_crm_when_filtered_then_only_those(query: str, ids: list[int]) -> None:
    async with simulated(offers=[TEA, MUG, {"id": 20284, "xml_id": "old", "active": False}]) as crm:
        assert [offer["id"] for offer in (await crm.get(f"{READ}?{query}")).json["offers"]] == ids


@pytest.mark.parametrize("name", ["details", "offerActive", "ids", "sites"])
async def test_crm_when_a_filter_has_a_wrong_value_then_400_by_name(name: str) -> None:
    async with simulated() as crm:
        got = await crm.get(f"{READ}?filter[{name}]=true")
        assert (got.status, got.json["errors"]) == (400, {f"children[{name}]": "This value is not valid."})


async def test_crm_when_somebody_changes_the_account_then_the_next_call_sees_it() -> None:
    async with simulated() as crm:
        assert await crm.admin("offers", {"offers": [{"xml_id": "new", "id": 7}]}) == {"new": 7}
        await crm.admin("edit", {"offer": "new", "store": "spb-1", "quantity": 9, "cost": 2.5})
        await crm.admin("offer", {"offer": "wms-100", "gone": True})
        await crm.admin("offer", {"offer": "wms-101", "rename": "wms-1"})
        await crm.admin("stores", {"code": "new-1"})
        assert await crm.admin("truth") == {"wms-1": {}, "new": {"spb-1": 9}}
        assert await upload(crm, '[{"xmlId":"wms-101","stores":[]},{"xmlId":"wms-100","stores":[]}]') == done(
            0, '[{"xmlId":"wms-101"},{"xmlId":"wms-100"}]'
        )
        assert await upload(crm, '[{"xmlId":"wms-1","stores":[{"code":"new-1","available":1}]}]') == done(1)
        assert await upload(crm, '[{"externalId":"sku-100","stores":[]}]') == done(0, '[{"externalId":"sku-100"}]')
        assert await crm.admin("stores?code=new-1", method="DELETE") == {}
        assert b"offers[0].stores[0].code" in await upload(crm, '[{"xmlId":"wms-1","stores":[{"code":"new-1","available":1}]}]')
        assert "error" in await crm.admin("stores?code=new-1", method="DELETE")
        assert "error" in await crm.admin("edit", {"offer": "nobody", "store": "spb-1"})


async def test_crm_then_remembers_each_call_with_its_form() -> None:
    async with simulated(calls_kept=1) as crm:
        await crm.get(f"{READ}?limit=50")
        await upload(crm, "[]", "&site=main")
        calls = await crm.admin("calls")
        assert [(call["endpoint"], call["status"], call["form"]) for call in calls["calls"]] == [
            ("POST /store/inventories/upload", 200, {"offers": "[]", "site": "main"})
        ]
        assert set(calls["counts"]) == {"GET /store/inventories", "POST /store/inventories/upload"}
        await crm.admin("calls", method="DELETE")
        assert await crm.admin("calls") == {"counts": {}, "calls": []}
