"""The libraries' own words: kept, but not the same ones ten times a second while a broker is away."""

import logging

REPEAT_AFTER_S = 10.0
TALKATIVE = (
    "aiokafka",
    "aiokafka.cluster",
    "aiokafka.conn",
    "aiokafka.consumer.fetcher",
    "aiokafka.consumer.group_coordinator",
    "aiokafka.producer.sender",
    "mode.timers",
)


class Sparing(logging.Filter):
    """Lets each message (its text without the arguments) through once in `REPEAT_AFTER_S`."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may be said now."""
        if record.created < self._said.get(str(record.msg), 0.0) + REPEAT_AFTER_S:
            return False
        self._said[str(record.msg)] = record.created
        return True


def spare_logs() -> None:
    """Limit the talkative loggers; handlers and levels stay as the process has set them."""
    for name in TALKATIVE:
        logging.getLogger(name).addFilter(Sparing())
