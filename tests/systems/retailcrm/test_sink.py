"""Telling a (simulated) account its stock, many offers in one call."""

from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from agents.ports import Judged
from models.codec import encode
from models.errors import OperatorError, OutcomeUnknownError, PoisonError, RefusedError, StockwireError, TransientError
from models.level import Level
from streams.systems.retailcrm.sink import CrmSink
from streams.systems.spec import Context
from tests.systems.retailcrm.conftest import CONTEXT, Client, answering, level, settings_for
from tests.systems.retailcrm.simulated import KEY, MUG, TEA, Crm, serving, simulated

UPLOAD = "POST /store/inventories/upload"


def sink_for(url: str, client: Client, context: Context = CONTEXT, **changes: Any) -> CrmSink:  # noqa: ANN401  # any setting
    settings = settings_for(url, **changes)
    return CrmSink(context, settings, client(settings))


async def told(sink: CrmSink, *levels: Level) -> Judged:
    return await sink.send([sink.row_for(one) for one in levels])


async def uploads(crm: Crm) -> list[dict[str, Any]]:
    return [call for call in (await crm.admin("calls"))["calls"] if call["endpoint"] == UPLOAD]


# --- the rows ---


def body_of(said: Level, client: Client, context: Context = CONTEXT, **changes: Any) -> str:  # noqa: ANN401  # any setting
    return sink_for("http://127.0.0.1:9", client, context, **changes).row_for(said).body.decode()


@pytest.mark.req("R-16", "R-17", "R-22", "R-23")
def test_row_then_every_store_of_ours_with_zero_and_only_known_costs(client: Client) -> None:
    said = level(moscow="12.5", petersburg="0", costs={"moscow": "310.00"})
    assert body_of(said, client) == (
        '{"xmlId":"wms-100","stores":[{"code":"msk-1","available":12.5,"purchasePrice":310.00},{"code":"spb-1","available":0}]}'
    )


@pytest.mark.req("R-16")
def test_row_when_our_sku_is_the_shops_id_then_under_that_name(client: Client) -> None:
    assert body_of(level("sku#1/Ж", moscow="1"), client, offer_key="externalId").startswith('{"externalId":"sku#1/Ж",')


@pytest.mark.req("R-17", "R-22", "X-12")
@pytest.mark.parametrize(
    ("part", "wire"),
    [
        ("0.125", "0.125"),
        ("100.50", "100.50"),
        ("1.0009", "1.000"),
        ("0.0009", "0.000"),
        ("-3", "0"),
        ("1E+3", "1000"),
        ("1000000", "999999"),
    ],
)
def test_row_then_exact_floored_and_within_what_a_store_takes(client: Client, part: str, wire: str) -> None:
    one = Context(connection="crm", stores={"moscow": "msk-1"})
    said = Level(connection="crm", sku="A", sequence=1, level=Decimal(part), parts={"moscow": Decimal(part)})
    assert body_of(said, client, one) == f'{{"xmlId":"A","stores":[{{"code":"msk-1","available":{wire}}}]}}'


@pytest.mark.req("R-16")
@pytest.mark.parametrize(("part", "wire"), [("40", "1"), ("0.001", "1"), ("0", "0"), ("-1", "0")])
def test_row_when_a_store_keeps_only_presence_then_one_or_zero(client: Client, part: str, wire: str) -> None:
    assert f'"code":"msk-1","available":{wire}}}' in body_of(level(moscow=part, petersburg="7"), client, presence_stores=["msk-1"])


def test_row_when_the_level_has_no_parts_then_the_only_store_gets_it_and_two_are_poison(client: Client) -> None:
    said = Level(connection="crm", sku="A", sequence=1, level=Decimal(4))
    assert '"available":4' in body_of(said, client, Context(connection="crm", stores={"moscow": "msk-1"}))
    with pytest.raises(PoisonError):
        body_of(said, client)


