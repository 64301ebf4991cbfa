"""A redrive of the fault tests, in a process of its own: kills itself as soon as Kafka has taken so many letters, some of a chunk."""

import os
import signal

from streams import read, redrive
from streams.settings import KafkaSettings

if __name__ == "__main__":
    kafka = KafkaSettings(bootstrap=os.environ["REDRIVE_KAFKA"])
    left = int(os.environ["REDRIVE_KILLED_AFTER"])

    def on_written() -> None:
        """One more is acknowledged, and not yet noted."""
        global left  # noqa: PLW0603  # the whole program
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    letters = redrive.choose(kafka, read.Filter(headers={"connection": os.environ["REDRIVE_CONNECTION"]}))
    redrive.redrive(kafka, letters, by="test", chosen="all", per_s=float(os.environ["REDRIVE_RATE"]), on_written=on_written)
