"""The simulated CRM misbehaves as it is told."""

import asyncio
from typing import Any

import aiohttp
import msgspec
import pytest

from streams.systems.retailcrm.simulator import simulator
from tests.eventually import eventually
from tests.systems.retailcrm.simulated import Crm, simulated

UPLOAD = "/v5/store/inventories/upload"
ENDPOINT = "POST /store/inventories/upload"
ONE = 'offers=[{"xmlId":"wms-101","stores":[]},{"xmlId":"wms-100","stores":[{"code":"msk-1","available":4}]}]'


async def shown(crm: Crm) -> Any:  # noqa: ANN401  # JSON
    return (await crm.admin("truth"))["wms-100"]


@pytest.mark.parametrize("acts", [False, True])
@pytest.mark.parametrize(("body", "start"), [("json", b'{"success":false'), ("html", b"<html>"), ("empty", b"")])
async def test_crm_when_it_fails_before_or_after_the_deed_then_so_and_once(body: str, start: bytes, *, acts: bool) -> None:
    async with simulated() as crm:
        await crm.admin("faults", {"endpoint": ENDPOINT, "status": 502, "acts": acts, "body": body, "retry_after": "2"})
        assert (await crm.get("/v5/settings")).status == 200
        got = await crm.post(UPLOAD, ONE)
        assert (got.status, got.body[: max(1, len(start))], got.headers["Retry-After"]) == (502, start, "2")
        assert await shown(crm) == ({"msk-1": 4} if acts else {})
        assert (await crm.post(UPLOAD, ONE)).status == 200


async def test_crm_when_the_connection_breaks_after_the_deed_then_the_deed_is_done() -> None:
    async with simulated() as crm:
        await crm.admin("faults", {"endpoint": ENDPOINT, "status": 0, "acts": True})
        with pytest.raises(aiohttp.ClientError):
            await crm.post(UPLOAD, ONE)
        assert await shown(crm) == {"msk-1": 4}
        assert [call["status"] for call in (await crm.admin("calls"))["calls"]] == [0]


@pytest.mark.parametrize("wait", ["delay_s", "hold_s"])
async def test_crm_when_it_is_slow_then_the_deed_is_done_though_nobody_waits(wait: str) -> None:
    async with simulated() as crm:
        await crm.admin("faults", {"endpoint": ENDPOINT, wait: 0.3})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(crm.post(UPLOAD, ONE), 0.1)

        async def done() -> bool:
            return bool(await shown(crm) == {"msk-1": 4})

        await eventually(done, what="the upload counts")


@pytest.mark.parametrize(
    ("names_row", "answer"),
    [
        (True, b'{"success":false,"errorMsg":"Errors in the entity format","errors":{"offers[1]":"This value is not valid."}}'),
        (False, b'{"success":false,"errorMsg":"Errors in the entity format"}'),
    ],
)
async def test_crm_when_one_offer_is_bad_then_every_portion_with_it_is_refused(answer: bytes, *, names_row: bool) -> None:
    async with simulated() as crm:
        await crm.admin("faults", {"offer": "wms-100", "status": 400, "times": 0, "names_row": names_row})
        for _ in range(2):
            got = await crm.post(UPLOAD, ONE)
            assert (got.status, got.body) == (400, answer)
        assert (await crm.post(UPLOAD, 'offers=[{"xmlId":"wms-101","stores":[]}]')).status == 200
        await crm.admin("faults", method="DELETE")
        assert (await crm.post(UPLOAD, ONE)).status == 200


async def test_crm_when_answers_are_cut_empty_or_have_more_members_then_so() -> None:
    async with simulated() as crm:
        whole = (await crm.get("/v5/store/inventories")).body
        await crm.admin("faults", {"body": "truncated"})
        assert (await crm.get("/v5/store/inventories")).body == whole[: len(whole) // 2]
        await crm.admin("faults", {"body": "empty"})
        empty = await crm.get("/v5/store/inventories")
        assert (empty.status, empty.body) == (200, b"")
        await crm.admin("faults", {"extra": {"colour": {"of": "moon"}}})
        more = (await crm.get("/v5/store/inventories")).json
        assert (more["colour"], more["offers"][0]["colour"], "colour" in more["pagination"]) == ({"of": "moon"}, {"of": "moon"}, False)


async def test_crm_when_throttled_by_fault_then_in_the_words_of_the_limit() -> None:
    async with simulated() as crm:
        await crm.admin("faults", {"status": 429})
        got = await crm.post(UPLOAD, ONE)
        assert (got.status, got.body) == (429, b'{"success":false,"errorMsg":"Rate limit exceeded"}')


@pytest.mark.parametrize(
    "options",
    [
        {"no such option": 1},
        {"zone": "Moon/Far"},
        {"api_keys": [{"key": "k", "sites": ["moon"]}]},
        {"offers": [{"stock": {"moon": 1}}]},
        {"sites": []},
    ],
)
def test_crm_when_an_option_is_wrong_then_it_does_not_start(options: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        simulator(options)
