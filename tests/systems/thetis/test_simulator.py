"""The simulated Thetis itself: strict about what is documented, and able to misbehave."""

from typing import Any

import msgspec
import pytest

from models.inbound import Inbound
from models.observation import MoveSeen
from streams.systems.thetis import SYSTEM
from tests.eventually import eventually

from .conftest import Inbox, Remote, Start

SELLER = {"id": 90100042, "number": "WEB-DK"}
TEE = {"sku": "TEE", "available": 10}


def order(number: str = "SO-1", quantity: int = 3, **more: Any) -> dict[str, Any]:  # noqa: ANN401  # any member
    line = {"stockKeepingUnit": "TEE", "numItemsOrdered": quantity, "sellersReference": "line_1"}
    return {"shipmentNumber": number, "customerNumber": "C-1", "sellerNumber": "WEB-DK", "shipmentLines": [line], **more}


async def begin(start: Start, inbox: Inbox, **options: Any) -> Remote:  # noqa: ANN401  # any option
    return await start(items=[TEE], sellers=[SELLER], webhook={"url": inbox.url}, retry_s=0.01, **options)


@pytest.mark.req("T-22", "T-35")
async def test_move_when_goods_come_then_the_documented_events_which_we_understand(start: Start, inbox: Inbox) -> None:
    remote = await begin(start, inbox)
    assert await remote.admin("POST", "move", {"sku": "TEE", "delta": 5}) == {"available": 15}
    await eventually(inbox.got([5]))
    moved, absolute = inbox.bodies[0], await eventually(lambda: second(inbox))
    assert moved["detail-type"] == moved["detail"]["eventType"] == "availableStockChanged"
    assert "sellerId" not in moved["detail"]
    assert (moved["source"], moved["detail"]["contextId"], moved["time"][-1]) == ("public.thetis-ims.com", "733", "Z")
    assert (absolute["detail-type"], absolute["detail"]["numItemsAvailable"]) == ("availabilityChanged", 15)
    assert inbox.headers[0]["User-Agent"].startswith("axios/")
    assert await remote.admin("GET", "truth") == {"TEE": 15}


async def second(inbox: Inbox) -> dict[str, Any]:
    return inbox.bodies[1] if len(inbox.bodies) > 1 else {}


@pytest.mark.req("T-36", "T-37")
async def test_order_when_a_channel_places_it_then_stock_is_reserved_in_its_name_and_given_back(start: Start, inbox: Inbox) -> None:
    remote = await begin(start, inbox)
    status, shipment = await remote.api("POST", "shipments", order())
    assert (status, shipment["sellerId"], shipment["shipmentLines"][0]["reservationId"] is not None) == (200, 90100042, True)
    assert await remote.admin("GET", "truth") == {"TEE": 7}
    status, cancelled = await remote.api("PUT", f"shipments/{shipment['id']}/cancelled", body=True)
    assert (status, cancelled["shippingStatus"]) == (200, "CANCELLED")
    await eventually(inbox.got([-3, 3]))
    assert {body["detail"]["sellerId"] for body in inbox.bodies if "delta" in body["detail"]} == {90100042}
    assert await remote.admin("GET", "truth") == {"TEE": 10}


async def test_order_when_packed_then_available_stock_stays_and_it_cannot_be_cancelled(start: Start, inbox: Inbox) -> None:
    remote = await begin(start, inbox)
    _, shipment = await remote.api("POST", "shipments", order())
    await remote.admin("POST", "pack", {"shipment": "SO-1"})
    assert await remote.admin("GET", "truth") == {"TEE": 7}
    status, refusal = await remote.api("PUT", f"shipments/{shipment['id']}/cancelled", body=True)
    assert (status, refusal["messageCode"]) == (422, "alreadyPacked_Shipment")
    await eventually(lambda: has(inbox, "documentCreated"))
    await eventually(lambda: has(inbox, "physicalStockChanged"))


