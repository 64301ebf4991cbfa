"""A library that says the same ten times a second is heard once."""

import logging

from streams.engine.logs import REPEAT_AFTER_S, Sparing


def said_at(seconds: float, message: str = "Unable connect to %s", *args: object) -> logging.LogRecord:
    record = logging.LogRecord("aiokafka", logging.ERROR, __file__, 1, message, args, None)
    record.created = seconds
    return record


def test_filter_when_the_same_is_said_again_soon_then_once() -> None:
    sparing = Sparing()

    assert sparing.filter(said_at(100.0, "Unable connect to %s", "one"))
    assert not sparing.filter(said_at(100.1, "Unable connect to %s", "two"))
    assert sparing.filter(said_at(100.2, "something else"))
    assert sparing.filter(said_at(100.0 + REPEAT_AFTER_S, "Unable connect to %s", "one"))
