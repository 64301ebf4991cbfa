"""The account asks for numbers, and is answered at once from the levels."""

from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from models.agent import Rank
from models.codec import encode
from models.cursor import Cursor
from models.errors import PoisonError
from models.facts import Resend
from models.message import Json
from streams.systems.retailcrm.callback import CrmCallback
from streams.systems.spec import Hook, Taken
from tests.systems.retailcrm.conftest import CLIENT_ID, CONTEXT, MODULE, View, level, settings_for

NOW_S = 1_711_022_400.5
TEA: dict[str, Json] = {"id": 20282, "externalId": "sku-100", "xmlId": "wms-100", "site": "main"}
MUG: dict[str, Json] = {"id": 20283, "externalId": "sku-101", "xmlId": "wms-101", "site": "main"}
LEVELS = (
    level("wms-100", moscow="12.5", petersburg="0", costs={"moscow": "310.0", "petersburg": "310.0"}),
    level("wms-101", moscow="3", petersburg="0", costs={"moscow": "95.4"}),
)


def form(data: Json = None, *, field: str = "inventories", client_id: str | None = CLIENT_ID, **more: str) -> bytes:
    fields = {} if client_id is None else {"clientId": client_id}
    given = {} if data is None else {field: data if isinstance(data, str) else msgspec.json.encode(data).decode()}
    return urlencode({**fields, **given, **more}).encode()


def hook(body: bytes, action: str = "inventories-upload", now_s: float = NOW_S) -> Hook:
    return Hook(action, {"content-type": "application/x-www-form-urlencoded"}, body, now_s)


def door_with(*levels: Any, complete: bool = True, module: dict[str, Json] = MODULE, **changes: Json) -> CrmCallback:  # noqa: ANN401
    return CrmCallback(CONTEXT, settings_for(module=module, **changes), View(*(levels or LEVELS), complete=complete))


def answered(taken: Taken) -> Json:
    return msgspec.json.decode(taken.answer)


# --- who may come in ---


@pytest.mark.req("R-08")
def test_verify_when_the_client_id_is_ours_then_genuine() -> None:
    assert door_with().verify(hook(form({"offers": []}))) is None


@pytest.mark.req("R-08")
@pytest.mark.parametrize("client_id", [None, "", "7c1f7a3e", CLIENT_ID + "x", CLIENT_ID.upper(), "ключ"])
def test_verify_when_the_client_id_is_missing_or_another_then_refused_with_a_reason_that_does_not_show_it(client_id: str | None) -> None:
    reason = door_with().verify(hook(form({"offers": []}, client_id=client_id)))
    assert reason
    assert CLIENT_ID not in reason


@pytest.mark.req("R-08")
@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{}", b"clientId", b"a=%ff", b'{"clientId":"x"}'])
def test_verify_when_the_body_is_no_form_then_refused(body: bytes) -> None:
    assert door_with().verify(hook(body))


@pytest.mark.req("R-08")
@pytest.mark.parametrize("more", [b"&a=%ff", b"&a", b"&a=1" * 100])
def test_verify_when_the_rest_is_no_form_then_refused_whoever_it_is(more: bytes) -> None:
    assert door_with().verify(hook(form() + more))


@pytest.mark.req("R-08", "R-25")
def test_verify_when_no_module_is_configured_then_nobody_is_genuine() -> None:
    assert CrmCallback(CONTEXT, settings_for(), View()).verify(hook(form({"offers": []})))


# --- what is answered ---


@pytest.mark.req("R-17", "R-22", "R-23", "R-24")
def test_take_when_offers_are_asked_for_then_the_documented_answer() -> None:
    taken = door_with().take(hook(form({"offers": [TEA, MUG]})))
    assert taken.answer == (
        b'{"success":true,"offers":['
        b'{"id":20282,"externalId":"sku-100","xmlId":"wms-100",'
        b'"stores":[{"code":"msk-1","available":12.5,"purchasePrice":310.0},{"code":"spb-1","available":0,"purchasePrice":310.0}]},'
        b'{"id":20283,"externalId":"sku-101","xmlId":"wms-101",'
        b'"stores":[{"code":"msk-1","available":3,"purchasePrice":95.4},{"code":"spb-1","available":0}]}]}'
    )


@pytest.mark.req("R-24", "R-26")
def test_take_then_each_known_sku_is_sent_again_before_the_answer_so_that_no_old_number_wins() -> None:
    taken = door_with().take(hook(form({"offers": [TEA, MUG, TEA, {"xmlId": "nope"}]})))
    assert [(emit.rank, emit.topic, emit.key, emit.value) for emit in taken.emits] == [
        (Rank.FACT, "fact.stock.v1", sku, Resend(connection="crm", sku=sku, again_after_ms=30_000)) for sku in ("wms-100", "wms-101")
    ]


@pytest.mark.req("R-24", "R-30")
@pytest.mark.parametrize("complete", [True, False])
def test_take_when_an_offer_is_unknown_then_left_out_and_sent_again_only_while_it_may_be_known(*, complete: bool) -> None:
    taken = door_with(complete=complete).take(hook(form({"offers": [{"xmlId": "nope"}, MUG, {"id": 5}]})))
    assert [offer["xmlId"] for offer in answered(taken)["offers"]] == ["wms-101"]
    assert [emit.key for emit in taken.emits] == (["wms-101"] if complete else ["nope", "wms-101"])


@pytest.mark.req("R-23", "R-24")
def test_take_when_an_offer_is_of_another_site_then_left_out_not_sent_again_and_no_reason_to_send_everything() -> None:
    other = TEA | {"id": 20299, "site": "second"}
    taken = door_with().take(hook(form({"offers": [other, MUG]})))
    assert [offer["id"] for offer in answered(taken)["offers"]] == [20283]
    assert [emit.key for emit in taken.emits] == ["wms-101"]
    alone = door_with().take(hook(form({"offers": [other]})))
    assert (alone.answer, alone.emits) == (b'{"success":true,"offers":[]}', ())