async def has(inbox: Inbox, kind: str) -> bool:
    return any(body["detail-type"] == kind for body in inbox.bodies)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (order("SO-0"), "duplicate_Shipment"),
        (order(customerNumber="C-9"), "unknown_Customer"),
        (order(customerNumber=None), "unknown_Customer"),
        (order(sellerNumber="NOBODY"), "unknown_Seller"),
        (order(number="x" * 37), "invalid_Shipment_shipmentNumber"),
        (order(number=" "), "notNull_Shipment_shipmentNumber"),
        (order(quantity=0), "invalid_ShipmentLine_numItemsOrdered"),
        (order(shipmentLines=[{"stockKeepingUnit": "NOPE", "numItemsOrdered": 1}]), "unknown_GlobalTradeItem"),
        (order(shipmentLines=[{"stockKeepingUnit": "TEE"}]), "notNull_ShipmentLine_numItemsOrdered"),
        (order(shipmentLines=[{"stockKeepingUnit": "TEE", "numItemsOrdered": 1}] * 1_001), "tooManyLines_Shipment"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_order_when_wrong_then_refused_with_a_code_and_nothing_reserved(start: Start, body: dict[str, Any], code: str) -> None:
    remote = await start(items=[TEE], sellers=[SELLER])
    assert (await remote.api("POST", "shipments", order("SO-0", quantity=1)))[0] == 200
    status, refusal = await remote.api("POST", "shipments", body)
    assert (status, refusal["messageType"], refusal["messageCode"]) == (422, "ERROR", code)
    assert await remote.admin("GET", "truth") == {"TEE": 9}


async def test_api_when_called_wrongly_then_answers_as_the_gateway_does(start: Start) -> None:
    remote = await start(items=[TEE], token_life_s=3_600)
    assert await remote.api("GET", "nothing") == (403, {"message": "Missing Authentication Token"})
    assert await remote.api("GET", "sellers", Authorization="Bearer x") == (401, {"message": "Unauthorized"})
    assert (await remote.api("GET", "sellers", **{"x-api-key": "x"})) == (403, {"message": "Forbidden"})
    assert (await remote.api("GET", "globalTradeItems/5"))[0] == 404
    assert (await remote.api("POST", "shipments", ["x"]))[0] == 400
    await remote.admin("POST", "tokens/expire")
    assert await remote.api("GET", "sellers") == (401, {"message": "The incoming token has expired"})


async def test_list_when_filtered_then_only_what_matches(start: Start) -> None:
    remote = await start(items=[TEE, {"sku": "TEA", "active": False}], sellers=[SELLER, {"id": 2, "number": "B"}])
    skus = [row["stockKeepingUnit"] for row in (await remote.api("GET", "globalTradeItems"))[1]]
    every = [row["stockKeepingUnit"] for row in (await remote.api("GET", "globalTradeItems?onlyActive=false&stockKeepingUnitMatch=TE*"))[1]]
    assert (skus, every) == (["TEE"], ["TEE", "TEA"])
    assert [row["id"] for row in (await remote.api("GET", "sellers?sellerNumberMatch=B"))[1]] == [2]


async def test_webhook_when_refused_then_the_head_blocks_and_order_stays(start: Start, inbox: Inbox) -> None:
    remote = await begin(start, inbox)
    inbox.statuses = [500, 503, 401]
    for delta in (1, 2, 3):
        await remote.admin("POST", "move", {"sku": "TEE", "delta": delta})
    await eventually(inbox.got([1, 2, 3]))
    assert (await remote.admin("GET", "deliveries"))["failed"] == 3


async def test_webhook_when_given_up_then_kept_and_replayed(start: Start, inbox: Inbox) -> None:
    remote = await begin(start, inbox, tries_max=2)
    inbox.statuses = [500, 500]
    await remote.admin("POST", "move", {"sku": "TEE", "delta": 1})
    await eventually(lambda: dead(remote))
    assert await remote.admin("POST", "dead/replay") == {"replayed": 1}
    await eventually(inbox.got([1]))


async def dead(remote: Remote) -> list[Any]:
    found: list[Any] = (await remote.admin("GET", "deliveries"))["dead"]
    return found


async def test_webhook_when_masked_and_filtered_then_flat_bodies_of_those_events(start: Start, inbox: Inbox) -> None:
    remote = await begin(start, inbox)
    fields = ["eventId", "eventType", "globalTradeItemId", "delta"]
    await remote.admin("POST", "webhook", {"url": inbox.url, "event_types": ["availableStockChanged"], "fields": fields})
    await remote.admin("POST", "move", {"sku": "TEE", "delta": 1})
    await remote.admin("POST", "move", {"sku": "TEE", "delta": 2})
    await eventually(inbox.got([1, 2]))
    assert [sorted(body) for body in inbox.bodies] == [sorted(fields)] * 2


async def test_chaos_when_asked_for_then_repeated_late_lost_or_shuffled(start: Start, inbox: Inbox) -> None:
    remote = await begin(start, inbox)
    await remote.admin("POST", "webhook", {"url": inbox.url, "event_types": ["availableStockChanged"]})
    await remote.admin("POST", "chaos", {"drop_rate": 1})
    await remote.admin("POST", "move", {"sku": "TEE", "delta": 1})
    await remote.admin("POST", "chaos", {"drop_rate": 0, "shuffle_window": 20, "paused": True})
    for delta in range(2, 22):
        await remote.admin("POST", "move", {"sku": "TEE", "delta": delta})
    await remote.admin("POST", "chaos", {"paused": False})
    await eventually(lambda: enough(inbox, 20))
    assert sorted(await inbox.deltas()) == list(range(2, 22)) != await inbox.deltas()
    await remote.admin("POST", "chaos", {"duplicate_rate": 1, "duplicate_after_s": 0.01, "late_s": 0.01, "extra": {"new": 1}})
    await remote.admin("POST", "move", {"sku": "TEE", "delta": 99})
    await eventually(lambda: enough(inbox, 22))
    await remote.admin("POST", "chaos", {"duplicate_rate": 0})
    assert (await inbox.deltas())[20:22] == [99, 99]
    assert inbox.bodies[-1]["detail"]["new"] == 1


async def enough(inbox: Inbox, number: int) -> bool:
    return len(await inbox.deltas()) >= number


async def test_answer_when_stale_then_the_figure_from_before_the_change(start: Start) -> None:
    remote = await start(items=[TEE])
    await remote.admin("POST", "chaos", {"stale_s": 60})
    await remote.admin("POST", "move", {"sku": "TEE", "delta": 5})
    assert [row["numItemsAvailable"] for row in (await remote.api("GET", "globalTradeItems"))[1]] == [10]
    await remote.admin("POST", "chaos", {"stale_s": 0})
    assert [row["numItemsAvailable"] for row in (await remote.api("GET", "globalTradeItems"))[1]] == [15]


async def test_fault_when_the_call_acts_all_the_same_then_the_answer_alone_is_lost(start: Start) -> None:
    remote = await start(items=[TEE], sellers=[SELLER])
    await remote.admin("POST", "faults", {"endpoint": "POST /shipments", "status": 504, "acts": True})
    assert (await remote.api("POST", "shipments", order()))[0] == 504
    assert await remote.admin("GET", "truth") == {"TEE": 7}


async def test_clock_when_set_off_then_stamps_follow(start: Start, inbox: Inbox) -> None:
    remote = await begin(start, inbox)
    stamps = []
    for number, offset_s in enumerate((0, 3_600), 1):
        await remote.admin("POST", "clock", {"offset_s": offset_s})
        await remote.admin("POST", "move", {"sku": "TEE", "delta": number})
        await eventually(inbox.got(list(range(1, number + 1))))
        stamps.append(next(body["time"] for body in reversed(inbox.bodies) if "delta" in body["detail"]))
    hours = [int(stamp[11:13]) for stamp in stamps]
    assert (hours[1] - hours[0]) % 24 in (1, 2)


@pytest.mark.req("T-22", "X-12")
async def test_events_when_received_then_translated_exactly(start: Start, inbox: Inbox) -> None:
    remote = await begin(start, inbox)
    await remote.admin("POST", "move", {"sku": "TEE", "delta": "-0.125"})
    body = await eventually(lambda: first(inbox))
    (seen,) = SYSTEM.translate(body, Inbound(kind="webhook", received_ms=1))
    assert isinstance(seen, MoveSeen)
    assert str(seen.delta) == "-0.125"


async def first(inbox: Inbox) -> bytes:
    return msgspec.json.encode(inbox.bodies[0]) if inbox.bodies else b""


async def test_item_when_made_changed_or_gone_then_the_list_follows(start: Start, inbox: Inbox) -> None:
    remote = await begin(start, inbox)
    ids = await remote.admin("POST", "items", {"items": [{"sku": "NEW", "available": 4}]})
    await eventually(lambda: has(inbox, "globalTradeItemCreated"))
    await remote.admin("POST", "item", {"sku": "NEW", "rename": "NEWER"})
    assert (await remote.api("GET", f"globalTradeItems/{ids['NEW']}"))[1]["stockKeepingUnit"] == "NEWER"
    await remote.admin("POST", "item", {"sku": "NEWER", "gone": True})
    assert (await remote.api("GET", f"globalTradeItems/{ids['NEW']}"))[0] == 404


async def test_move_when_silent_then_stock_changes_and_nobody_is_told(start: Start, inbox: Inbox) -> None:
    remote = await begin(start, inbox)
    await remote.admin("POST", "move", {"sku": "TEE", "delta": -1, "silent": True})
    await remote.admin("POST", "events", {"eventType": "somethingNew", "detail": {"x": 1}})
    await eventually(lambda: has(inbox, "somethingNew"))
    assert len(inbox.bodies) == 1
    assert await remote.admin("GET", "truth") == {"TEE": 9}


@pytest.mark.parametrize("options", [{"itemz": []}, {"bulk": "many"}, {"items": [{"available": 1}]}])
def test_options_when_wrong_then_says_which(options: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        SYSTEM.simulator(options)
