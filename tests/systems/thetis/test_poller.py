"""The item list, page by page, of a simulated Thetis."""

from collections.abc import Callable

import msgspec
import pytest

from agents.ports import Element
from models.cursor import Cursor
from models.observation import ReadingSeen
from streams.http import HttpClient
from streams.systems.thetis import SYSTEM
from streams.systems.thetis.poller import StockPager
from streams.systems.thetis.settings import ThetisSettings

from .conftest import Remote, Start

Https = Callable[[ThetisSettings], HttpClient]
LIST = "GET /globalTradeItems"


async def sweep(pager: StockPager, position: str = "") -> list[Element]:
    elements: list[Element] = []
    while True:
        page = await pager.page(Cursor(connection="wh", what="stock", due_ms=0, sweep="s1", position=position))
        elements += page.elements
        if page.position is None:
            return elements
        position = page.position


async def queries(remote: Remote) -> list[dict[str, str]]:
    return [call["query"] for call in (await remote.admin("GET", "calls"))["calls"] if call["endpoint"] == LIST]


def pager_of(remote: Remote, http: Https, page_rows: int = 1_000) -> StockPager:
    settings = msgspec.structs.replace(remote.settings, page_rows=page_rows)
    assert SYSTEM.pagers is not None
    pager = SYSTEM.pagers("wh", settings, http(settings))["stock"]
    assert isinstance(pager, StockPager)
    return pager


@pytest.mark.req("T-44", "X-11")
async def test_list_when_2500_items_then_three_pages_and_each_item_once(start: Start, http: Https) -> None:
    remote = await start(bulk=2_500, bulk_available=7)
    elements = await sweep(pager_of(remote, http))
    assert len({element.key for element in elements}) == len(elements) == 2_500
    expected = [{"maxNumRows": "1000", "firstRow": first, "onlyActive": "false"} for first in ("0", "1000", "2000")]
    assert await queries(remote) == expected


@pytest.mark.req("X-10")
async def test_list_when_there_are_ten_times_the_items_then_calls_grow_by_pages_only(start: Start, http: Https) -> None:
    remote = await start(bulk=990)
    await sweep(pager_of(remote, http))
    assert await remote.counts() == {"POST /oauth2/token": 1, LIST: 1}


@pytest.mark.req("X-11")
async def test_list_when_broken_off_then_goes_on_where_it_was(start: Start, http: Https) -> None:
    remote = await start(bulk=25)
    await remote.admin("POST", "faults", {"endpoint": LIST, "status": 503})
    pager = pager_of(remote, http, page_rows=10)
    with pytest.raises(Exception, match="503"):
        await sweep(pager)
    assert len(await sweep(pager, position="10")) == 15


async def test_list_when_its_last_page_is_full_then_one_more_which_is_empty(start: Start, http: Https) -> None:
    remote = await start(bulk=20)
    assert len(await sweep(pager_of(remote, http, page_rows=10))) == 20
    assert len(await queries(remote)) == 3


@pytest.mark.req("T-44")
@pytest.mark.parametrize(("shift", "rows"), [(-1, 26), (1, 24)])
async def test_list_when_it_moves_between_pages_then_a_row_more_or_less_and_none_made_up(
    start: Start, http: Https, shift: int, rows: int
) -> None:
    remote = await start(bulk=25, bulk_available=3)
    await remote.admin("POST", "chaos", {"page_shift": shift})
    elements = await sweep(pager_of(remote, http, page_rows=20))
    assert len(elements) == rows
    assert {seen.value for element in elements for seen in readings(element)} == {3}


@pytest.mark.req("T-41", "T-43")
async def test_list_when_read_then_each_row_is_a_reading_of_its_page_and_sweep(start: Start, http: Https) -> None:
    items = [{"sku": "A", "available": "2.50"}, {"sku": "B", "available": None}, {"sku": "C", "available": 9, "active": False}]
    remote = await start(items=items)
    elements = await sweep(pager_of(remote, http))
    assert [(seen.sku, str(seen.value)) for element in elements for seen in readings(element)] == [("A", "2.50"), ("B", "0"), ("C", "0")]
    assert {element.inbound.sweep for element in elements} == {"s1"}
    assert all(
        element.inbound.asked_ms <= element.inbound.answered_ms
        for element in elements
        if element.inbound.asked_ms and element.inbound.answered_ms
    )


async def test_list_when_a_row_cannot_be_used_then_the_others_go_on(start: Start, http: Https) -> None:
    remote = await start()
    await remote.admin("POST", "faults", {"endpoint": LIST, "status": 200, "body": '[{"id": 1}, 7, {"id": [2]}, {}]'})
    elements = await sweep(pager_of(remote, http))
    assert [(element.key, element.value) for element in elements] == [
        ("1", b'{"id": 1}'),
        ("wh", b"7"),
        ("wh", b'{"id": [2]}'),
        ("wh", b"{}"),
    ]


def readings(element: Element) -> list[ReadingSeen]:
    return [seen for seen in SYSTEM.translate(element.value, element.inbound) if isinstance(seen, ReadingSeen)]
