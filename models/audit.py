"""What a person did by hand: the values of `audit.v1`, kept for a year. `by` is who, `at_ms` when (Unix ms, our clock)."""

from models.message import Message


class Audited(Message, frozen=True):
    """What all of them say."""

    by: str
    at_ms: int


class RedriveStarted(Audited, frozen=True, tag=True):
    """Dead letters are written again from here on: `letters` of them, `chosen` by these options.

    `marks` is where each topic that they go to ended before the first of them, by topic and partition: a run that was broken off
    has written nothing before. A run is open until its `RedriveEnded`. Key: `redrive/<run>`.
    """

    run: str
    letters: int
    chosen: str
    marks: dict[str, dict[int, int]]


class LetterRedriven(Audited, frozen=True, tag=True):
    """The dead letter `letter` (`dead.v1-partition-offset`) stands again in Kafka, at `to`, for the `hops`th time.

    `record` is what must not be written twice: the place of the record that died, which several letters may name, or the letter's
    own where there is none. Key: `letter`.
    """

    run: str
    letter: str
    record: str
    to: str
    hops: int


class RedriveEnded(Audited, frozen=True, tag=True):
    """All that the run has written is known; nothing more comes of it. Key: `redrive/<run>`."""

    run: str
    written: int


class MatterResolved(Audited, frozen=True, tag=True):
    """A person has settled what stood in `review.v1` under the key `matter`, where it said `was` (JSON). Key: `matter`."""

    matter: str
    was: str
    note: str = ""


AnyAudited = RedriveStarted | LetterRedriven | RedriveEnded | MatterResolved