def test_row_when_a_place_is_not_in_the_level_then_its_store_keeps_its_number(client: Client) -> None:
    assert body_of(level(moscow="4"), client) == '{"xmlId":"wms-100","stores":[{"code":"msk-1","available":4}]}'


# --- the call ---


@pytest.mark.req("R-01", "R-02", "R-16", "R-17", "R-22", "R-23")
async def test_send_then_the_account_shows_it_per_store_with_costs(client: Client) -> None:
    tea = {**TEA, "stock": {"msk-1": 4, "spb-1": 4}, "costs": {"spb-1": "300"}}
    async with simulated(offers=[tea, MUG]) as crm:
        sink = sink_for(crm.url, client)
        judged = await told(sink, level(moscow="12.5", petersburg="0", costs={"moscow": "310.10"}), level("wms-101", moscow="3"))
        assert (judged.missing, judged.refused, judged.again) == (frozenset(), {}, frozenset())
        truth = await crm.admin("truth")
        assert (truth["wms-100"]["msk-1"], truth["wms-100"]["spb-1"], truth["wms-101"]["msk-1"]) == (12.5, 0, 3)
        assert (await crm.admin("costs"))["wms-100"] == {"msk-1": 310.1, "spb-1": 300}


@pytest.mark.req("R-02", "R-03", "R-16")
async def test_send_then_the_documented_form_with_key_site_and_json(client: Client) -> None:
    seen: list[tuple[str, str, str, dict[str, list[str]]]] = []

    async def upload(request: web.Request) -> web.Response:
        kind, key = request.headers["Content-Type"], request.headers["X-API-KEY"]
        seen.append((request.path_qs, kind, key, parse_qs((await request.read()).decode(), strict_parsing=True)))
        return web.Response(text='{"success":true,"processedOffersCount":1,"notFoundOffers":[{"xmlId":"nope"}]}')

    app = web.Application()
    app.router.add_post("/api/v5/store/inventories/upload", upload)
    async with serving(app) as url:
        judged = await told(sink_for(url + "/", client), level(moscow="12.5", petersburg="0"), level("nope", moscow="1"))
    offers = (
        '[{"xmlId":"wms-100","stores":[{"code":"msk-1","available":12.5},{"code":"spb-1","available":0}]},'
        '{"xmlId":"nope","stores":[{"code":"msk-1","available":1}]}]'
    )
    form = {"site": ["main"], "offers": [offers]}
    assert seen == [("/api/v5/store/inventories/upload", "application/x-www-form-urlencoded", KEY, form)]
    assert judged.missing == {1}
    assert KEY not in encode(judged.exchange).decode()


@pytest.mark.req("R-20")
async def test_send_when_a_portion_is_full_then_taken_and_one_more_is_refused(client: Client) -> None:
    async with simulated(offers=251) as crm:
        sink = sink_for(crm.url, client)
        levels = [level(sku, moscow="1") for sku in await crm.admin("truth")]
        assert len(levels) == sink.rows_max + 1 == 251
        await told(sink, *levels[: sink.rows_max])
        assert (await crm.admin("calls"))["counts"][UPLOAD]["offers_max"] == 250
        with pytest.raises(RefusedError):
            await told(sink, *levels)


@pytest.mark.req("X-07")
async def test_send_when_repeated_then_nothing_changes(client: Client) -> None:
    async with simulated() as crm:
        sink = sink_for(crm.url, client)
        await told(sink, level(moscow="2.5"))
        truth = await crm.admin("truth")
        await told(sink, level(moscow="2.5"))
        assert await crm.admin("truth") == truth


# --- what is wrong with rows ---


@pytest.mark.req("R-30")
@pytest.mark.parametrize("status", [200, 460])
async def test_send_when_an_offer_is_unknown_then_it_is_missing_and_the_others_are_taken(client: Client, status: int) -> None:
    async with simulated(rules={"partial_status": status}) as crm:
        judged = await told(sink_for(crm.url, client), level(moscow="1"), level("nope", moscow="1"), level("wms-101", moscow="2"))
        assert (set(judged.missing), judged.refused, set(judged.again)) == ({1}, {}, set())
        assert {sku: stores["msk-1"] for sku, stores in (await crm.admin("truth")).items()} == {"wms-100": 1, "wms-101": 2}


