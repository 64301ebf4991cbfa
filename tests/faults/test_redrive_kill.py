"""Dead letters redriven by processes that are killed in the middle, again and again: each is written once, keys stay in order."""

import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from models.audit import AnyAudited, LetterRedriven, RedriveEnded, RedriveStarted
from tests.faults.engine_fleet import Worker
from tests.redrive_case import Desk, Died, by_key, headers_of

LETTERS, KEYS = 500, 23
SCRIPT = Path(__file__).with_name("redrive_process.py")


@pytest.mark.broker
@pytest.mark.req("X-07", "X-17")
@pytest.mark.timeout(180)
async def test_redrive_when_killed_again_and_again_then_each_letter_is_written_once_and_keys_stay_in_order(
    kafka: str, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    desk, chance = Desk(kafka, fresh("wh")), random.Random(5)  # noqa: S311  # no secret
    died = [Died(f"item-{number % KEYS}", b"%06d" % number, (desk.topic, 0, number)) for number in range(LETTERS)]
    twice = [*died, *chance.sample(died, 40)]  # an agent that is killed parks some records again
    chance.shuffle(twice)
    desk.park(twice)
    kills = 0
    for _ in range(4):
        environ = {
            "REDRIVE_KAFKA": kafka,
            "REDRIVE_CONNECTION": desk.connection,
            "REDRIVE_KILLED_AFTER": str(chance.randrange(1, 90)),
            "REDRIVE_RATE": str(chance.choice([100, 300, 400])),
        }
        process = Worker(environ, tmp_path / "redrive.log", SCRIPT)
        kills += await process.ended(60) == -signal.SIGKILL
    assert kills == 4
    before = len(await desk.written())
    assert 0 < before < LETTERS
    ended = desk.redrive()
    assert ended["written"] == LETTERS - before

    found = await desk.written()
    assert sorted(record.value or b"" for record in found) == [letter.value for letter in died]
    assert all(values == sorted(values) for values in by_key(found).values())
    assert {headers_of(record)["hops"] for record in found} == {b"1"}
    again = desk.redrive()
    assert (again["written"], again["found"], len(await desk.written())) == (0, 0, LETTERS)
    _check_books(desk, await desk.audited())


def _check_books(desk: Desk, entries: list[AnyAudited]) -> None:
    """Each letter is noted once with where it stands, and every run has an end."""
    noted = [entry.record for entry in entries if isinstance(entry, LetterRedriven) and entry.to.startswith(f"{desk.topic}-")]
    assert sorted(noted) == sorted(f"{desk.topic}-0-{number}" for number in range(LETTERS))
    begun = {entry.run for entry in entries if isinstance(entry, RedriveStarted)}
    assert begun == {entry.run for entry in entries if isinstance(entry, RedriveEnded)}
