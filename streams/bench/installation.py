"""A whole installation as a user would configure it: a Thetis warehouse and its channels, each role a process of its own."""

import socket
import sys
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from streams.bench.desk import Desk
from streams.bench.subject import RunFailedError, Subject
from streams.demo.world import free_port

ROLES = ("receiver", "worker", "sender", "poller")
WAREHOUSE, PLACE, WEB, OUTLET, CRM = "warehouse", "shelf", "web", "outlet", "crm"
STORE = "main-store"
"""What the place is called in the CRM."""

HOOK_SECRET = "bench-hook-secret-of-the-warehouse"  # noqa: S105  # of simulated systems on this machine, as the next
SHOP_SECRET = "whsec_c3RvY2t3aXJlLWJlbmNoLXNob3Atc2VjcmV0LTAwMDE="  # noqa: S105
CRM_KEY = "simulated-key"
SECRETS = {
    "BENCH_KEY": "simulated-key",
    "BENCH_ID": "simulated-id",
    "BENCH_SECRET": "simulated-secret",
    "BENCH_HOOK": HOOK_SECRET,
    "BENCH_SHOP": SHOP_SECRET,
    "BENCH_CRM": CRM_KEY,
}
SELLERS = {WEB: 90_100_041, OUTLET: 90_100_042, CRM: 90_100_043}
MODES = {WEB: "incremental", OUTLET: "absolute"}
READY_WITHIN_S = 60.0
LOOK_EVERY_S = 0.1

CONFIG = """
[kafka]
bootstrap = "{bootstrap}"
partitions = {partitions}

[connections.warehouse]
system = "thetis"
api_url = "{warehouse_url}/2"
auth_url = "{warehouse_url}"
api_key = {{env = "BENCH_KEY"}}
client_id = {{env = "BENCH_ID"}}
client_secret = {{env = "BENCH_SECRET"}}
webhook_secret = {{env = "BENCH_HOOK"}}
sweep_every_s = 600
clock = {{late_ms = 500, staleness_ms = 500}}

[[places]]
name = "shelf"
warehouse = "warehouse"
stores = {stores}
"""
SHOP = """
[connections.{name}]
system = "shop"
webhook_url = "{url}"
calls_per_s = 1000
webhook_secret = {{env = "BENCH_SHOP"}}
inbound_secret = {{env = "BENCH_SHOP"}}
mode = "{mode}"
sellers = {{warehouse = ["{seller}"]}}

[[stock]]
from = ["shelf"]
to = "{name}"
"""
ACCOUNT = """
[connections.crm]
system = "retailcrm"
account_url = "{url}"
api_key = {{env = "BENCH_CRM"}}
site = "main"
sellers = {{warehouse = ["{seller}"]}}

[[stock]]
from = ["shelf"]
to = "crm"
"""


class Installation:
    """Roles against systems at the given addresses, as many channels as are named. The caller stops what `start` gives."""

    def __init__(self, desk: Desk, folder: Path, *, warehouse_url: str, shop_urls: Mapping[str, str] = {}, crm_url: str = "") -> None:
        self.ports = {role: free_port() for role in ROLES}
        self._folder = folder
        self._config = folder / "stockwire.toml"
        stores = f'{{{CRM} = "{STORE}"}}' if crm_url else "{}"
        text = CONFIG.format(bootstrap=desk.bootstrap, partitions=desk.partitions, warehouse_url=warehouse_url, stores=stores)
        text += "".join(f"\n[{role}]\nhost = '127.0.0.1'\nport = {port}\n" for role, port in self.ports.items())
        text += "".join(SHOP.format(name=name, url=url, mode=MODES[name], seller=SELLERS[name]) for name, url in shop_urls.items())
        text += ACCOUNT.format(url=crm_url, seller=SELLERS[CRM]) if crm_url else ""
        self._config.write_text(text, encoding="utf-8")
        with self._stockwire("topics", "create") as creating:
            creating.wait(READY_WITHIN_S)

    def start(self, role: str) -> Subject:
        """The role, ready."""
        subject = self._stockwire("run", role)
        try:
            wait_ready(self.ports[role], subject)
        except BaseException:
            subject.stop()
            raise
        return subject

    def _stockwire(self, *arguments: str) -> Subject:
        command = (sys.executable, "-m", "streams.cli", *arguments, "--config", str(self._config))
        return Subject(arguments[-1], command, self._folder, env=SECRETS)


def wait_ready(port: int, subject: Subject) -> None:
    """Return when `/ready` is answered 2xx. Raises `RunFailedError`."""
    _wait(lambda: _status(port) in range(200, 300), subject)


def wait_listening(port: int, subject: Subject) -> None:
    """Return when connections are taken; a request could already count as input. Raises `RunFailedError`."""
    _wait(lambda: _listens(port), subject)


def _wait(reached: Callable[[], bool], subject: Subject) -> None:
    end = time.monotonic() + READY_WITHIN_S
    while not reached():
        subject.check()
        if time.monotonic() > end:
            raise RunFailedError(f"{subject.name} was not ready within {READY_WITHIN_S:.0f} s: {subject.words()[-1500:]}")
        time.sleep(LOOK_EVERY_S)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True


def _status(port: int) -> int:
    """What `GET /ready` is answered; 0 if it is not."""
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()
