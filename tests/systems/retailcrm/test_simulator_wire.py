"""The simulated CRM's transport: keys, forms, brackets, refusals, paging and the rate."""

import pytest

from tests.systems.retailcrm.simulated import KEY, TEA, simulated

UPLOAD = "/v5/store/inventories/upload"
ONE = 'offers=[{"xmlId":"wms-100","stores":[{"code":"msk-1","available":4}]}]'
INVALID = b'"This value is not valid."'
DONE = b'{"success":true,"processedOffersCount":1,"notFoundOffers":[]}'


@pytest.mark.req("R-02")
@pytest.mark.parametrize(("path", "key"), [("/v5/reference/stores", KEY), (f"/v5/reference/stores?apiKey={KEY}", None)])
async def test_crm_when_the_key_is_in_header_or_query_then_open(path: str, key: str | None) -> None:
    async with simulated() as crm:
        assert (await crm.get(path, key=key)).status == 200


@pytest.mark.req("R-02")
async def test_crm_when_the_key_is_in_the_form_then_open() -> None:
    async with simulated() as crm:
        got = await crm.post(UPLOAD, f"apiKey={KEY}&{ONE}", key=None)
        assert (got.status, got.body) == (200, DONE)


@pytest.mark.req("R-02")
async def test_crm_when_the_key_is_missing_wrong_or_may_not_then_403_in_its_words() -> None:
    async with simulated(api_keys=[{"key": KEY, "scopes": ["store_read"]}]) as crm:
        missing = await crm.get("/v5/store/inventories", key=None)
        assert (missing.status, missing.body) == (403, b'{"success":false,"errorMsg":"\\"apiKey\\" is missing."}')
        wrong = await crm.get("/v5/store/inventories", key="other")
        assert (wrong.status, wrong.body) == (403, b'{"success":false,"errorMsg":"Wrong \\"apiKey\\" value."}')
        denied = await crm.post(UPLOAD, ONE)
        assert (denied.status, denied.body) == (403, b'{"success":false,"errorMsg":"Access denied."}')
        assert await crm.admin("truth") == {"wms-100": {}, "wms-101": {}}


async def test_crm_when_keys_are_changed_then_the_old_one_is_wrong() -> None:
    async with simulated() as crm:
        await crm.admin("keys", {"api_keys": [{"key": "k-new"}]})
        assert (await crm.get("/v5/settings")).status == 403
        assert (await crm.get("/v5/settings", key="k-new")).status == 200


async def test_crm_when_path_or_verb_is_unknown_then_said() -> None:
    async with simulated() as crm:
        unknown = await crm.get("/v5/store/leftovers")
        assert (unknown.status, unknown.body) == (404, b'{"success":false,"errorMsg":"API method not found"}')
        verb = await crm.get(UPLOAD)
        assert (verb.status, verb.body) == (405, b'{"success":false,"errorMsg":"Method Not Allowed"}')


async def test_crm_when_there_is_no_such_account_then_nginx_answers() -> None:
    async with simulated(rules={"account": False}) as crm:
        posted = await crm.post(UPLOAD, ONE)
        assert (posted.status, posted.headers["Content-Type"], posted.body[:6]) == (405, "text/html", b"<html>")
        assert (await crm.get("/v5/settings")).status == 404


@pytest.mark.req("R-02")
async def test_crm_when_the_form_is_multipart_then_the_same() -> None:
    body = (
        b'--cut\r\nContent-Disposition: form-data; name="site"\r\n\r\nmain\r\n'
        b'--cut\r\nContent-Disposition: form-data; name="offers"\r\n\r\n'
        b'[{"xmlId":"wms-100","stores":[{"code":"msk-1","available":"5.5"}]}]\r\n--cut--\r\n'
    )
    async with simulated() as crm:
        got = await crm.post(UPLOAD, body, kind="multipart/form-data; boundary=cut")
        assert (got.status, got.body) == (200, DONE)
        assert await crm.admin("truth") == {"wms-100": {"msk-1": 5.5}, "wms-101": {}}


async def test_crm_when_nested_fields_have_brackets_then_the_same() -> None:
    async with simulated() as crm:
        body = "offers[0][xmlId]=wms-100&offers[0][stores][0][code]=msk-1&offers[0][stores][0][available]=7"
        assert (await crm.post(UPLOAD, body)).body == DONE
        assert await crm.admin("truth") == {"wms-100": {"msk-1": 7}, "wms-101": {}}


