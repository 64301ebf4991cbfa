"""Whatever a remote does to a call of ours, the error says what happens next, and nothing is lost, done twice or given away.

Faults are set by each simulator's own `POST /admin/faults`, in the words that all of them share; what is said otherwise at one of them
stands in its `conformance.toml`. What no simulator says, a spoilt line does.
"""

import re
from typing import Any, NamedTuple

import msgspec
import pytest

from models.errors import OperatorError, OutcomeUnknownError, StockwireError, TransientError
from tests.conformance.line import line
from tests.conformance.manifests import (
    Running,
    assert_hidden,
    conformance,
    example_of,
    nowhere,
    secrets_of,
    settings_of,
    started,
    told,
    with_rule,
    with_wrong_secrets,
)
from tests.conformance.outgoing import WRITES, Attempt, all_outgoing, attempt, ready, state
from tests.eventually import eventually

WAIT_S = 7.0
TIMES = 5
LATE_S = 0.25
NAMES_A_KEY = re.compile(r"(connections\.c|places)(\.[\w-]+)*: .")
TO_DO = re.compile(r"\b(check|give|see|correct|make|name|ask) ")


class Fault(NamedTuple):
    """What the remote does, and what it must come to: exactly this error."""

    told: dict[str, Any]
    error: type[StockwireError]


FAULTS = {
    "unauthorised": Fault({"status": 401}, OperatorError),
    "forbidden": Fault({"status": 403}, OperatorError),
    "too many": Fault({"status": 429}, TransientError),
    "too many, with a wish": Fault({"status": 429}, TransientError),
    "unavailable": Fault({"status": 503}, TransientError),
    "error": Fault({"status": 500}, OutcomeUnknownError),
    "bad gateway": Fault({"status": 502}, OutcomeUnknownError),
    "gateway timeout": Fault({"status": 504}, OutcomeUnknownError),
    "cut off": Fault({"status": 0}, OutcomeUnknownError),
    "too late": Fault({"delay_s": LATE_S}, OutcomeUnknownError),
}
COMMITS = {
    "error before": Fault({"status": 500}, OutcomeUnknownError),
    "error after": Fault({"status": 500, "acts": True}, OutcomeUnknownError),
    "cut off before": Fault({"status": 0}, OutcomeUnknownError),
    "cut off after": Fault({"status": 0, "acts": True}, OutcomeUnknownError),
    "too late": Fault({"delay_s": LATE_S}, OutcomeUnknownError),
    "unavailable": Fault({"status": 503}, TransientError),
}
PAGES = {
    "a page for people": lambda _body: b"<!DOCTYPE html><html><body>We will be back soon.</body></html>",
    "half": lambda body: body[: len(body) // 2],
    "nothing": lambda _body: b"",
    "half of what is announced": lambda body: body,
}
_endpoints: dict[tuple[str, str], list[str]] = {}


async def endpoints_of(name: str, capability: str) -> list[str]:
    """What the capability calls, as the simulator saw it."""
    if (name, capability) not in _endpoints:
        async with started(name) as running:
            await ready(running, capability)
            await running.admin("calls", method="DELETE")
            found = await attempt(running, capability)
            assert (found.error, found.problems) == (None, ())
            _endpoints[name, capability] = list(dict.fromkeys(call["endpoint"] for call in await running.calls()))
    assert _endpoints[name, capability]
    return _endpoints[name, capability]


def words_of(name: str, fault: str, endpoint: str) -> dict[str, Any]:
    """The fault in the words of the simulator."""
    wish = {"retry_after": f"{WAIT_S:.0f}"} if fault == "too many, with a wish" else {}
    differs = conformance(name).get("faults", {}).get(fault, {}).get("told", wish)
    return {"endpoint": endpoint, "times": TIMES, **(FAULTS | COMMITS)[fault].told, **differs}


def settings_for(running: Running, fault: str) -> Any:  # noqa: ANN401  # of its system
    """Hurried, where the remote is to be too slow for it."""
    return settings_of(running.name, running.url, **example_of(running.name)["hurried"]) if fault == "too late" else running.settings


def assert_named(found: Attempt, error: type[StockwireError], *, capability: str, exact: bool = True) -> None:
    """An error of this kind, with its exchange; a check says so in words, under the key of the connection."""
    if capability == "check":
        assert found.problems
        assert [text for text in found.problems if not NAMES_A_KEY.match(text)] == []
        return
    assert type(found.error) is error if exact else isinstance(found.error, error), found
    assert found.error is not None
    assert found.error.exchange is not None
    if isinstance(found.error, OperatorError):
        assert TO_DO.search(str(found.error)), found.error


def all_said(found: Attempt) -> str:
    return "\n".join([*found.problems, "" if found.error is None else told(found.error)])


def with_unknown_members(body: bytes) -> bytes:
    """Of the whole, and of each element of its lists; a map by code is no element."""

    def more(value: Any) -> Any:  # noqa: ANN401  # any JSON
        if isinstance(value, dict):
            inner = {name: more(member) if isinstance(member, list) else member for name, member in value.items()}
            return {**inner, "x-unknown": {"deep": [1, None]}}
        return [more(one) for one in value] if isinstance(value, list) else value

    return msgspec.json.encode(more(msgspec.json.decode(body)))


faulty = [(name, capability) for name, capability in all_outgoing() if name in with_rule("faults-say-what-happens-next")]


@pytest.mark.req("X-07")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("name", "capability"), faulty)
async def test_call_when_the_remote_fails_then_the_error_says_what_happens_next(name: str, capability: str, fault: str) -> None:
    for endpoint in await endpoints_of(name, capability):
        async with started(name) as running:
            await ready(running, capability)
            await running.admin("faults", words_of(name, fault, endpoint))
            found = await attempt(running, capability, settings_for(running, fault))
        assert_named(found, FAULTS[fault].error, capability=capability)
        assert_hidden(running.secrets, all_said(found))
        if isinstance(found.error, TransientError):
            waits = {"too many, with a wish": conformance(name).get("faults", {}).get(fault, {}).get("wait_s", WAIT_S)}
            assert found.error.retry_after_s == waits.get(fault), endpoint