FORMS: dict[str, tuple[Json, str]] = {
    "the default": ({"offers": [MUG]}, "inventories"),
    "the action's name": ({"offers": [MUG]}, "inventoriesUpload"),
    "a bare list": ([MUG], "inventories"),
    "a field of offers": ([MUG], "offers"),
    "offers twice": ({"offers": [MUG]}, "offers"),
    "a list with gaps": ({"offers": {"3": MUG}}, "inventories"),
}


@pytest.mark.req("R-24")
@pytest.mark.parametrize("way", FORMS)
def test_take_when_the_question_comes_in_any_known_form_then_answered(way: str) -> None:
    data, field = FORMS[way]
    assert [offer["id"] for offer in answered(door_with().take(hook(form(data, field=field))))["offers"]] == [20283]


@pytest.mark.req("R-24")
def test_take_when_a_field_is_configured_then_it_comes_first() -> None:
    door = door_with(module={**MODULE, "callback_field": "stock"})
    body = form({"offers": [MUG]}, field="stock", inventories=msgspec.json.encode([TEA]).decode())
    assert [offer["id"] for offer in answered(door.take(hook(body)))["offers"]] == [20283]


@pytest.mark.req("R-24")
def test_take_when_our_sku_is_the_shops_id_then_found_by_it_and_called_as_asked() -> None:
    door = door_with(level("sku-100", moscow="1"), offer_key="externalId")
    (offer,) = answered(door.take(hook(form([{"externalId": "sku-100", "xmlId": "other"}]))))["offers"]
    assert (offer["externalId"], offer["xmlId"], "id" in offer) == ("sku-100", "other", False)


@pytest.mark.req("R-19", "R-24")
@pytest.mark.parametrize("data", [None, "", {"offers": []}, {"offers": None}, {}, [], "null"])
def test_take_when_nothing_in_particular_is_asked_for_then_an_empty_answer_and_the_whole_catalogue(data: Json) -> None:
    taken = door_with().take(hook(form(data)))
    assert taken.answer == b'{"success":true,"offers":[]}'
    (emit,) = taken.emits
    assert (emit.topic, emit.key) == ("poll.v1", "crm/catalogue")
    assert emit.value == Cursor(connection="crm", what="catalogue", due_ms=1_711_022_400_500)


@pytest.mark.req("R-20", "R-24")
def test_take_when_more_than_a_portion_is_asked_for_then_the_first_at_once_and_all_sent() -> None:
    levels = [level(f"S-{number}", moscow="1") for number in range(300)]
    taken = door_with(*levels).take(hook(form([{"xmlId": one.sku} for one in levels])))
    assert len(answered(taken)["offers"]) == 250
    assert len(taken.emits) == 300


@pytest.mark.req("R-24")
def test_take_when_a_level_names_no_store_of_ours_then_left_out() -> None:
    assert answered(door_with(level("wms-100", omsk="1")).take(hook(form([TEA]))))["offers"] == []


@pytest.mark.req("R-26")
def test_take_when_the_same_is_asked_again_then_it_is_another_delivery() -> None:
    door, body = door_with(), form([TEA])
    assert door.take(hook(body)) == door.take(hook(body))
    assert door.take(hook(body)).delivery != door.take(hook(body, now_s=NOW_S + 1)).delivery


# --- what is malformed ---


@pytest.mark.req("R-24")
@pytest.mark.parametrize(
    "data", ["{", "[[]]", "7", '"x"', '{"offers":7}', '{"offers":"x"}', "[7]", '[{"xmlId":[]}]', "[" * 10_000, "\x00", '["x"]', "true"]
)
def test_take_when_the_question_is_malformed_then_poison(data: str) -> None:
    with pytest.raises(PoisonError):
        door_with().take(hook(form(data)))


@pytest.mark.parametrize("action", ["", "unknown", "inventoriesUpload", "../activity"])
def test_take_when_the_path_is_no_callback_of_ours_then_poison(action: str) -> None:
    with pytest.raises(PoisonError):
        door_with().take(hook(form([TEA]), action))


# --- what is stored ---


def test_take_then_stored_readable_and_without_the_client_id() -> None:
    body = form({"offers": [TEA]}, note=f"of {CLIENT_ID[:8]}")
    taken = door_with().take(hook(body))
    assert taken.body == encode({"action": "inventoriesUpload", "inventories": {"offers": [TEA]}, "note": "of 7c1f7a3e"})
    assert CLIENT_ID not in encode(taken).decode()
    assert (taken.key, taken.dead) == ("crm", None)


@pytest.mark.req("R-12")
@pytest.mark.parametrize("path", ["activity", "/activity", "activity/"])
def test_take_when_switched_off_then_kept_whatever_the_slashes_at_the_joint(path: str) -> None:
    activity = '{"active":false,"freeze":false}'
    body = form(activity, field="activity", systemUrl="https://acme.retailcrm.ru")
    taken = door_with().take(hook(body, path))
    assert taken.answer == b'{"success":true}'
    assert taken.body == b'{"action":"activity","activity":{"active":false,"freeze":false},"systemUrl":"https://acme.retailcrm.ru"}'
    assert taken.emits == ()


@pytest.mark.parametrize("body", [form(), form("{", field="activity")])
def test_take_when_an_activity_call_says_nothing_then_poison(body: bytes) -> None:
    with pytest.raises(PoisonError):
        door_with().take(hook(body, "activity"))