@pytest.mark.req("R-30")
async def test_send_when_the_offer_is_on_another_site_then_missing(client: Client) -> None:
    async with simulated(sites=[{"code": "main"}, {"code": "b2b"}], offers=[TEA, {**MUG, "site": "b2b"}]) as crm:
        judged = await told(sink_for(crm.url, client), level(moscow="1"), level("wms-101", moscow="1"))
        assert judged.missing == {1}


@pytest.mark.parametrize(
    "body",
    [
        '{"success":true}',
        '{"success":true,"processedOffersCount":2,"notFoundOffers":null}',
        '{"success":true,"processedOffersCount":2,"notFoundOffers":[]}',
        '{"success":true,"processedOffersCount":2,"notFoundOffers":{},"more":{"is":["ignored"]}}',
    ],
)
async def test_send_when_nothing_is_said_to_be_missing_then_nothing_is(client: Client, body: str) -> None:
    async with serving(answering(body)) as url:
        judged = await told(sink_for(url, client), level(moscow="1"), level("wms-101", moscow="1"))
        assert (judged.missing, judged.refused, judged.again) == (frozenset(), {}, frozenset())


@pytest.mark.parametrize(
    "missing", ['[{"id":"7","xmlId":"100"}]', '[{"xmlId":100}]', '{"1":{"xmlId":"100"}}', '[{"xmlId":"100"},{"xmlId":"100"}]']
)
async def test_send_when_ids_come_as_numbers_texts_or_by_number_then_matched(client: Client, missing: str) -> None:
    async with serving(answering(f'{{"success":true,"processedOffersCount":0,"notFoundOffers":{missing}}}')) as url:
        judged = await told(sink_for(url, client), level(moscow="1"), level("100", moscow="1"))
        assert judged.missing == {1}


async def test_send_when_the_missing_one_has_another_name_then_split_until_it_is_alone(client: Client) -> None:
    async with serving(answering('{"success":true,"notFoundOffers":[{"id":5}]}')) as url:
        sink = sink_for(url, client)
        with pytest.raises(RefusedError):
            await told(sink, level(moscow="1"), level("wms-101", moscow="1"))
        assert (await told(sink, level(moscow="1"))).missing == {0}


@pytest.mark.req("X-17")
async def test_send_when_one_row_is_wrong_then_it_is_refused_and_the_others_go_again(client: Client) -> None:
    async with simulated() as crm:
        await crm.admin("faults", {"endpoint": UPLOAD, "offer": "wms-101", "status": 400})
        sink = sink_for(crm.url, client)
        levels = level(moscow="1"), level("wms-101", moscow="1"), level("nope", moscow="1")
        judged = await told(sink, *levels)
        assert (set(judged.missing), list(judged.refused), set(judged.again)) == (set(), [1], {0, 2})
        assert (await crm.admin("truth"))["wms-100"].get("msk-1", 0) == 0
        assert (await told(sink, levels[0], levels[2])).missing == {1}


REFUSALS = {
    "object": '{"success":false,"errorMsg":"Validation error","errors":{"offers[1].stores[0].available":"Неверно","offers[1]":"x"}}',
    "list": '{"success":false,"errorMsg":"Validation error","errors":["offers[1].stores[0].available: Неверно","offers[99]: no row"]}',
    "nested": '{"success":false,"errorMsg":null,"errors":{"children[offers[1]].id":["Неверно"]}}',
}


@pytest.mark.req("X-17")
@pytest.mark.parametrize("status", [400, 200, 460])
@pytest.mark.parametrize("form", REFUSALS)
async def test_send_when_the_no_names_a_row_in_any_form_then_that_row(client: Client, form: str, status: int) -> None:
    async with serving(answering(REFUSALS[form], status)) as url:
        judged = await told(sink_for(url, client), level(moscow="1"), level("wms-101", moscow="1"))
        assert list(judged.refused) == [1]
        assert "Неверно" in judged.refused[1]
        assert judged.again == {0}


