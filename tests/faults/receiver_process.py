"""A receiver in a process of its own: `receiver_process.py BOOTSTRAP CONNECTION`; prints its port, drains on SIGTERM."""

import asyncio
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import uvloop  # noqa: E402  # after the path

from streams.receiver import make_receiver  # noqa: E402  # after the path
from streams.supervise import stop_requested  # noqa: E402  # after the path
from tests.receiver_case import LIMITS, PathHook  # noqa: E402  # after the path


async def main(bootstrap: str, connection: str) -> None:
    stop = stop_requested()
    receiver = make_receiver(bootstrap, {connection: PathHook()}, LIMITS)
    await receiver.start()
    print(f"port {receiver.port}", flush=True)  # noqa: T201  # read by the test
    await stop.wait()
    await receiver.stop()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], sys.argv[2]))
