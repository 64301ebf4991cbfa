"""What needs a person: the values of `review.v1`, a register per matter (newest wins)."""

from models.message import Message


class SweepStopped(Message, frozen=True):
    """Too many readings of one full list reading were too far off, so the rest of it is not adopted by this partition.

    `held` readings were held back, more than `held_max`. Look at the warehouse; if its numbers are right, accept them
    with `stockwire reconcile --accept`. Key: `sweep/<place>/<sweep>`.
    """

    connection: str
    place: str
    sweep: str
    held: int
    held_max: int
    partition: int
    at_ms: int
