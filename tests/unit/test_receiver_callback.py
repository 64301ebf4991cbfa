"""What a caller that waits for our answer gets, and what is stored with it."""

from models.agent import Dead, Emit, Rank
from models.errors import PoisonError
from models.facts import Resend
from models.topics import DEAD, FACT_STOCK, inbound
from streams.receiver.commit import Together
from streams.receiver.door import Admission, Door
from streams.receiver.limits import ReceiverLimits
from streams.receiver.request import Request
from streams.systems.spec import Hook, Taken
from tests.receiver_case import PathHook

NOW_S = 1_772_352_930.5
SECRET = "s3cret-of-the-form"
RESEND = Emit(rank=Rank.FACT, topic=FACT_STOCK, key="S-1", value=Resend(connection="crm", sku="S-1"), headers={"more": b"1"})


class Asker:
    """Does what its body says."""

    parks = False

    def verify(self, hook: Hook) -> str | None:
        return None if SECRET.encode() in hook.body else "no secret"

    def refusal(self, reason: str) -> bytes:
        return b'{"no":"%b"}' % reason.encode()

    def take(self, hook: Hook) -> Taken:
        if b"malformed" in hook.body:
            raise PoisonError("no such question")
        if b"bug" in hook.body:
            raise RuntimeError("a bug of ours")
        if b"dead" in hook.body:
            return Taken("k", "d1", Dead(error="PoisonError", reason="unwanted"), body=b"cleaned")
        if b"note" in hook.body:
            return Taken("k", "d1", emits=(RESEND,), body=b"cleaned")
        return Taken("k", "d1", emits=(RESEND,), answer=b'{"offers":[]}', body=b"cleaned")


DOOR = Door({"wh": PathHook(), "crm": Asker()}, ReceiverLimits(body_max_bytes=1000))


def _admit(body: bytes, path: str = "/hooks/crm/ask") -> Admission:
    return DOOR.admit(Request("POST", path, {"content-type": "x/form"}, body[:1000], len(body)), NOW_S)


def _asked(text: str) -> Admission:
    return _admit(f"id={SECRET}&{text}".encode())


def test_door_when_an_answer_is_due_then_200_with_it_and_all_records_in_the_trace_of_the_delivery() -> None:
    found = _asked("question")
    assert (found.status, found.outcome, found.body) == (200, "answered", b'{"offers":[]}')
    assert found.letter is not None
    assert (found.letter.topic, found.letter.key, found.letter.value) == (inbound("crm"), b"k", b"cleaned")
    (resend,) = found.also
    assert (resend.topic, resend.key, resend.value) == (FACT_STOCK, b"S-1", b'{"type":"Resend","connection":"crm","sku":"S-1"}')
    trace = dict(found.letter.headers)["trace"]
    assert dict(resend.headers) == {"type": b"Resend", "connection": b"crm", "sku": b"S-1", "trace": trace, "more": b"1"}
    assert resend.time_ms == 1_772_352_930_500
    assert SECRET not in repr(found)


def test_door_when_there_are_records_but_no_answer_then_204_after_all_of_them() -> None:
    found = _asked("note")
    assert (found.status, found.body, len(found.also)) == (204, b"", 1)


def test_door_when_the_caller_waits_then_a_genuine_one_reads_why_not_and_nothing_is_stored() -> None:
    malformed, bug = _asked("malformed"), _asked("bug")
    assert (malformed.status, malformed.body, malformed.letter) == (400, b'{"no":"no such question"}', None)
    assert (bug.status, bug.body, bug.letter) == (500, b'{"no":"this cannot be answered; the fault is ours"}', None)
    assert DOOR.refusal("crm", "later") == b'{"no":"later"}'
    assert DOOR.refusal("wh", "later") == b""


def test_door_when_the_caller_is_not_genuine_then_answered_as_if_nobody_were_there() -> None:
    assert _admit(b"id=wrong") == Admission(401, "unauthorised", "crm")
    assert (_admit(b"id=wrong", "/hooks/nobody/ask").status, _admit(b"id=wrong", "/hooks/nobody/ask").body) == (401, b"")


def test_door_when_a_question_is_too_large_then_413_and_nothing_is_stored_of_it() -> None:
    found = _asked("x" * 2000)
    assert (found.status, found.letter) == (413, None)


def test_door_when_a_question_is_a_dead_letter_then_its_secret_is_not_in_it() -> None:
    found = _asked("dead")
    assert found.letter is not None
    assert (found.letter.topic, found.letter.value) == (DEAD, b"cleaned")
    assert SECRET not in repr(found)


def test_together_when_all_are_stored_then_done_once_after_the_last() -> None:
    answers: list[bool] = []
    three = Together(3, answers.append)
    seen = []
    for stored in (True, True, True):
        three.settle(stored)
        seen.append(list(answers))
    assert seen == [[], [], [True]]


def test_together_when_one_is_not_stored_then_done_once_at_once() -> None:
    answers: list[bool] = []
    three = Together(3, answers.append)
    seen = []
    for stored in (True, False, True):
        three.settle(stored)
        seen.append(list(answers))
    assert seen == [[], [False], [False]]


def test_together_when_forgotten_then_nobody_is_called() -> None:
    answers: list[bool] = []
    two = Together(2, answers.append)
    two.forget()
    for stored in (True, True):
        two.settle(stored)
    assert answers == []