@pytest.mark.parametrize(
    ("body", "kind", "answer"),
    [
        ("site=main", "application/x-www-form-urlencoded", b'{"success":false,"errorMsg":"Parameter \'offers\' is missing"}'),
        ('{"offers":[]}', "application/json", b'{"success":false,"errorMsg":"Parameter \'offers\' is missing"}'),
        (
            "offers=[{",
            "application/x-www-form-urlencoded",
            b'{"success":false,"errorMsg":"Errors in the entity format","errors":{"offers":"This value is not valid."}}',
        ),
        (
            'offers=[{"xmlId":"wms-100","stores":[{"code":"msk-1","available":"many"}]}]',
            "application/x-www-form-urlencoded",
            b'{"success":false,"errorMsg":"Errors in the entity format","errors":{"offers[0].stores[0].available":%s}}' % INVALID,
        ),
    ],
)
async def test_crm_when_the_form_is_wrong_then_400_in_its_words(body: str, kind: str, answer: bytes) -> None:
    async with simulated() as crm:
        got = await crm.post(UPLOAD, body, kind=kind)
        assert (got.status, got.body) == (400, answer)


async def test_crm_when_pages_are_asked_then_counted_and_empty_past_the_end() -> None:
    async with simulated(offers=29) as crm:
        first = (await crm.get("/v5/store/inventories?page=2")).json
        assert first["pagination"] == {"limit": 20, "totalCount": 29, "currentPage": 2, "totalPageCount": 2}
        assert [offer["id"] for offer in first["offers"]] == list(range(20_009, 20_000, -1))
        past = await crm.get("/v5/store/inventories?page=3&limit=50")
        assert past.body == b'{"success":true,"pagination":{"limit":50,"totalCount":29,"currentPage":3,"totalPageCount":1},"offers":[]}'
        none = await crm.get("/v5/store/inventories?filter[ids][]=1")
        assert none.json["pagination"] == {"limit": 20, "totalCount": 0, "currentPage": 1, "totalPageCount": 0}


@pytest.mark.parametrize(
    ("query", "name"), [("limit=200", "limit"), ("limit=x", "limit"), ("page=0", "page"), ("page=" + "9" * 5000, "page")]
)
async def test_crm_when_limit_or_page_is_wrong_then_400(query: str, name: str) -> None:
    async with simulated() as crm:
        got = await crm.get(f"/v5/store/inventories?{query}")
        errors = f'"errors":{{"children[{name}]":"This value is not valid."}}'
        assert (got.status, got.body) == (400, f'{{"success":false,"errorMsg":"Errors in the input parameters",{errors}}}'.encode())


@pytest.mark.req("R-02")
@pytest.mark.parametrize(
    ("over", "status", "start"),
    [
        ("503", 503, b'{"success":false,"errorMsg":"Rate limit exceeded"}'),
        ("429", 429, b'{"success":false,"errorMsg":"Rate limit exceeded"}'),
        ("html", 503, b"<html>"),
    ],
)
async def test_crm_when_a_key_calls_too_often_then_it_alone_is_refused(over: str, status: int, start: bytes) -> None:
    keys = [{"key": KEY}, {"key": "k-other"}]
    async with simulated(api_keys=keys, rules={"per_second": 0.001, "burst": 2, "over": over}) as crm:
        assert [(await crm.get("/v5/settings")).status for _ in range(3)] == [200, 200, status]
        assert (await crm.post(UPLOAD, ONE)).body.startswith(start)
        assert (await crm.get("/v5/settings", key="k-other")).status == 200
        assert await crm.admin("truth") == {"wms-100": {}, "wms-101": {}}


async def test_crm_when_told_to_escape_then_ascii_only() -> None:
    async with simulated(offers=[{**TEA, "xml_id": "чай🍵"}], rules={"escaped": True}) as crm:
        got = await crm.get("/v5/store/inventories")
        assert got.body.isascii()
        assert got.json["offers"][0]["xmlId"] == "чай🍵"


async def test_crm_when_a_filter_is_unknown_then_ignored_unless_told_to_refuse() -> None:
    async with simulated() as crm:
        assert (await crm.get("/v5/store/inventories?filter[colour]=red")).status == 200
        await crm.admin("rules", {"unknown_filter": "refuse"})
        refused = await crm.get("/v5/store/inventories?filter[colour]=red")
        assert (refused.status, refused.json["errors"]) == (400, {"children[colour]": "This value is not valid."})
