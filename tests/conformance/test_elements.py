"""One element that cannot be used is parked and costs the others nothing; one that comes twice says nothing new."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pytest

from agents.ports import Element
from models.errors import PoisonError
from models.inbound import Inbound
from models.message import Json
from models.observation import Observation
from tests.conformance.facts import assert_nothing_new
from tests.conformance.line import line
from tests.conformance.manifests import TESTS, Running, client_of, conformance, settings_of, started, translate_of, with_rule
from tests.conformance.outgoing import OUTGOING, Side, said

WRONG_TYPE: Json = [[]]
NO_ELEMENTS: tuple[Json, ...] = (None, 7, "x", [], {})
HEARD = Inbound(kind="webhook", received_ms=2)


class Case(NamedTuple):
    """One kind of element of a system, as its `conformance.toml` has it.

    `of`: a capability that reads `answer`, whose elements stand at `at` (empty: the answer itself, be it a list or one element); or
    `webhook`, with the name of a `fixture`. Without a member of `needs`, or with one of `typed` that is of another type, it is parked.
    """

    system: str
    of: str
    needs: tuple[str, ...]
    typed: tuple[str, ...]
    answer: str = ""
    at: str = ""
    fixture: str = ""


CASES = [
    Case(name, told["of"], tuple(told["needs"]), tuple(told["typed"]), told.get("answer", ""), told.get("at", ""), told.get("fixture", ""))
    for name in with_rule("elements-are-parked-one-by-one")
    for told in conformance(name)["elements"]
]
READ = [case for case in CASES if case.of != "webhook"]
SENT = [case for case in CASES if case.of == "webhook"]


def elements_at(whole: Any, at: str) -> Any:  # noqa: ANN401  # any JSON
    for name in at.split(".") if at else ():
        whole = whole[name]
    return whole


def spoilt(case: Case, change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    """Change the first element of an answer, or the element itself."""

    def spoil(body: bytes) -> bytes:
        whole = msgspec.json.decode(body)
        elements = elements_at(whole, case.at)
        change(elements[0] if isinstance(elements, list) else elements)
        return msgspec.json.encode(whole)

    return spoil


def without(name: str) -> Callable[[dict[str, Any]], None]:
    def change(element: dict[str, Any]) -> None:
        del element[name]

    return change


def mistyped(name: str) -> Callable[[dict[str, Any]], None]:
    def change(element: dict[str, Any]) -> None:
        assert name in element
        element[name] = WRONG_TYPE

    return change


def damages(case: Case) -> dict[str, Callable[[bytes], bytes]]:
    """What can be wrong with one element of the case."""
    found = {f"without {name}": spoilt(case, without(name)) for name in case.needs}
    return found | {f"{name} of another type": spoilt(case, mistyped(name)) for name in case.typed}


def replaced(case: Case, value: Any) -> Callable[[bytes], bytes]:  # noqa: ANN401  # any JSON
    """Another thing altogether in the place of the first element of a list."""

    def spoil(body: bytes) -> bytes:
        whole = msgspec.json.decode(body)
        elements_at(whole, case.at)[0] = value
        return msgspec.json.encode(whole)

    return spoil


def repeated(case: Case) -> Callable[[bytes], bytes]:
    """The first element of a list twice."""

    def spoil(body: bytes) -> bytes:
        whole = msgspec.json.decode(body)
        elements = elements_at(whole, case.at)
        elements.insert(0, elements[0])
        return msgspec.json.encode(whole)

    return spoil


async def read_over(running: Running, case: Case, spoil: Callable[[bytes], bytes]) -> list[Element]:
    """What is read while one answer is spoilt on its way."""
    async with line(running.url, case.answer, spoil) as url:
        settings = settings_of(case.system, url)
        async with client_of(running.spec, settings) as http:
            elements: list[Element] = await OUTGOING[case.of](Side(running, settings, http))
    return elements


async def is_list(running: Running, case: Case) -> bool:
    """Whether the answer has several elements."""
    seen: list[bool] = []

    def look(body: bytes) -> bytes:
        seen.append(isinstance(elements_at(msgspec.json.decode(body), case.at), list))
        return body

    await read_over(running, case, look)
    return all(seen)


@pytest.mark.parametrize("case", READ, ids=lambda case: f"{case.system}-{case.of}")
async def test_read_when_one_element_cannot_be_used_then_it_is_parked_and_the_others_go_on(case: Case) -> None:
    async with started(case.system) as running:
        good = said(running, await read_over(running, case, lambda body: body))
        assert "parked" not in [words for _, words in good]
        spoils = damages(case)
        if await is_list(running, case):
            assert len(good) > 1
            spoils |= {f"{value!r} for an element": replaced(case, value) for value in NO_ELEMENTS if value != {}}
        for what, spoil in spoils.items():
            found = said(running, await read_over(running, case, spoil))
            assert (what, found[0][1], found[1:]) == (what, "parked", good[1:])
            assert all(key for key, _ in found)


@pytest.mark.req("X-07")
@pytest.mark.parametrize("case", READ, ids=lambda case: f"{case.system}-{case.of}")
async def test_read_when_an_element_comes_twice_then_the_same_is_said_of_it(case: Case) -> None:
    async with started(case.system) as running:
        if await is_list(running, case):
            good = await read_over(running, case, lambda body: body)
            found = await read_over(running, case, repeated(case))
            assert said(running, found) == [said(running, good)[0], *said(running, good)]
        else:
            found = [(await read_over(running, case, lambda body: body))[0]] * 2
    assert_nothing_new(case.system, *found[:2])


def damaged(case: Case) -> list[tuple[str, bytes]]:
    whole = (TESTS / case.system / "fixtures" / case.fixture).read_bytes()
    return [(what, spoil(whole)) for what, spoil in damages(case).items()] + [(repr(v), msgspec.json.encode(v)) for v in NO_ELEMENTS[:4]]


@pytest.mark.parametrize("case", SENT, ids=lambda case: f"{case.system}-{case.fixture}")
def test_delivery_when_it_cannot_be_used_then_parked(case: Case) -> None:
    translate = translate_of(case.system)
    assert translate((TESTS / case.system / "fixtures" / case.fixture).read_bytes(), HEARD)
    for what, value in damaged(case):
        with pytest.raises(PoisonError):
            pytest.fail(f"{what}: {translate(value, HEARD)}")


@pytest.mark.parametrize("case", SENT, ids=lambda case: f"{case.system}-{case.fixture}")
def test_delivery_when_it_has_unknown_members_then_they_are_ignored(case: Case) -> None:
    whole = (TESTS / case.system / "fixtures" / case.fixture).read_bytes()
    more = spoilt(case, lambda element: element.update({"x-unknown": {"deep": [1, None]}}))(whole)
    assert more != whole
    assert observed(case.system, more) == observed(case.system, whole) != []


def observed(name: str, value: bytes) -> list[Observation]:
    return translate_of(name)(value, HEARD)