@pytest.mark.parametrize("status", [400, 200, 413])
async def test_send_when_the_no_names_no_row_then_refused_for_whoever_splits(client: Client, status: int) -> None:
    errors = '{"offers":"This collection should contain 250 elements or less."}'
    body = f'{{"success":false,"errorMsg":"Errors in the entity format","errors":{errors}}}'
    async with serving(answering(body, status)) as url:
        with pytest.raises(RefusedError) as caught:
            await told(sink_for(url, client), level(moscow="1"), level("wms-101", moscow="1"))
    assert caught.value.status == status
    assert caught.value.exchange is not None


async def test_send_when_partly_failed_without_naming_a_row_then_refused_for_whoever_splits(client: Client) -> None:
    async with serving(answering('{"success":false,"errorMsg":"Something was wrong with some of it"}', 460)) as url:
        with pytest.raises(RefusedError):
            await told(sink_for(url, client), level(moscow="1"), level("wms-101", moscow="1"))


# --- what is wrong with the connection ---


@pytest.mark.req("R-23")
async def test_send_when_the_account_has_no_such_store_then_the_operator_is_told_which_key(client: Client) -> None:
    async with simulated() as crm:
        context = Context(connection="crm", stores={"moscow": "msk-1", "omsk": "omsk-9"})
        with pytest.raises(OperatorError, match=r"'omsk-9'.*places\.omsk\.stores\.crm"):
            await told(sink_for(crm.url, client, context), level(moscow="1", omsk="1"), level("wms-101", moscow="1", omsk="2"))
        assert (await crm.admin("truth"))["wms-100"].get("msk-1", 0) == 0


@pytest.mark.req("R-02", "X-17")
@pytest.mark.parametrize(
    ("fault", "error", "retry_after_s"),
    [
        ({"status": 503, "retry_after": "7"}, TransientError, 7.0),
        ({"status": 503, "body": "html"}, TransientError, None),
        ({"status": 503, "body": "empty"}, TransientError, None),
        ({"status": 429}, TransientError, None),
        ({"status": 500}, OutcomeUnknownError, None),
        ({"status": 502, "body": "html"}, OutcomeUnknownError, None),
        ({"status": 500, "acts": True}, OutcomeUnknownError, None),
        ({"status": 0, "acts": True}, OutcomeUnknownError, None),
        ({"hold_s": 5.0, "acts": True}, OutcomeUnknownError, None),
        ({"body": "empty"}, OutcomeUnknownError, None),
        ({"body": "truncated"}, OutcomeUnknownError, None),
        ({"status": 405, "body": "html"}, OperatorError, None),
        ({"status": 404, "body": "html"}, OperatorError, None),
        ({"status": 302}, OperatorError, None),
    ],
)
async def test_send_when_not_taken_then_the_error_says_what_to_do(
    client: Client, fault: dict[str, Any], error: type[StockwireError], retry_after_s: float | None
) -> None:
    async with simulated() as crm:
        sink = sink_for(crm.url, client, call_deadline_s=0.5)
        await crm.admin("faults", {"endpoint": UPLOAD, **fault})
        with pytest.raises(StockwireError) as caught:
            await told(sink, level(moscow="2"))
        assert type(caught.value) is error
        assert getattr(caught.value, "retry_after_s", None) == retry_after_s
        assert caught.value.exchange is not None
        assert KEY not in f"{caught.value} {encode(caught.value.exchange).decode()}"
        await told(sink, level(moscow="2"))
        assert (await crm.admin("truth"))["wms-100"]["msk-1"] == 2


