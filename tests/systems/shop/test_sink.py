"""Telling a real (simulated) shop its stock."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from models.codec import Decoder, encode
from models.errors import OperatorError, OutcomeUnknownError, PoisonError, RefusedError, StockwireError, TransientError
from models.level import Level
from models.message import Json
from models.sent_row import Call
from streams.http import HttpClient
from streams.systems.shop.settings import ShopSettings
from streams.systems.shop.sink import ShopSink
from tests.systems.shop.conftest import NEXT_SECRET, SECRET, Remote, StartShop, settings_for

Client = Callable[[ShopSettings], HttpClient]
AS_OF_MS = 1_772_352_930_125


def level(sequence: int, number: str, *, total: str | None = None) -> Level:
    return Level(
        connection="web",
        sku="TEA-1001",
        sequence=sequence,
        level=Decimal(number),
        total=None if total is None else Decimal(total),
        as_of_ms=AS_OF_MS,
    )


def made(sink: ShopSink, said: Level, acknowledged: str = "0") -> Call:
    call = sink.call_for(said, Decimal(acknowledged))
    assert call is not None
    return call


def sink_for(shop: Remote, client: Client, **changes: Json) -> ShopSink:
    settings = settings_for(shop, **changes)
    return ShopSink("web", settings, client(settings))


@pytest.mark.req("X-12")
async def test_send_when_incremental_then_exact_decimals_from_kafka_to_the_wire(start_shop: StartShop, client: Client) -> None:
    shop = await start_shop()
    sink = sink_for(shop, client)
    in_kafka = encode(level(7, "100.50", total="100.50"))
    assert b'"total":100.50' in in_kafka
    first = made(sink, Decoder[Level](Level)(in_kafka))
    await sink.send(first)
    await sink.send(made(sink, level(8, "100.625", total="100.625"), "100.50"))
    first_body, second_body = [call["body"] for call in await shop.calls()]
    assert first_body == (
        '{"type":"stock.adjusted","timestamp":"2026-03-01T08:15:30.125Z",'
        '"data":{"sku":"TEA-1001","delta":100.50,"total":100.50,"sequence":7,"reason":"stock"}}'
    )
    assert second_body == (
        '{"type":"stock.adjusted","timestamp":"2026-03-01T08:15:30.125Z",'
        '"data":{"sku":"TEA-1001","delta":0.125,"total":100.625,"sequence":8,"reason":"stock"}}'
    )
    assert await shop.get("truth") == {"TEA-1001": 100.625}


@pytest.mark.req("X-12")
async def test_send_when_absolute_then_exact_level_never_below_zero(start_shop: StartShop, client: Client) -> None:
    shop = await start_shop(mode="absolute")
    sink = sink_for(shop, client, mode="absolute")
    for sequence, number in enumerate(("0.125", "100.50", "-3", "1.0009")):
        await sink.send(made(sink, level(sequence, number)))
    quantities = [call["body"].partition('"quantity":')[2].partition(",")[0] for call in await shop.calls()]
    assert quantities == ["0.125", "100.50", "0", "1.000"]
    assert '"as_of":"2026-03-01T08:15:30.125Z"' in (await shop.calls())[0]["body"]


@pytest.mark.req("T-39", "X-07")
async def test_send_when_the_answer_is_lost_then_the_repeat_counts_once(start_shop: StartShop, client: Client) -> None:
    shop = await start_shop(stock={"TEA-1001": 10})
    sink = sink_for(shop, client)
    await shop.post("faults", status=0, acts=True)
    await shop.post("sell", sku="TEA-1001", quantity=1)
    call = made(sink, level(1, "-2", total="-2"))
    with pytest.raises(OutcomeUnknownError):
        await sink.send(call)
    await sink.send(call)
    first, again = await shop.calls()
    assert (first["id"], first["body"]) == (again["id"], again["body"])
    assert await shop.get("truth") == {"TEA-1001": 7}


@pytest.mark.req("X-07")
@pytest.mark.parametrize("memory", ["ids", "total"])
async def test_send_when_the_shop_sees_every_call_three_times_then_as_once(start_shop: StartShop, client: Client, memory: str) -> None:
    shop = await start_shop(memory=memory)
    sink = sink_for(shop, client)
    await shop.post("faults", repeat=2, times=0)
    acknowledged = "0"
    for sequence, total in enumerate(("5", "3", "3.5")):
        await sink.send(made(sink, level(sequence, total, total=total), acknowledged))
        acknowledged = total
    assert await shop.get("stock") == {"TEA-1001": {"shown": 3.5, "added": 3.5, "total": 3.5, "sequence": 2}}


@pytest.mark.req("X-07")
async def test_send_when_absolute_then_older_is_dropped_and_equal_taken_again(start_shop: StartShop, client: Client) -> None:
    shop = await start_shop(mode="absolute")
    sink = sink_for(shop, client, mode="absolute")
    for sequence, number in ((5, "5"), (4, "4"), (5, "6")):
        await sink.send(made(sink, level(sequence, number)))
    assert await shop.get("truth") == {"TEA-1001": 6}


async def test_send_when_repeated_later_then_same_bytes_under_a_new_signature(start_shop: StartShop, client: Client) -> None:
    shop = await start_shop()
    settings = settings_for(shop)
    seconds = iter((0, 10))
    began_s = (await _now_s(shop, client(settings))) - 20
    sink = ShopSink("web", settings, client(settings), clock=lambda: began_s + next(seconds))
    call = made(sink, level(1, "2", total="2"))
    await sink.send(call)
    await sink.send(call)
    first, again = await shop.calls()
    assert (first["id"], first["body"], first["status"]) == (again["id"], again["body"], again["status"])
    assert int(again["timestamp"]) == int(first["timestamp"]) + 10


async def _now_s(shop: Remote, http: HttpClient) -> int:
    return (await http.call("GET", f"{shop.url}/stock")).answered_ms // 1_000


def test_call_for_then_id_follows_from_the_number_alone() -> None:
    settings = settings_for(None)
    http = HttpClient(hosts=(), budget=None, purpose=None)  # type: ignore[arg-type]  # makes no call
    one, other = ShopSink("web", settings, http), ShopSink("other", settings, http)
    said = level(1, "2", total="2")
    assert made(one, said) == made(ShopSink("web", settings, http), said)
    ids = {made(one, said).id, made(other, said).id, made(one, said, "1").id, made(one, level(2, "2", total="2")).id}
    assert len(ids) == 4
    assert not any("." in one_id for one_id in ids)
    assert one.call_for(said, Decimal("2.0")) is None
    with pytest.raises(PoisonError):
        one.call_for(level(1, "2"), Decimal(0))


@pytest.mark.req("X-17")
@pytest.mark.parametrize(
    ("fault", "error", "retry_after_s"),
    [
        ({"status": 503, "retry_after": "7"}, TransientError, 7.0),
        ({"status": 429}, TransientError, None),
        ({"status": 500}, OutcomeUnknownError, None),
        ({"status": 504}, OutcomeUnknownError, None),
        ({"status": 0}, OutcomeUnknownError, None),
        ({"delay_s": 5.0, "acts": True}, OutcomeUnknownError, None),
        ({"status": 410}, OperatorError, None),
        ({"status": 401}, OperatorError, None),
        ({"status": 422}, RefusedError, None),
        ({"status": 302}, OperatorError, None),
    ],
)
async def test_send_when_not_taken_then_the_error_says_what_to_do(
    start_shop: StartShop, client: Client, fault: dict[str, Any], error: type[StockwireError], retry_after_s: float | None
) -> None:
    shop = await start_shop()
    sink = sink_for(shop, client, call_deadline_s=0.5)
    await shop.post("faults", **fault)
    with pytest.raises(StockwireError) as caught:
        await sink.send(made(sink, level(1, "2", total="2")))
    assert type(caught.value) is error
    assert getattr(caught.value, "retry_after_s", None) == retry_after_s
    assert caught.value.exchange is not None
    assert "whsec" not in encode(caught.value.exchange).decode()


@pytest.mark.req("X-17")
async def test_send_when_one_sku_is_refused_then_others_pass(start_shop: StartShop, client: Client) -> None:
    shop = await start_shop()
    sink = sink_for(shop, client)
    await shop.post("faults", sku="BAD", status=422, times=0)
    refused = 0
    for number in range(20):
        said = msgspec.structs.replace(level(number, "1", total="1"), sku="BAD" if number == 7 else f"S{number}")
        try:
            await sink.send(made(sink, said))
        except RefusedError:
            refused += 1
    assert refused == 1
    assert len(await shop.get("truth")) == 19


async def test_send_while_the_secret_is_changed_then_a_shop_with_either_one_takes_it(start_shop: StartShop, client: Client) -> None:
    for known in (SECRET, NEXT_SECRET):
        shop = await start_shop(secrets=[known])
        sink = sink_for(shop, client, webhook_secret=NEXT_SECRET, webhook_secret_previous=SECRET)
        await sink.send(made(sink, level(1, "2", total="2")))
    sink = sink_for(shop, client, webhook_secret=SECRET)
    with pytest.raises(OperatorError):
        await sink.send(made(sink, level(1, "2", total="2")))
