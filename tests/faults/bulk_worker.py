"""A bulk sender of the fault tests, in a process of its own: tells a simulated retailCRM its levels."""

import os

import msgspec

from agents.send import bulk_send_agent
from streams.http import Budget, HttpClient, Purpose
from streams.secret import Secret
from streams.systems.retailcrm.manifest import SYSTEM
from streams.systems.spec import Context
from tests.faults.worker import work

if __name__ == "__main__":
    connection, url = os.environ["WORKER_CONNECTION"], os.environ["WORKER_URL"]
    known = {"account_url": url, "api_key": os.environ["WORKER_API_KEY"], "site": "main"}
    settings = msgspec.convert(known, SYSTEM.settings, dec_hook=lambda _kind, value: Secret(value))
    budget = Budget(per_second=float(os.environ["WORKER_CALLS_PER_S"]), purposes=[Purpose.SEND])
    http = HttpClient(hosts=SYSTEM.hosts(settings), budget=budget, purpose=Purpose.SEND)
    assert SYSTEM.bulk is not None
    sink = SYSTEM.bulk(Context(connection=connection, stores={"aarhus": "main-store"}), settings, http)
    work([bulk_send_agent(connection, sink)], on_stop=http.close)
