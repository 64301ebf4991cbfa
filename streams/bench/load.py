"""Load for the receiver: raw keep-alive connections that post prepared requests, one in flight on each.

`python -m streams.bench.load URL [--connections 64] [--seconds 5] [--body-bytes 1024] [--header 'name: value'] [--pid N]`
"""

import argparse
import asyncio
import itertools
import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import msgspec
import uvloop

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What the load saw: answers per second, their latency, and how often each status came (0: the connection broke)."""

    rate: float
    p50_ms: float
    p99_ms: float
    statuses: dict[int, int]


class Client(asyncio.Protocol):
    """One connection; sends the next request as soon as the last one is answered. Answers must have no body."""

    def __init__(self, requests: "itertools.cycle[bytes]", until: float, latencies: list[float], statuses: Counter[int]) -> None:
        self._requests, self._until, self._latencies, self._statuses = requests, until, latencies, statuses
        self._answer = b""
        self._sent = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class
        self._next()

    def data_received(self, data: bytes) -> None:
        """Count a whole answer, then go on."""
        self._answer += data
        if not self._answer.endswith(b"\r\n\r\n"):
            return
        self._latencies.append(time.perf_counter() - self._sent)
        self._statuses[int(self._answer[9:12])] += 1
        self._answer = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end; before its time it counts as status 0."""
        if time.perf_counter() < self._until or exc is not None:
            self._statuses[0] += 1
        if not self.ended.done():
            self.ended.set_result(None)

    def _next(self) -> None:
        self._sent = time.perf_counter()
        if self._sent >= self._until:
            self._transport.close()
            return
        self._transport.write(next(self._requests))


def post(path: str, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """One request, ready to be written."""
    lines = [f"POST {path} HTTP/1.1", "Host: load", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def load(host: str, port: int, requests: Sequence[bytes], *, connections: int = 64, seconds: float = 5.0) -> Load:
    """Post `requests` round and round for `seconds` over `connections`."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    turn = itertools.cycle(requests)
    made = [loop.create_connection(lambda: Client(turn, began + seconds, latencies, statuses), host, port) for _ in range(connections)]
    clients = [client for _, client in await asyncio.gather(*made)]
    await asyncio.gather(*(client.ended for client in clients))
    took = time.perf_counter() - began
    latencies.sort()
    at = [latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000 if latencies else 0.0 for share in (0.5, 0.99)]
    return Load(rate=len(latencies) / took, p50_ms=at[0], p99_ms=at[1], statuses=dict(statuses))


def cpu_s(pid: int) -> float:
    """Processor time that a process has used (user and system, all its threads)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def main() -> None:
    """Run one load and print it as a JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--body-bytes", type=int, default=1024)
    parser.add_argument("--header", action="append", default=[], help="name: value")
    parser.add_argument("--pid", type=int, help="also print this process's CPU per 1000 answers")
    arguments = parser.parse_args()
    url = urlsplit(arguments.url)
    filler = "x" * max(0, arguments.body_bytes - 32)
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in arguments.header)]
    requests = [post(url.path, f'{{"eventId":"e-{n:08d}","x":"{filler}"}}'.encode(), headers) for n in range(1000)]
    before = cpu_s(arguments.pid) if arguments.pid else 0.0
    seen = uvloop.run(
        load(url.hostname or "127.0.0.1", url.port or 80, requests, connections=arguments.connections, seconds=arguments.seconds)
    )
    line = msgspec.to_builtins(seen, str_keys=True)
    if arguments.pid:
        line["cpu_ms_per_1000"] = (cpu_s(arguments.pid) - before) * 1e6 / max(1, sum(seen.statuses.values()))
    print(msgspec.json.encode(line).decode())  # noqa: T201  # its output


if __name__ == "__main__":
    main()
