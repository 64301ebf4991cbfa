"""A whole installation on one machine: broker, simulated systems and roles as processes of their own, over real HTTP."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import aiohttp
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from models.errors import StockwireError
from streams.supervise import Child

ROLES = ("receiver", "worker", "sender", "poller")
PARTITIONS = 4
FIRST_SELLER = 90_100_041
HOOK_SECRET = "demo-hook-secret-of-the-warehouse"  # noqa: S105  # the key of a simulated system on this machine
SHOP_SECRET = "whsec_c3RvY2t3aXJlLWRlbW8tc2hvcC1zZWNyZXQtMDAwMQ=="  # noqa: S105  # likewise
SECRETS = {"DEMO_KEY": "demo-key", "DEMO_ID": "demo-id", "DEMO_SECRET": "demo-secret", "DEMO_HOOK": HOOK_SECRET, "DEMO_SHOP": SHOP_SECRET}


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def stockwire(*arguments: str) -> tuple[str, ...]:
    """Our own command line, in this Python."""
    return (sys.executable, "-m", "streams.cli", *arguments)


class Remote:
    """The admin side of a simulated system."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.url = url
        self._session = session

    async def get(self, path: str) -> Any:  # noqa: ANN401  # the simulator's JSON
        """GET an admin path."""
        async with self._session.get(self.url + path) as answer:
            return await answer.json()

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """POST to an admin path."""
        async with self._session.post(self.url + path, json=body) as answer:
            return await answer.json()


class World:
    """Use as `async with World(...) as world`. Everything it starts is stopped at the end, whatever happened.

    `shops` maps a shop's name to its mode (`incremental` or `absolute`). `folder` holds the configuration and the logs.
    """

    def __init__(  # noqa: PLR0913  # all by name
        self, *, bootstrap: str, embedded: bool, folder: Path, shops: Mapping[str, str], buffer: int = 1, sweep_every_s: float = 600.0
    ) -> None:
        self.bootstrap = bootstrap
        self.embedded = embedded
        self.folder = folder
        self.shop_modes = dict(shops)
        self.buffer = buffer
        self.sweep_every_s = sweep_every_s
        self.config = folder / "stockwire.toml"
        self.roles: dict[str, Child] = {}
        self.ports = {name: free_port() for name in (*ROLES, "warehouse", *shops)}
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
        """The simulated Thetis."""
        return self._remote("warehouse")

    def shop(self, name: str) -> Remote:
        """A simulated shop."""
        return self._remote(name)

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
        shops = "".join(self._shop_configuration(name, mode) for name, mode in self.shop_modes.items())
        ports = "".join(f"[{role}]\nhost = '127.0.0.1'\nport = {self.ports[role]}\n" for role in ROLES)
        return (
            f"""
[kafka]
bootstrap = "{self.bootstrap}"
partitions = {PARTITIONS}
embedded = {str(self.embedded).lower()}
session_s = 6

{ports}
[connections.warehouse]
system = "thetis"
api_url = "http://127.0.0.1:{self.ports["warehouse"]}/2"
auth_url = "http://127.0.0.1:{self.ports["warehouse"]}"
api_key = {{env = "DEMO_KEY"}}
client_id = {{env = "DEMO_ID"}}
client_secret = {{env = "DEMO_SECRET"}}
webhook_secret = {{env = "DEMO_HOOK"}}
sweep_every_s = {self.sweep_every_s}
clock = {{late_ms = 500, staleness_ms = 500}}

[[places]]
name = "shelf"
warehouse = "warehouse"
"""
            + shops
        )

    def _shop_configuration(self, name: str, mode: str) -> str:
        url = f"http://127.0.0.1:{self.ports[name]}"
        return f"""
[connections.{name}]
system = "shop"
webhook_url = "{url}/stockwire"
api_url = "{url}"
webhook_secret = {{env = "DEMO_SHOP"}}
mode = "{mode}"
sellers = {{warehouse = ["{self._seller(name)}"]}}
lag_s = 2.0
shown_every_s = 2.0

[[stock]]
from = ["shelf"]
to = "{name}"
buffer = {self.buffer}
"""

    def _seller(self, name: str) -> int:
        return FIRST_SELLER + list(self.shop_modes).index(name)

    def _warehouse(self) -> dict[str, Any]:
        hook = f"http://127.0.0.1:{self.ports['receiver']}/hooks/warehouse/{HOOK_SECRET}"
        return {
            "api_key": SECRETS["DEMO_KEY"],
            "client_id": SECRETS["DEMO_ID"],
            "client_secret": SECRETS["DEMO_SECRET"],
            "sellers": [{"id": self._seller(name), "number": name.upper()} for name in self.shop_modes],
            "webhook": {"url": hook},
            "retry_s": 1.0,
        }

    def _shop(self, name: str, mode: str) -> dict[str, Any]:
        thetis = {
            "url": self._remote("warehouse").url,
            "seller_id": self._seller(name),
            "api_key": SECRETS["DEMO_KEY"],
            "client_id": SECRETS["DEMO_ID"],
            "client_secret": SECRETS["DEMO_SECRET"],
        }
        return {"mode": mode, "secrets": [SHOP_SECRET], "order_prefix": f"{name.upper()}-", "thetis": thetis}

    def _simulate(self, name: str, system: str, options: Mapping[str, Any]) -> None:
        self._run(name, stockwire("simulate", system, "--port", str(self.ports[name]), "--params", json.dumps(options)))

    def _remote(self, name: str) -> Remote:
        if self._session is None:
            raise RuntimeError("the world has not been entered")
        return Remote(self._session, f"http://127.0.0.1:{self.ports[name]}")

    def _last_words(self) -> str:
        """The last line of each log."""
        logs = {child.name: (self.folder / f"{child.name}.log").read_text(encoding="utf-8", errors="replace") for child in self._children}
        return "\n".join(f"{name}: {text.strip().splitlines()[-1][:500] if text.strip() else '(nothing)'}" for name, text in logs.items())

    async def _start(self) -> None:
        self._simulate("warehouse", "thetis", self._warehouse())
        for name, mode in self.shop_modes.items():
            self._simulate(name, "shop", self._shop(name, mode))
        simulated = ("warehouse", *self.shop_modes)
        await asyncio.gather(
            self.command("topics", "create"), *(self._answers(f"{self._remote(name).url}/admin/calls") for name in simulated)
        )
        for role in ROLES:
            self.roles[role] = self._run(role, stockwire("run", role, "--config", str(self.config)))
        await asyncio.gather(*(self.ready(role) for role in ROLES))

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
