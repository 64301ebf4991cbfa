"""Calls to a simulated Thetis: tokens, keys, limits, and what each refusal means."""

from collections.abc import Callable

import msgspec
import pytest

from models.errors import OperatorError, OutcomeUnknownError, RefusedError, TransientError
from streams.http import HttpClient
from streams.secret import Secret
from streams.systems.spec import Context
from streams.systems.thetis import SYSTEM
from streams.systems.thetis.client import ThetisClient
from streams.systems.thetis.reader import ItemReader
from streams.systems.thetis.settings import ThetisSettings

from .conftest import Clock, Remote, Start

TOKEN = "POST /oauth2/token"
SELLERS = [{"id": 90100042, "number": "WEB-DK"}, {"id": 90100043, "number": "WEB-SE"}]
Clients = Callable[..., ThetisClient]
Https = Callable[[ThetisSettings], HttpClient]


async def test_token_when_it_is_fresh_then_fetched_once(start: Start, client: Clients) -> None:
    remote = await start(sellers=SELLERS)
    calls = client(remote.settings)
    for _ in range(3):
        assert await calls.seller_ids() == ["90100042", "90100043"]
    assert await remote.counts() == {TOKEN: 1, "GET /sellers": 3}


async def test_token_when_it_is_about_to_expire_then_fetched_again(start: Start, client: Clients) -> None:
    remote = await start()
    clock = Clock()
    calls = client(remote.settings, clock)
    await calls.seller_ids()
    for later_s, fetched in ((3_539, 1), (1, 2)):
        clock.now_s += later_s
        await calls.seller_ids()
        assert (await remote.counts())[TOKEN] == fetched


async def test_token_when_it_was_withdrawn_then_another_and_the_call_once_more(start: Start, client: Clients) -> None:
    remote = await start()
    calls = client(remote.settings)
    await calls.seller_ids()
    await remote.admin("POST", "tokens/expire")
    await calls.seller_ids()
    assert await remote.counts() == {TOKEN: 2, "GET /sellers": 3}


async def test_token_when_even_a_new_one_is_refused_then_an_operator_is_needed(start: Start, client: Clients) -> None:
    remote = await start()
    await remote.admin("POST", "faults", {"endpoint": "GET /sellers", "status": 401, "times": 2, "body": '{"message": "Unauthorized"}'})
    with pytest.raises(OperatorError):
        await client(remote.settings).seller_ids()
    assert (await remote.counts())["GET /sellers"] == 2


@pytest.mark.parametrize("wrong", ["client_id", "client_secret", "api_key"])
async def test_credentials_when_one_is_wrong_then_an_operator_is_needed(start: Start, client: Clients, wrong: str) -> None:
    remote = await start()
    settings = msgspec.structs.replace(remote.settings, **{wrong: Secret("wrong-and-secret")})
    with pytest.raises(OperatorError) as caught:
        await client(settings).seller_ids()
    assert "wrong-and-secret" not in f"{caught.value} {caught.value.exchange}"


async def test_token_when_shown_in_an_exchange_then_stars(start: Start, http: Https) -> None:
    remote = await start()
    answer = await ItemReader("wh", remote.settings, http(remote.settings)).read("1")
    assert answer[0].inbound.kind == "gone"
    client = ThetisClient(remote.settings, http(remote.settings))
    token = (await client._new_token()).access_token  # noqa: SLF001  # the answer of the only call that shows a token
    assert token not in str(await client.item("1"))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (422, RefusedError),
        (403, OperatorError),
        (429, TransientError),
        (503, TransientError),
        (504, OutcomeUnknownError),
        (0, OutcomeUnknownError),
    ],
)
async def test_call_when_refused_then_named_by_what_comes_next(start: Start, client: Clients, status: int, error: type[Exception]) -> None:
    remote = await start()
    await remote.admin("POST", "faults", {"endpoint": "GET /sellers", "status": status, "times": 2})
    with pytest.raises(error):
        await client(remote.settings).seller_ids()


async def test_limit_when_the_day_is_spent_then_not_asked_again_for_a_quarter_of_an_hour(start: Start, client: Clients) -> None:
    remote = await start(per_day=1)
    calls = client(remote.settings)
    await calls.seller_ids()
    with pytest.raises(TransientError, match="daily limit") as caught:
        await calls.seller_ids()
    assert caught.value.retry_after_s == 900


async def test_limit_when_too_many_in_a_second_then_later(start: Start, client: Clients) -> None:
    remote = await start(per_second=0)
    with pytest.raises(TransientError):
        await client(remote.settings).seller_ids()


@pytest.mark.parametrize("body", ["<html>maintenance</html>", '{"message": "soon"}', ""])
async def test_list_when_it_is_no_list_then_asked_again(start: Start, client: Clients, body: str) -> None:
    remote = await start()
    await remote.admin("POST", "faults", {"endpoint": "GET /globalTradeItems", "status": 200, "body": body})
    with pytest.raises(TransientError):
        await client(remote.settings).items(0)


@pytest.mark.req("T-43")
async def test_reader_when_an_item_is_read_then_its_own_bytes_and_times(start: Start, http: Https) -> None:
    remote = await start(items=[{"sku": "TEE", "available": 7}], clock_offset_s=3_600)
    item = str((await remote.admin("GET", "items"))["TEE"])
    reader = ItemReader("wh", remote.settings, http(remote.settings))
    (element,) = await reader.read(item)
    assert (element.key, element.inbound.kind, msgspec.json.decode(element.value)["numItemsAvailable"]) == (item, "reading", 7)
    inbound = element.inbound
    assert inbound.asked_ms is not None
    assert inbound.answered_ms is not None
    assert inbound.date_ms is not None
    assert inbound.date_ms - inbound.answered_ms <= 3_600_000 <= inbound.date_ms + 1_000 - inbound.asked_ms
    (gone,) = await reader.read("5")
    assert (gone.key, gone.inbound.kind, gone.value) == ("5", "gone", b'{"id":"5"}')


@pytest.mark.req("T-01")
async def test_sellers_when_two_channels_are_in_one_area_then_each_keeps_its_id(start: Start, http: Https) -> None:
    remote = await start(sellers=SELLERS)
    assert SYSTEM.seller_ids is not None
    assert await SYSTEM.seller_ids("wh", remote.settings, http(remote.settings)) == ["90100042", "90100043"]


async def check(remote: Remote, http: Https, **changes: object) -> list[str]:
    settings = msgspec.structs.replace(remote.settings, **changes)
    return await SYSTEM.check(Context(connection="wh"), settings, http(settings))


async def test_check_when_all_is_well_then_nothing_to_say(start: Start, http: Https) -> None:
    assert await check(await start(), http) == []


async def test_check_when_something_is_wrong_then_each_problem_with_its_key_and_no_secret(start: Start, http: Https) -> None:
    problems = await check(await start(), http, api_key=Secret("hunter2"), webhook_secret=Secret("short"))
    assert [problem.partition(":")[0] for problem in problems] == ["connections.wh.webhook_secret", "connections.wh"]
    assert "hunter2" not in str(problems)
    assert "short" not in str(problems).replace("shorter", "")


async def test_check_when_nobody_answers_then_says_so(start: Start, http: Https) -> None:
    problems = await check(await start(), http, auth_url="http://127.0.0.1:9")
    assert len(problems) == 1
