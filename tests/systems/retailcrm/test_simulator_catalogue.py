"""What else the simulated CRM tells: warehouses, sites, settings, credentials, groups, products, properties, and sale prices."""

from typing import Any

import pytest

from tests.systems.retailcrm.simulated import KEY, MUG, TEA, simulated

GOODS: list[dict[str, Any]] = [
    {**TEA, "group": "fruit", "properties": {"weight": "33"}, "stock": {"msk-1": 12.5}},
    {**MUG, "product": "38"},
]
GROUPS = [{"external_id": "fruit", "name": "Fruit"}, {"external_id": "apples", "name": "Apples", "parent": "fruit"}]


async def test_crm_then_stores_are_a_list_and_sites_a_map() -> None:
    async with simulated(stores=[{"code": "msk-1", "name": "Moscow", "active": False}]) as crm:
        stores = await crm.get("/v5/reference/stores")
        assert stores.body == (
            b'{"success":true,"stores":[{"code":"msk-1","name":"Moscow","type":"store-type-warehouse","inventoryType":"integer","active":false}]}'
        )
        site = b'"main":{"name":"Main","code":"main","defaultForCrm":true,"catalogId":1,"currency":"RUB","isCatalogMainSite":true}'
        assert (await crm.get("/v5/reference/sites")).body == b'{"success":true,"sites":{%s}}' % site


async def test_crm_when_a_store_is_edited_then_made_or_changed() -> None:
    async with simulated(stores=[]) as crm:
        edit = "/v5/reference/stores/spb-1/edit"
        assert (await crm.post(edit, 'store={"name":"Petersburg","inventoryType":"available"}')).status == 201
        assert (await crm.post(edit, 'store={"active":"false"}')).status == 200
        (store,) = (await crm.get("/v5/reference/stores")).json["stores"]
        assert (store["name"], store["inventoryType"], store["active"]) == ("Petersburg", "available", False)
        assert (await crm.post(edit, 'store={"type":"moon"}')).status == 400


async def test_crm_then_settings_tell_the_zone_and_credentials_the_scopes() -> None:
    async with simulated(zone="Asia/Novosibirsk", api_keys=[{"key": KEY, "scopes": ["store_read", "store_write"]}]) as crm:
        assert (await crm.get("/v5/settings")).json["settings"]["timezone"]["value"] == "Asia/Novosibirsk"
        credentials = await crm.get("/credentials")
        assert credentials.body == b'{"success":true,"scopes":["store_read","store_write"],"credentials":[],"siteAccess":"access_full"}'


@pytest.mark.req("R-27")
async def test_crm_then_groups_are_under_a_singular_key_and_roots_have_no_parent() -> None:
    async with simulated(groups=GROUPS) as crm:
        got = await crm.get("/v5/store/product-groups")
        assert got.body == (
            b'{"success":true,"pagination":{"limit":20,"totalCount":2,"currentPage":1,"totalPageCount":1},"productGroup":['
            b'{"site":"main","id":3001,"name":"Fruit","externalId":"fruit","active":true},'
            b'{"parentId":3001,"site":"main","id":3002,"name":"Apples","externalId":"apples","active":true}]}'
        )
        assert [group["id"] for group in (await crm.get("/v5/store/product-groups?filter[parentGroupId]=3001")).json["productGroup"]] == [
            3002
        ]


@pytest.mark.req("R-28")
async def test_crm_then_products_hold_their_offers() -> None:
    async with simulated(groups=GROUPS, offers=GOODS) as crm:
        tea, mug = (await crm.get("/v5/store/products")).json["products"]
        assert tea["groups"] == [{"id": 3001, "externalId": "fruit"}]
        (offer,) = tea["offers"]
        assert (offer["id"], offer["externalId"], offer["xmlId"], offer["properties"]) == (20282, "sku-100", "wms-100", {"weight": "33"})
        assert (offer["price"], offer["prices"][0]["priceType"], offer["quantity"], tea["quantity"]) == (624, "base", 12.5, 12.5)
        assert (mug["externalId"], mug["offers"][0]["properties"], "price" in mug["offers"][0]) == ("38", [], False)


@pytest.mark.req("R-28")
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("filter[offerXmlId]=wms-101", ["Mug"]),
        ("filter[offerExternalId]=sku-100", ["Tea, 33 g"]),
        ("filter[offerIds][]=20283", ["Mug"]),
        ("filter[externalId]=38", ["Mug"]),
        ("filter[groupExternalId]=fruit", ["Tea, 33 g"]),
        ("filter[name]=tea", ["Tea, 33 g"]),
        ("filter[active]=0", []),
        ("filter[sinceId]=800001", ["Mug"]),
        ("filter[ids][]=800001", ["Tea, 33 g"]),
        ("filter[sinceUpdatedAt]=2020-01-01%2000:00:00", ["Tea, 33 g", "Mug"]),
        ("filter[sinceUpdatedAt]=2120-01-01%2000:00:00", []),
    ],
)
async def test_crm_when_products_are_filtered_then_only_those(query: str, names: list[str]) -> None:
    async with simulated(groups=GROUPS, offers=GOODS) as crm:
        assert [product["name"] for product in (await crm.get(f"/v5/store/products?{query}")).json["products"]] == names


async def test_crm_when_a_moment_is_none_then_400() -> None:
    async with simulated() as crm:
        got = await crm.get("/v5/store/products?filter[sinceUpdatedAt]=yesterday")
        assert (got.status, got.json["errors"]) == (400, {"children[sinceUpdatedAt]": "This value is not valid."})


@pytest.mark.req("R-29")
async def test_crm_then_properties_are_paged_and_filtered() -> None:
    async with simulated(properties=[{"code": "weight", "name": "Weight", "numeric": True}, {"code": "ean", "name": "EAN"}]) as crm:
        got = await crm.get("/v5/store/products/properties?filter[code]=weight")
        assert got.body == (
            b'{"success":true,"pagination":{"limit":20,"totalCount":1,"currentPage":1,"totalPageCount":1},"properties":[{"sites":["main"],'
            b'"groups":[],"code":"weight","name":"Weight","isNumeric":true,"visible":true,"variative":false}]}'
        )
        assert (await crm.get("/v5/store/products/properties")).json["pagination"]["totalCount"] == 2


async def test_crm_when_prices_are_uploaded_then_set_removed_and_unknown_ids_echoed_as_text() -> None:
    upload = "/v5/store/prices/upload"
    async with simulated() as crm:
        rows = '[{"xmlId":"wms-101","site":"main","prices":[{"code":"base","price":"9.90"}]},{"id":5,"prices":[]}]'
        got = await crm.post(upload, f"prices={rows}")
        assert got.body == b'{"success":true,"processedOffersCount":1,"notFoundOffers":[{"id":"5"}]}'
        assert (await crm.get("/v5/store/products?filter[offerXmlId]=wms-101")).json["products"][0]["minPrice"] == 9.9
        await crm.post(upload, 'prices=[{"xmlId":"wms-101","prices":[{"code":"base","remove":true}]}]')
        assert "minPrice" not in (await crm.get("/v5/store/products?filter[offerXmlId]=wms-101")).json["products"][0]
        wrong = await crm.post(upload, 'prices=[{"xmlId":"wms-101","prices":[{"code":"gold","price":1}]}]')
        assert (wrong.status, wrong.json["errors"]) == (400, {"prices[0].prices[0].code": "This value is not valid."})