@pytest.mark.req("R-02")
@pytest.mark.parametrize("over", ["503", "429", "html"])
async def test_send_when_too_many_at_once_then_later_whatever_the_body(client: Client, over: str) -> None:
    async with simulated(rules={"per_second": 0.01, "burst": 1, "over": over}) as crm:
        sink = sink_for(crm.url, client)
        await told(sink, level(moscow="1"))
        with pytest.raises(TransientError):
            await told(sink, level(moscow="2"))


@pytest.mark.req("R-02")
@pytest.mark.parametrize(
    ("options", "changes", "hint"),
    [
        ({}, {"api_key": "another"}, "api_key"),
        ({"api_keys": [{"key": KEY, "scopes": ["store_read"]}]}, {}, "scopes"),
        ({"rules": {"account": False}}, {}, "account_url"),
        ({"rules": {"stock_editing": False}}, {}, "Settings, Warehouse"),
    ],
)
async def test_send_when_the_connection_is_wrong_then_the_operator_is_told_what_to_do(
    client: Client, options: dict[str, Any], changes: dict[str, Any], hint: str
) -> None:
    async with simulated(**options) as crm:
        with pytest.raises(OperatorError, match=hint):
            await told(sink_for(crm.url, client, **changes), level(moscow="1"))


@pytest.mark.parametrize(
    ("status", "body", "hint"),
    [
        (404, '{"success":false,"errorMsg":"Account does not exist."}', "account_url"),
        (400, '{"success":false,"errorMsg":"Account does not exist."}', "account_url"),
        (400, '{"success":false,"errorMsg":"Parameter \'site\' is missing"}', "site"),
        (400, '{"success":false,"errorMsg":"Errors in the input parameters","errors":{"site":"Нет"}}', "site"),
        (404, '{"success":false,"errorMsg":"API method not found"}', "/api"),
        (403, "{}", "api_key"),
        (200, "<html>parked</html>", "account_url"),
    ],
)
async def test_send_when_the_answer_is_about_the_connection_then_operator(client: Client, status: int, body: str, hint: str) -> None:
    async with serving(answering(body, status)) as url:
        with pytest.raises(OperatorError, match=hint):
            await told(sink_for(url, client), level(moscow="1"))


@pytest.mark.parametrize(
    "body", ["{}", "[]", "null", '{"success":true,"processedOffersCount":"x"}', '{"success":true,"notFoundOffers":["x"]}']
)
async def test_send_when_the_answer_is_of_another_shape_then_asked_again(client: Client, body: str) -> None:
    async with serving(answering(body)) as url:
        with pytest.raises(OutcomeUnknownError):
            await told(sink_for(url, client), level(moscow="1"), level("wms-101", moscow="1"))


async def test_send_when_a_row_is_wrong_and_not_named_then_refused_for_whoever_splits(client: Client) -> None:
    async with simulated() as crm:
        await crm.admin("faults", {"endpoint": UPLOAD, "offer": "wms-101", "status": 400, "names_row": False, "times": 0})
        sink = sink_for(crm.url, client)
        with pytest.raises(RefusedError):
            await told(sink, level(moscow="1"), level("wms-101", moscow="1"))
        await told(sink, level(moscow="1"))


async def test_send_when_the_remote_repeats_the_key_then_it_is_not_shown(client: Client) -> None:
    async with serving(answering(f'{{"success":false,"errorMsg":"no {KEY}","errors":{{"offers[0]":"{KEY}"}}}}', 400)) as url:
        rows = [sink_for(url, client).row_for(level(moscow="1"))]
        judged = await sink_for(url, client).send(rows)
        assert KEY not in encode(judged).decode()


@pytest.mark.parametrize("message", [f"no {KEY}", "Validation error"])
async def test_send_when_a_no_about_no_row_repeats_the_key_then_it_is_not_shown(client: Client, message: str) -> None:
    async with serving(answering(f'{{"success":false,"errorMsg":"{message}","errors":["{KEY}"]}}', 400)) as url:
        with pytest.raises(RefusedError) as caught:
            await told(sink_for(url, client), level(moscow="1"))
        assert KEY not in str(caught.value)