@pytest.mark.req("X-07")
@pytest.mark.parametrize("fault", COMMITS)
@pytest.mark.parametrize(("name", "capability"), [pair for pair in faulty if pair[1] in WRITES])
async def test_write_when_it_fails_before_or_after_it_counts_then_its_repeat_makes_it_right_once(
    name: str, capability: str, fault: str
) -> None:
    async with started(name) as running:
        await attempt(running, capability)
        wanted = await state(running, capability)
    for endpoint in await endpoints_of(name, capability):
        async with started(name) as running:
            before = await state(running, capability)
            await running.admin("faults", words_of(name, fault, endpoint))
            found = await attempt(running, capability, settings_for(running, fault))
            assert_named(found, COMMITS[fault].error, capability=capability)
            await running.admin("faults", method="DELETE")
            late = COMMITS[fault].told.get("acts") or fault == "too late"
            if late and not endpoint.startswith("GET "):
                await eventually(lambda running=running: _is(running, capability, wanted))  # type: ignore[misc]  # bound now
            else:
                assert await state(running, capability) == before != wanted
            assert (await attempt(running, capability)).error is None
            assert await state(running, capability) == wanted


async def _is(running: Running, capability: str, wanted: Any) -> bool:  # noqa: ANN401  # any JSON
    return bool(await state(running, capability) == wanted)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("name", "capability"), faulty)
async def test_call_when_a_good_answer_is_no_answer_then_asked_again(name: str, capability: str, page: str) -> None:
    """Also an account that is gone is a page for people, so that a person may be called; but never is it taken, or parked."""
    unread = conformance(name).get("unread", {})
    breaks = page == "half of what is announced"
    for endpoint in await endpoints_of(name, capability):
        if endpoint in unread and not breaks:
            continue
        async with started(name) as running:
            await ready(running, capability)
            async with line(running.url, endpoint, PAGES[page], breaks=breaks) as url:
                found = await attempt(running, capability, settings_of(name, url))
        if isinstance(found.error, OperatorError) and page == "a page for people":
            assert TO_DO.search(str(found.error).lower())
        else:
            assert_named(found, TransientError, capability=capability, exact=False)
        assert_hidden(running.secrets, all_said(found))


@pytest.mark.parametrize(("name", "capability"), faulty)
async def test_call_when_the_remote_repeats_what_it_must_keep_secret_then_we_do_not(name: str, capability: str) -> None:
    """Also what only stands for a secret: a token that was handed out, or a pair in base64."""
    for endpoint in await endpoints_of(name, capability):
        async with started(name) as running:
            await ready(running, capability)
            known = set(running.secrets)

            def echo(_body: bytes, known: set[str] = known) -> bytes:
                text = " ".join(known)
                no = {"success": False, "errors": {text: text}}
                return msgspec.json.encode({**dict.fromkeys(("error", "errorMsg", "message", text), text), **no})

            async with line(running.url, endpoint, echo, credentials=known) as url:
                found = await attempt(running, capability, settings_of(name, url))
            assert len(known) >= len(set(running.secrets))
            assert_hidden(tuple(known), all_said(found))


@pytest.mark.parametrize(("name", "capability"), faulty)
async def test_call_when_answers_have_unknown_members_then_nothing_else_is_learned(name: str, capability: str) -> None:
    async with started(name) as running:
        await ready(running, capability)
        plain = await attempt(running, capability)
    async with started(name) as running:
        await ready(running, capability)
        async with line(running.url, "*", with_unknown_members) as url:
            found = await attempt(running, capability, settings_of(name, url))
    assert found == plain
    assert found.error is None


@pytest.mark.parametrize(("name", "capability"), faulty)
async def test_call_when_every_secret_is_wrong_then_an_operator_is_told_what_to_do(name: str, capability: str) -> None:
    async with started(name) as running:
        await ready(running, capability)
        wrong = with_wrong_secrets(running.settings)
        found = await attempt(running, capability, wrong)
    assert_named(found, OperatorError, capability=capability)
    assert_hidden((*running.secrets, *secrets_of(wrong)), all_said(found))


@pytest.mark.parametrize(("name", "capability"), faulty)
async def test_call_when_nobody_answers_then_again_later(name: str, capability: str) -> None:
    async with started(name) as running:
        found = await attempt(running, capability, settings_of(name, nowhere()))
    assert_named(found, TransientError, capability=capability)
    assert_hidden(running.secrets, all_said(found))


def test_unread_then_each_with_a_reason() -> None:
    reasons = [reason for name in with_rule("faults-say-what-happens-next") for reason in conformance(name).get("unread", {}).values()]
    assert [reason for reason in reasons if len(reason) < 30] == []
