"""A whole installation on one machine: broker, simulated systems and roles as processes of their own, over real HTTP."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import aiohttp
import msgspec
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from models.codec import encode
from models.errors import StockwireError
from streams.supervise import Child

ROLES = ("receiver", "worker", "sender", "poller")
PARTITIONS = 4
ONE_WAREHOUSE: Mapping[str, Mapping[str, Any]] = {"warehouse": {}}
FIRST_SELLER = 90_100_041
HOOK_SECRET = "demo-hook-secret-of-the-warehouse"  # noqa: S105  # the key of a simulated system on this machine
SHOP_SECRET = "whsec_c3RvY2t3aXJlLWRlbW8tc2hvcC1zZWNyZXQtMDAwMQ=="  # noqa: S105  # likewise
CLIENT_ID = "demo-client-id-of-the-crm-0001"
SECRETS = {
    "DEMO_KEY": "demo-key",
    "DEMO_ID": "demo-id",
    "DEMO_SECRET": "demo-secret",
    "DEMO_HOOK": HOOK_SECRET,
    "DEMO_SHOP": SHOP_SECRET,
    "DEMO_CRM": "demo-crm-key",
    "DEMO_CLIENT": CLIENT_ID,
}
CALL_POINT = "demo-offer-card"


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def stockwire(*arguments: str) -> tuple[str, ...]:
    """Our own command line, in this Python."""
    return (sys.executable, "-m", "streams.cli", *arguments)


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    """A simulated shop, told `incremental`ly or the `absolute` number. Its orders go to the first of its `warehouses`.

    `keys` are further lines of its connection in the configuration, `options` further ones of its simulator.
    """

    mode: str
    warehouses: tuple[str, ...] = ("warehouse",)
    reconcile: str = "continuous"
    keys: str = ""
    options: Mapping[str, Any] = {}


class Crm(msgspec.Struct, frozen=True, kw_only=True):
    """A simulated retailCRM account, told the number of each of its `warehouses` as one of its stores.

    `keys` are further lines of its connection in the configuration, `options` further ones of its simulator.
    """

    warehouses: tuple[str, ...] = ("warehouse",)
    reconcile: str = "continuous"
    catalogue: str = "off"
    keys: str = ""
    options: Mapping[str, Any] = {}


class Remote:
    """The admin side of a simulated system. Numbers keep their digits in both directions."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.url = url
        self._session = session

    async def get(self, path: str) -> Any:  # noqa: ANN401  # the simulator's JSON
        """GET an admin path."""
        async with self._session.get(self.url + path) as answer:
            return _exact(await answer.text())

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """POST to an admin path."""
        async with self._session.post(self.url + path, data=encode(body), headers={"Content-Type": "application/json"}) as answer:
            return _exact(await answer.text())

    async def delete(self, path: str) -> None:
        """DELETE an admin path."""
        async with self._session.delete(self.url + path) as answer:
            await answer.read()


def _exact(text: str) -> Any:  # noqa: ANN401
    return json.loads(text, parse_float=Decimal)


