"""Simulated CRM accounts ask a receiver over real HTTP for their numbers; the levels, and what is stored, are in the real broker."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from models import topics
from models.codec import encode
from models.level import Level
from streams.broker import RealBroker
from streams.context import context_of
from streams.demo.world import free_port
from streams.http import Budget, HttpClient, Purpose, Redactor
from streams.receiver import Receiver, receiver_of
from streams.receiver.commit import partition_of
from streams.settings import Settings, settings_of
from streams.topics import create, kept, register
from tests.eventually import eventually
from tests.receiver_case import Answered, Stored, ask, post, records
from tests.systems.retailcrm.simulated import KEY, Crm, simulated

pytestmark = pytest.mark.broker

IDS = {
    "a": "7c1f7a3e-5d0e-4c38-9a53-0f0a1f0d1b11",
    "b": "1b9e0c55-0d8e-4d0e-8f43-55f3a0f7c2aa",
    "idle": "e8b5a0a2-7a52-4b43-b4f5-0d27f1a3c9d0",
}
"""What each account is called in a test, and the client id of our module there."""
ROUTED = ("a", "b")
PARTITIONS = 2
ANSWERED_WITHIN_MS = 1_000
FORM = "Content-Type: application/x-www-form-urlencoded"


class Case(NamedTuple):
    """A receiver, the accounts that call it, and what is in Kafka. `names` of connections are those of this test alone."""

    bootstrap: str
    settings: Settings
    receiver: Receiver
    accounts: Mapping[str, Crm]
    names: Mapping[str, str]

    async def register(self, *accounts: str) -> None:
        for account in accounts:
            one = self.settings.connections[self.names[account]]
            assert one.system.register is not None
            budget, redactor = Budget(per_second=1e5), Redactor.of(one.settings)
            async with HttpClient(hosts=one.system.hosts(one.settings), budget=budget, purpose=Purpose.FETCH, redactor=redactor) as http:
                assert (await one.system.register(context_of(self.settings, one), one.settings, http, dry_run=False)).written

    async def say(self, account: str, sku: str, sequence: int = 1, *, cost: str | None = None, **parts: str | int) -> None:
        """A new level, which the receiver then knows."""
        numbers = {place: Decimal(part) for place, part in parts.items()}
        costs = {} if cost is None else dict.fromkeys(parts, Decimal(cost))
        name = self.names[account]
        level = Level(connection=name, sku=sku, sequence=sequence, level=sum(numbers.values(), Decimal(0)), parts=numbers, costs=costs)
        await _write(self.bootstrap, topics.level(name), {sku: encode(level)})

        async def known() -> bool:
            found = await self.call(account, [{"xmlId": sku}])
            return encode({"available": numbers["moscow"]})[1:-1] in found.body

        await eventually(known, what=f"{account} is answered {parts} for {sku}")

    async def call(self, account: str, offers: object, path: str = "inventories-upload", **form: str) -> Answered:
        """Ask as the account would, in bytes."""
        asked = {"clientId": IDS[account], "inventories": encode({"offers": offers}).decode(), **form}
        return await ask(self.receiver.port, post(f"/hooks/{self.names[account]}/{path}", urlencode(asked).encode(), FORM))

    async def point(self, account: str, **changes: Any) -> list[dict[str, Any]]:  # noqa: ANN401  # members of a call point
        """Somebody in the account does what makes it call us; the calls it made, if any."""
        found: Any = await self.accounts[account].admin("call-point", {"offers": ["wms-100", "wms-101"], **changes})
        return list(found.get("calls", ()))

    async def inbound(self, account: str) -> list[Stored]:
        return await records(self.bootstrap, topics.inbound(self.names[account]))

    async def of(self, topic: str, account: str) -> list[Stored]:
        """The records of a topic that are about one account."""
        name = self.names[account].encode()
        return [one for one in await records(self.bootstrap, topic) if dict(one.headers).get("connection") == name]

    async def resends(self, account: str) -> Counter[str]:
        """How often each SKU of an account was ordered to be sent again."""
        return Counter((one.key or b"").decode() for one in await self.of(topics.FACT_STOCK, account))

    async def stored(self) -> list[Stored]:
        """Everything that came of calls, for all accounts."""
        own = (self.inbound(account) for account in IDS)
        shared = (self.of(topic, account) for topic in (topics.FACT_STOCK, topics.POLL, topics.DEAD) for account in IDS)
        return [one for some in await asyncio.gather(*own, *shared) for one in some]


async def _write(bootstrap: str, topic: str, values: Mapping[str, bytes]) -> None:
    producer: Any = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")  # type: ignore[no-untyped-call]  # aiokafka has no types
    async with producer:
        for key, value in values.items():
            await producer.send_and_wait(topic, value, key=key.encode(), partition=partition_of(key.encode(), PARTITIONS))


def _settings(bootstrap: str, names: Mapping[str, str], urls: Mapping[str, str], fresh: Callable[[str], str]) -> Settings:
    port, warehouses = free_port(), {place: fresh(place) for place in ("moscow", "petersburg")}
    thetis: dict[str, Any] = {"system": "thetis", "api_url": "http://127.0.0.1:9/2", "auth_url": "http://127.0.0.1:9"}
    thetis |= {key: {"env": "TEST_KEY"} for key in ("api_key", "client_id", "client_secret", "webhook_secret")}
    module: dict[str, Any] = {"name": "Acme WMS", "code": "wms-ab12", "call_points": ["offer-list"]}
    crms: dict[str, Any] = {
        name: {
            "system": "retailcrm",
            "account_url": urls.get(account, "http://127.0.0.1:9"),
            "api_key": {"env": "TEST_KEY"},
            "site": "main",
            "sellers": {warehouse: [account] for warehouse in warehouses.values()},
            "module": {**module, "client_id": {"env": f"TEST_CLIENT_{account}"}},
        }
        for account, name in names.items()
    }
    stores = {place: {names[account]: code for account in ROUTED} for place, code in (("moscow", "msk-1"), ("petersburg", "spb-1"))}
    return settings_of(
        {
            "kafka": {"bootstrap": bootstrap, "partitions": PARTITIONS},
            "receiver": {"host": "127.0.0.1", "port": port, "public_url": f"http://127.0.0.1:{port}/", "acknowledge_within_s": 1.5},
            "connections": {**dict.fromkeys(warehouses.values(), thetis), **crms},
            "places": [{"name": place, "warehouse": name, "stores": stores[place]} for place, name in warehouses.items()],
            "stock": [{"from": list(warehouses), "to": names[account]} for account in ROUTED],
        }
    )


@pytest.fixture
async def case(empty_broker: RealBroker, fresh: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Case]:
    """Two accounts that are told stock, and a third that is not, before a receiver that has not been registered anywhere yet."""
    monkeypatch.setenv("TEST_KEY", KEY)
    for account, client_id in IDS.items():
        monkeypatch.setenv(f"TEST_CLIENT_{account}", client_id)
    names = {account: fresh(f"crm-{account}") for account in IDS}
    async with AsyncExitStack() as stack:
        accounts = {account: await stack.enter_async_context(simulated()) for account in ROUTED}
        settings = _settings(empty_broker.bootstrap, names, {account: crm.url for account, crm in accounts.items()}, fresh)
        fixed = [kept(topics.FACT_STOCK, PARTITIONS, days=1), register(topics.POLL, PARTITIONS), kept(topics.DEAD, 1, days=1)]
        own = [kept(topics.inbound(name), PARTITIONS, days=1) for name in settings.connections]
        create(empty_broker.bootstrap, [*fixed, *own, *(register(topics.level(names[account]), PARTITIONS) for account in ROUTED)])
        receiver = receiver_of(settings)
        await receiver.start()
        stack.push_async_callback(receiver.stop)
        await eventually(lambda: _ready(receiver.port))
        yield Case(empty_broker.bootstrap, settings, receiver, accounts, names)


async def _ready(port: int) -> bool:
    return (await ask(port, b"GET /ready HTTP/1.1\r\nHost: t\r\n\r\n")).status == 200


@pytest.mark.req("R-08", "R-24", "R-25", "R-26")
async def test_callback_when_three_come_at_once_in_traffic_then_all_are_answered_in_time_and_the_account_is_current(case: Case) -> None:
    await case.register("a")
    await case.say("a", "wms-100", moscow="12.5", petersburg="0", cost="310.10")
    await case.say("a", "wms-101", moscow="3", petersburg="4")
    sent_again, came = await case.resends("a"), len(await case.inbound("a"))
    noise = {f"other-{number}": encode(Level(connection=case.names["a"], sku="o", sequence=1, level=Decimal(1))) for number in range(300)}
    traffic = asyncio.create_task(_write(case.bootstrap, topics.level(case.names["a"]), noise))
    calls = await case.point("a", at_once=3)
    await traffic
    assert [(call["status"], call["error"], call["applied"]) for call in calls] == [(200, None, [2, []])] * 3
    assert max(call["took_ms"] for call in calls) < ANSWERED_WITHIN_MS
    assert await case.accounts["a"].admin("truth") == {"wms-101": {"msk-1": 3, "spb-1": 4}, "wms-100": {"msk-1": 12.5, "spb-1": 0}}
    assert await case.accounts["a"].admin("costs") == {"wms-101": {}, "wms-100": {"msk-1": 310.1, "spb-1": 310.1}}
    assert len(await case.inbound("a")) == came + 3
    assert await case.resends("a") - sent_again == {"wms-100": 3, "wms-101": 3}


@pytest.mark.req("R-24")
async def test_callback_when_answered_then_as_documented_and_all_records_stand_in_one_trace_where_their_keys_belong(case: Case) -> None:
    await case.say("a", "wms-100", moscow="12.5", petersburg="0", cost="310.10")
    facts, came = await case.of(topics.FACT_STOCK, "a"), await case.inbound("a")
    answer = await case.call("a", [{"id": 20282, "externalId": "sku-100", "xmlId": "wms-100", "site": "main"}])
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.body == (
        b'{"success":true,"offers":[{"id":20282,"externalId":"sku-100","xmlId":"wms-100","stores":['
        b'{"code":"msk-1","available":12.5,"purchasePrice":310.10},{"code":"spb-1","available":0,"purchasePrice":310.10}]}]}'
    )
    (resend,) = [one for one in await case.of(topics.FACT_STOCK, "a") if one not in facts]
    (delivery,) = [one for one in await case.inbound("a") if one not in came]
    name = case.names["a"]
    assert resend.value == encode({"type": "Resend", "connection": name, "sku": "wms-100", "again_after_ms": 30_000})
    trace = dict(delivery.headers)["trace"]
    assert dict(resend.headers) == {"type": b"Resend", "connection": name.encode(), "sku": b"wms-100", "trace": trace}
    assert (resend.key, resend.partition) == (b"wms-100", partition_of(b"wms-100", PARTITIONS))
    assert (delivery.key, delivery.partition) == (name.encode(), partition_of(name.encode(), PARTITIONS))


@pytest.mark.req("R-24", "R-26")
async def test_callback_when_the_account_will_write_our_answer_later_then_the_order_to_say_it_again_is_already_there(case: Case) -> None:
    await case.register("a")
    await case.say("a", "wms-100", moscow=5, petersburg=0)
    sent_again = await case.resends("a")
    (held,) = await case.point("a", offers=["wms-100"], callback={"hold": True})
    assert (held["held"], held["applied"]) == (True, None)
    assert await case.resends("a") - sent_again == {"wms-100": 1}


@pytest.mark.req("R-08")
@pytest.mark.parametrize("client_id", ["", "guessed-0123456789", IDS["b"]], ids=["missing", "wrong", "of another account"])
async def test_callback_when_the_client_id_is_not_ours_then_401_and_nothing_is_stored(case: Case, client_id: str) -> None:
    await case.register("a", "b")
    (call,) = await case.point("a", callback={"client_id": client_id})
    assert (call["status"], call["body"], call["error"]) == (401, "", "status 401")
    nobody = await ask(case.receiver.port, post("/hooks/nobody/inventories-upload", f"clientId={client_id}".encode(), FORM))
    assert (nobody.status, nobody.body) == (401, b"")
    assert await case.stored() == []


@pytest.mark.req("R-08")
async def test_callback_when_there_are_two_accounts_then_each_lands_under_its_own_and_is_told_its_own(case: Case) -> None:
    await case.register("a", "b")
    await case.say("a", "wms-100", moscow=5, petersburg=1)
    await case.say("b", "wms-100", moscow=7, petersburg=2)
    before = {account: len(await case.inbound(account)) for account in ROUTED}
    (to_a,) = await case.point("a", offers=["wms-100"])
    assert {account: len(await case.inbound(account)) - before[account] for account in ROUTED} == {"a": 1, "b": 0}
    (to_b,) = await case.point("b", offers=["wms-100"])
    assert (to_a["error"], to_b["error"]) == (None, None)
    assert {account: len(await case.inbound(account)) - before[account] for account in ROUTED} == {"a": 1, "b": 1}
    truths: list[Any] = [await case.accounts[account].admin("truth") for account in ROUTED]
    assert [truth["wms-100"] for truth in truths] == [{"msk-1": 5, "spb-1": 1}, {"msk-1": 7, "spb-1": 2}]
    assert {dict(one.headers)["connection"] for one in await case.inbound("a")} == {case.names["a"].encode()}


@pytest.mark.req("R-24")
@pytest.mark.parametrize("offers", [None, []])
async def test_callback_when_nothing_in_particular_is_asked_for_then_answered_empty_and_a_whole_catalogue_is_due(
    case: Case, offers: list[str] | None
) -> None:
    await case.register("a")
    (call,) = await case.point("a", offers=offers)
    assert (call["status"], call["body"], call["applied"]) == (200, '{"success":true,"offers":[]}', [0, []])
    (cursor,) = await case.of(topics.POLL, "a")
    assert cursor.key == f"{case.names['a']}/catalogue".encode()
    value = msgspec.json.decode(cursor.value or b"")
    assert (value["type"], value["connection"], value["what"]) == ("Cursor", case.names["a"], "catalogue")
    (delivery,) = await case.inbound("a")
    assert value["due_ms"] == delivery.timestamp


@pytest.mark.req("R-24")
async def test_callback_when_some_offers_are_unknown_then_they_are_left_out_and_only_the_known_are_sent_again(case: Case) -> None:
    await case.register("a")
    await case.say("a", "wms-101", moscow=3, petersburg=0)
    sent_again = await case.resends("a")
    (call,) = await case.point("a", offers=["wms-100", "wms-101", "who"])
    assert (call["status"], call["applied"]) == (200, [1, []])
    assert [offer["xmlId"] for offer in msgspec.json.decode(call["body"])["offers"]] == ["wms-101"]
    assert await case.accounts["a"].admin("truth") == {"wms-101": {"msk-1": 3, "spb-1": 0}, "wms-100": {}}
    assert await case.resends("a") - sent_again == {"wms-101": 1}


@pytest.mark.req("R-24")
async def test_callback_when_the_account_is_told_no_stock_then_it_is_answered_that_nothing_is_known(case: Case) -> None:
    answer = await case.call("idle", [{"xmlId": "wms-100"}])
    assert (answer.status, answer.body) == (200, b'{"success":true,"offers":[]}')
    assert await case.of(topics.FACT_STOCK, "idle") == []
    assert len(await case.inbound("idle")) == 1


@pytest.mark.req("R-08", "R-24")
async def test_callback_when_stored_in_any_way_then_the_client_id_is_in_no_topic_and_a_malformed_one_leaves_nothing(case: Case) -> None:
    await case.register("a")
    await case.say("a", "wms-100", moscow=5, petersburg=0)
    await case.point("a")
    await case.point("a", offers=None)
    told: Any = await case.accounts["a"].admin("module", {"module": "wms-ab12", "freeze": True})
    assert (told["call"]["status"], told["call"]["error"]) == (200, None)
    before = len(await case.stored())
    refused = [await case.call("a", [7]), await case.call("a", [], "unknown"), await case.call("a", [], inventories="{")]
    assert {(answer.status, answer.headers["content-type"]) for answer in refused} == {(400, "application/json")}
    assert all(answer.body.startswith(b'{"success":false,"errorMsg":"') for answer in refused)
    assert IDS["a"].encode() not in b"".join(answer.body for answer in refused)
    assert (await case.call("a", "x" * 300_000)).status == 413
    found = await case.stored()
    assert len(found) == before
    assert {dict(one.headers).get("kind") for one in await case.inbound("a")} == {b"webhook"}
    everything = b"".join(b"%b %b %b" % (one.key or b"", one.value or b"", repr(one.headers).encode()) for one in found)
    assert b'"activity":{"active":true,"freeze":true}' in everything
    assert IDS["a"].encode() not in everything
    assert b"clientId" not in everything


@pytest.mark.req("R-12", "R-24")
@pytest.mark.parametrize("base_end", ["", "/"])
@pytest.mark.parametrize("url_start", ["", "/"])
async def test_callback_when_the_address_is_composed_with_or_without_slashes_then_it_is_reached(
    case: Case, base_end: str, url_start: str
) -> None:
    await case.register("a")
    base = f"http://127.0.0.1:{case.receiver.port}/hooks/{case.names['a']}"
    action = {"code": "inventoriesUpload", "url": f"{url_start}inventories-upload", "callPoints": ["offer-list"]}
    module = {"baseUrl": base + base_end, "integrations": {"store": {"actions": [action]}}}
    edited = await case.accounts["a"].post(
        "/v5/integration-modules/wms-ab12/edit", f"integrationModule={quote(encode(module).decode(), safe='')}"
    )
    assert edited.status == 200
    (call,) = await case.point("a", offers=[])
    assert (call["url"], call["status"], call["error"]) == (f"{base}/inventories-upload", 200, None)
    assert (await case.call("a", [], f"{base_end}{url_start}inventories-upload{base_end}")).status == 200


@pytest.mark.req("R-12", "R-25")
async def test_callback_when_we_are_not_registered_then_the_account_never_calls_and_afterwards_it_does(case: Case) -> None:
    assert await case.point("a") == []
    assert await case.accounts["a"].admin("callbacks") == []
    assert await case.stored() == []
    await case.register("a")
    (call,) = await case.point("a")
    assert (call["status"], call["url"]) == (200, f"http://127.0.0.1:{case.receiver.port}/hooks/{case.names['a']}/inventories-upload")
    assert len(await case.inbound("a")) == 1


# The last one: a broker that was away may take longer than a test waits until it makes topics again.


@pytest.mark.req("R-24")
async def test_callback_when_kafka_is_away_then_503_in_time_and_the_account_keeps_its_numbers(case: Case, empty_broker: RealBroker) -> None:
    await case.register("a")
    await case.say("a", "wms-100", moscow=5, petersburg=0)
    empty_broker.pause()
    try:
        (call,) = await case.point("a", offers=["wms-100"])
        answer = await case.call("a", [{"xmlId": "wms-100"}])
    finally:
        empty_broker.resume()
    assert (call["status"], call["applied"]) == (503, None)
    assert call["took_ms"] < 5_000
    assert (answer.status, answer.headers["retry-after"], answer.headers["content-type"]) == (503, "5", "application/json")
    assert answer.body == b'{"success":false,"errorMsg":"Kafka is not there; ask again in 5 s"}'
    truth: Any = await case.accounts["a"].admin("truth")
    assert truth["wms-100"] == {}

    async def again() -> bool:
        (call,) = await case.point("a", offers=["wms-100"])
        return call["error"] is None

    await eventually(again)
