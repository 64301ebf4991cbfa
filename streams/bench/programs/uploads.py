"""The sender of a CRM as a process of its role runs it, alone, and calling as often as it can: the vendor's pace would be all we see."""

import logging
import sys
import time

import msgspec

from agents.send import bulk_send_agent
from streams.bench.installation import CRM, CRM_KEY, PLACE, STORE
from streams.bench.profile import Profiler
from streams.bench.uploads import Moment, Setup
from streams.engine import EngineSettings, run
from streams.http import Budget, HttpClient, Purpose, Redactor
from streams.secret import Secret
from streams.systems import discover
from streams.systems.spec import Context

CALLS_PER_S = 100_000


def main(setup: Setup) -> None:
    """Until SIGTERM; says when it is ready, and at the end, if asked, where the time went."""
    spec = discover()["retailcrm"]
    account = spec.settings(account_url=setup.url, api_key=Secret(CRM_KEY), site="main")
    budget = Budget(per_second=CALLS_PER_S, purposes=(Purpose.SEND,))
    http = HttpClient(hosts=spec.hosts(account), budget=budget, purpose=Purpose.SEND, redactor=Redactor.of(account))
    if spec.bulk is None:
        raise TypeError("retailcrm is told many offers in one call")
    sink = spec.bulk(Context(connection=CRM, stores={PLACE: STORE}), account, http)
    profiler = Profiler()

    def on_ready() -> None:
        print(msgspec.json.encode(Moment(ready_s=time.time())).decode(), flush=True)  # noqa: T201  # read by the bench
        if setup.profile:
            profiler.start()

    settings = EngineSettings(bootstrap=setup.bootstrap, group=setup.group, partitions=setup.partitions)
    run(settings, [bulk_send_agent(CRM, sink)], on_ready=on_ready, on_stop=http.close)
    if setup.profile:
        print(msgspec.json.encode(profiler.stop()).decode(), flush=True)  # noqa: T201  # read by the bench


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    main(msgspec.json.decode(sys.argv[1], type=Setup))