class World:
    """Use as `async with World(...) as world`. Everything it starts is stopped at the end, whatever happened.

    `shops` are the simulated shops by name, `crms` the simulated CRM accounts. `warehouses` are the simulated warehouses by
    name, each with further options of its simulator. `folder` holds the configuration and the logs.
    """

    def __init__(  # noqa: PLR0913  # all by name
        self,
        *,
        bootstrap: str,
        embedded: bool,
        folder: Path,
        shops: Mapping[str, Shop],
        warehouses: Mapping[str, Mapping[str, Any]] = ONE_WAREHOUSE,
        crms: Mapping[str, Crm] = {},
        buffer: int = 1,
        sweep_every_s: float = 600.0,
        shown_every_s: float = 2.0,
        lag_s: float = 2.0,
    ) -> None:
        self.bootstrap = bootstrap
        self.embedded = embedded
        self.folder = folder
        self.shops = dict(shops)
        self.warehouses = dict(warehouses)
        self.crms = dict(crms)
        self.buffer = buffer
        self.sweep_every_s = sweep_every_s
        self.shown_every_s = shown_every_s
        self.lag_s = lag_s
        self.config = folder / "stockwire.toml"
        self.roles: dict[str, Child] = {}
        self.ports = {name: free_port() for name in (*ROLES, *warehouses, *shops, *crms)}
        self._children: list[Child] = []
        self._runs: list[asyncio.Task[int]] = []
        self._session: aiohttp.ClientSession | None = None
        self._logs: list[IO[bytes]] = []

    async def __aenter__(self) -> Self:
        """Start the simulated systems, make the topics, start all roles, and wait until all are ready."""
        self.config.write_text(self._configuration(), encoding="utf-8")
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        try:
            await self._start()
        except (aiohttp.ClientError, TimeoutError) as error:
            await self.__aexit__(None, None, None)
            raise StockwireError(f"not everything started ({error}); the last words of each process:\n{self._last_words()}") from error
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop everything, the roles before what they talk to."""
        roles = set(self.roles.values())
        await asyncio.gather(*(child.stop() for child in roles))
        await asyncio.gather(*(child.stop(within_s=5) for child in self._children if child not in roles))
        await asyncio.gather(*self._runs)
        if self._session:
            await self._session.close()
        for log in self._logs:
            log.close()

    @property
    def warehouse(self) -> Remote:
        """The first simulated Thetis."""
        return self.remote(next(iter(self.warehouses)))

    @property
    def shop_modes(self) -> dict[str, str]:
        """The mode of each shop."""
        return {name: shop.mode for name, shop in self.shops.items()}

    def shop(self, name: str) -> Remote:
        """A simulated shop."""
        return self.remote(name)

    def remote(self, name: str) -> Remote:
        """A simulated system, warehouse or shop."""
        if self._session is None:
            raise RuntimeError("the world has not been entered")
        return Remote(self._session, f"http://127.0.0.1:{self.ports[name]}")

    def seller(self, channel: str) -> int:
        """The id of a shop or CRM in each of its warehouses."""
        return FIRST_SELLER + [*self.shops, *self.crms].index(channel)

    @staticmethod
    def store(warehouse: str) -> str:
        """The code of a warehouse in each CRM."""
        return f"{warehouse}-store"

    def hook(self, warehouse: str) -> str:
        """Where a warehouse sends its webhooks."""
        return f"http://127.0.0.1:{self.ports['receiver']}/hooks/{warehouse}/{HOOK_SECRET}"

    async def reconcile(self) -> None:
        """Ask for a full reading of the warehouse now."""
        await self.command("reconcile")

    async def command(self, *arguments: str) -> str:
        """Run one `stockwire` command with this world's configuration; returns what it printed."""
        process = await asyncio.create_subprocess_exec(
            *stockwire(*arguments, "--config", str(self.config)),
            env={**os.environ, **SECRETS},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        printed, _ = await process.communicate()
        if process.returncode:
            raise StockwireError(f"stockwire {' '.join(arguments)} ended with {process.returncode}: {printed.decode()}")
        return printed.decode()

    async def ready(self, role: str, *, within_s: float = 60) -> None:
        """Wait until a role says that it is ready."""
        await self._answers(f"http://127.0.0.1:{self.ports[role]}/ready", within_s)

    def _configuration(self) -> str:
        """The same file that a user would write."""
        ports = "".join(f"[{role}]\nhost = '127.0.0.1'\nport = {self.ports[role]}\n" for role in ROLES if role != "receiver")
        kafka = f"""
[kafka]
bootstrap = "{self.bootstrap}"
partitions = {PARTITIONS}
embedded = {str(self.embedded).lower()}
session_s = 6

[receiver]
host = "127.0.0.1"
port = {self.ports["receiver"]}
public_url = "http://127.0.0.1:{self.ports["receiver"]}"

{ports}"""
        warehouses = "".join(self._warehouse_configuration(name) for name in self.warehouses)
        shops = "".join(self._shop_configuration(name, shop) for name, shop in self.shops.items())
        return kafka + warehouses + shops + "".join(self._crm_configuration(name, crm) for name, crm in self.crms.items())

    def _warehouse_configuration(self, name: str) -> str:
        url = f"http://127.0.0.1:{self.ports[name]}"
        return f"""
[connections.{name}]
system = "thetis"
api_url = "{url}/2"
auth_url = "{url}"
api_key = {{env = "DEMO_KEY"}}
client_id = {{env = "DEMO_ID"}}
client_secret = {{env = "DEMO_SECRET"}}
webhook_secret = {{env = "DEMO_HOOK"}}
sweep_every_s = {self.sweep_every_s}
clock = {{late_ms = 500, staleness_ms = 500}}

[[places]]
name = "{name}-shelf"
warehouse = "{name}"
stores = {{{", ".join(f'{crm} = "{self.store(name)}"' for crm, plan in self.crms.items() if name in plan.warehouses)}}}
"""

    def _sellers(self, channel: str, warehouses: Sequence[str]) -> str:
        return ", ".join(f'{warehouse} = ["{self.seller(channel)}"]' for warehouse in warehouses)

    def _shop_configuration(self, name: str, shop: Shop) -> str:
        url = f"http://127.0.0.1:{self.ports[name]}"
        places = ", ".join(f'"{warehouse}-shelf"' for warehouse in shop.warehouses)
        return f"""
[connections.{name}]
system = "shop"
webhook_url = "{url}/stockwire"
api_url = "{url}"
webhook_secret = {{env = "DEMO_SHOP"}}
mode = "{shop.mode}"
sellers = {{{self._sellers(name, shop.warehouses)}}}
lag_s = {self.lag_s}
shown_every_s = {self.shown_every_s}
{shop.keys}

[[stock]]
from = [{places}]
to = "{name}"
buffer = {self.buffer}
reconcile = "{shop.reconcile}"
"""

    def _crm_configuration(self, name: str, crm: Crm) -> str:
        places = ", ".join(f'"{warehouse}-shelf"' for warehouse in crm.warehouses)
        return f"""
[connections.{name}]
system = "retailcrm"
account_url = "http://127.0.0.1:{self.ports[name]}"
api_key = {{env = "DEMO_CRM"}}
site = "main"
sellers = {{{self._sellers(name, crm.warehouses)}}}
lag_s = {self.lag_s}
shown_every_s = {self.shown_every_s}
{crm.keys}

[connections.{name}.module]
name = "Stockwire"
code = "stockwire-{name}"
client_id = {{env = "DEMO_CLIENT"}}
call_points = ["{CALL_POINT}"]

[[stock]]
from = [{places}]
to = "{name}"
buffer = {self.buffer}
reconcile = "{crm.reconcile}"
catalogue = "{crm.catalogue}"
"""

    def _warehouse(self, name: str) -> dict[str, Any]:
        channels: dict[str, Shop | Crm] = {**self.shops, **self.crms}
        sellers = [{"id": self.seller(one), "number": one.upper()} for one, plan in channels.items() if name in plan.warehouses]
        return {
            "api_key": SECRETS["DEMO_KEY"],
            "client_id": SECRETS["DEMO_ID"],
            "client_secret": SECRETS["DEMO_SECRET"],
            "sellers": sellers,
            "webhook": {"url": self.hook(name)},
            "retry_s": 1.0,
            **self.warehouses[name],
        }

    def _shop(self, name: str, shop: Shop) -> dict[str, Any]:
        thetis = {
            "url": self.remote(shop.warehouses[0]).url,
            "seller_id": self.seller(name),
            "api_key": SECRETS["DEMO_KEY"],
            "client_id": SECRETS["DEMO_ID"],
            "client_secret": SECRETS["DEMO_SECRET"],
        }
        return {"mode": shop.mode, "secrets": [SHOP_SECRET], "order_prefix": f"{name.upper()}-", "thetis": thetis, **shop.options}

    def _crm(self, crm: Crm) -> dict[str, Any]:
        stores = [{"code": self.store(warehouse), "name": warehouse} for warehouse in crm.warehouses]
        return {"api_keys": [{"key": SECRETS["DEMO_CRM"]}], "stores": stores, **crm.options}

    def _simulate(self, name: str, system: str, options: Mapping[str, Any]) -> None:
        self._run(name, stockwire("simulate", system, "--port", str(self.ports[name]), "--params", json.dumps(options)))

    def _last_words(self) -> str:
        """The last line of each log."""
        logs = {child.name: (self.folder / f"{child.name}.log").read_text(encoding="utf-8", errors="replace") for child in self._children}
        return "\n".join(f"{name}: {text.strip().splitlines()[-1][:500] if text.strip() else '(nothing)'}" for name, text in logs.items())

    async def _start(self) -> None:
        for name in self.warehouses:
            self._simulate(name, "thetis", self._warehouse(name))
        for name, shop in self.shops.items():
            self._simulate(name, "shop", self._shop(name, shop))
        for name, crm in self.crms.items():
            self._simulate(name, "retailcrm", self._crm(crm))
        simulated = (*self.warehouses, *self.shops, *self.crms)
        await asyncio.gather(
            self.command("topics", "create"), *(self._answers(f"{self.remote(name).url}/admin/calls") for name in simulated)
        )
        for role in ROLES:
            self.roles[role] = self._run(role, stockwire("run", role, "--config", str(self.config)))
        await asyncio.gather(*(self.ready(role) for role in ROLES))
        if self.crms:
            await self.command("register")

    def _run(self, name: str, command: Sequence[str]) -> Child:
        log = (self.folder / f"{name}.log").open("ab")
        self._logs.append(log)
        child = Child(name, command, env=SECRETS, output=log.fileno())
        self._children.append(child)
        self._runs.append(asyncio.create_task(child.keep_running()))
        return child

    async def _answers(self, url: str, within_s: float = 60) -> None:
        if self._session is None:
            raise RuntimeError("the world has not been entered")
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((aiohttp.ClientError, TimeoutError)),
            stop=stop_after_delay(within_s),
            wait=wait_fixed(0.1),
            reraise=True,
        ):
            with attempt:
                async with self._session.get(url) as answer:
                    answer.raise_for_status()
