"""The worker process: a Faust App that runs agents, and `run`, which ends when it is told to or when it must.

Faust assigns partitions, recovers tables and keeps the group; `channel` brings batches, the runners work on them.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, cast

import faust
import uvloop

from models.agent import LaneAgent, TableAgent
from models.topics import DEAD
from streams import garbage
from streams.engine.channel import Batch
from streams.engine.effects import Changelog, Host, Outlet
from streams.engine.ending import die
from streams.engine.health import HealthServer
from streams.engine.lane_agent import LaneRunner
from streams.engine.logs import spare_logs
from streams.engine.patches import EngineTransport
from streams.engine.recovery import BulkTableManager, count_assignment
from streams.engine.rows import RowTable
from streams.engine.settings import EngineSettings, faust_settings
from streams.engine.table_agent import TableRunner
from streams.engine.timers import Timer, keep_ticking
from streams.engine.watch import watch

STOP_WITHIN_S = 30.0

log = logging.getLogger(__name__)

Agent = TableAgent[Any] | LaneAgent[Any]


class EngineApp(faust.App):
    """A Faust App with our transport, tables and agents; made by `build`."""

    def __init__(self, settings: EngineSettings, agents: Sequence[Agent], *, on_ready: Callable[[], None] | None = None) -> None:
        super().__init__(settings.group, TableManager=BulkTableManager, Table=RowTable, **faust_settings(settings))
        self.settings = settings
        self.room = asyncio.Event()
        """Set whenever a record has been finished: there is room for more."""
        self.outlet = Outlet(self)
        self.runners: list[TableRunner | LaneRunner] = []
        self._runner_of: dict[str, TableRunner | LaneRunner] = {}
        """By source topic."""
        self._on_ready = on_ready
        self._assignment_began = time.monotonic()
        self._opened: asyncio.Task[None] | None = None
        for agent in agents:
            self._add(agent)

    # --- what happens when partitions come and go

    async def mend_changelogs(self) -> None:
        """After recovery, before the first source record."""
        await self.opened()
        for runner in self.runners:
            if runner.changelog is not None:
                await runner.changelog.mend()

    def take_over(self) -> None:
        """Partitions are assigned and recovered: begin."""
        by_topic: dict[str, set[int]] = {runner.topic: set() for runner in self.runners}
        for tp in self.consumer.assignment():
            if tp.topic in by_topic:
                by_topic[tp.topic].add(tp.partition)
        for runner in self.runners:
            runner.take_over(by_topic[runner.topic])
        garbage.settle()
        count_assignment(self._assignment_began)
        _ = self.add_future(self._announce_configs())  # a failure crashes the app
        if self._on_ready is not None:
            self._on_ready()

    def deliver(self, batch: Batch) -> None:
        """Hand a batch to the runner of its topic."""
        try:
            self._runner_of[batch.topic].take(batch)
        except Exception as error:  # noqa: BLE001  # a bug: the batch must not be fetched and never finished
            die(f"a batch of {batch.topic} cannot be taken", error)

    async def give_up(self) -> None:
        """Partitions go: return when nothing of them is at work."""
        self._assignment_began = time.monotonic()
        await asyncio.gather(*(runner.give_up() for runner in self.runners))

    @property
    def ready(self) -> bool:
        """Whether partitions (perhaps none) are assigned, recovered and not moving."""
        return self.tables.actives_ready and not self.rebalancing and not self.should_stop

    async def opened(self) -> None:
        """All topics that will be written are known to the producer."""
        if self._opened is None:
            self._opened = asyncio.create_task(self._open())
        await asyncio.shield(self._opened)

    def timers(self) -> Iterable[tuple[str, Timer]]:
        """Those of all partitions owned now, with the names of their agents."""
        for runner in self.runners:
            if isinstance(runner, TableRunner):
                for timer in runner.timers.values():
                    yield runner.agent.name, timer

    async def _open(self) -> None:
        topics = {DEAD, *(topic for runner in self.runners for topic in (runner.topic, *runner.outputs))}
        await self.outlet.open(sorted(topics))
        for runner in self.runners:
            if runner.changelog is not None:
                source, log = (self.outlet.partitions(topic) for topic in (runner.topic, runner.changelog.topic))
                if source != log:
                    die(f"{runner.topic} has {source} partitions and its changelog {runner.changelog.topic} {log}: they must be equal")

    async def _announce_configs(self) -> None:
        for runner in self.runners:
            if isinstance(runner, TableRunner):
                await runner.announce_config()

    # --- how Faust is put together

    def _create_directories(self) -> None:
        """None: our tables live in memory, and a container's file system may be read-only."""

    def _new_transport(self) -> Any:  # noqa: ANN401  # Faust's TransportT
        return EngineTransport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> Any:  # noqa: ANN401  # Faust's TransportT
        return EngineTransport(self.conf.broker_producer, self)

    def _add(self, agent: Agent) -> None:
        runner = self._runner(agent)
        self.runners.append(runner)
        self._runner_of[runner.topic] = runner
        source = self.topic(agent.topic, partitions=self.settings.partitions)

        async def subscribe(stream: Any) -> None:  # noqa: ANN401  # Faust's StreamT
            async for _nothing in stream:  # Faust reads the topics of its agents; the batches go by `deliver`
                pass

        self.agent(source, name=agent.name, concurrency=1)(subscribe)

    def _runner(self, agent: Agent) -> TableRunner | LaneRunner:
        host = Host(self.outlet, self.room, self.settings.epoch, self.settings.partitions)
        if isinstance(agent, TableAgent):
            return TableRunner(agent, self._rows(agent.table), host)
        return LaneRunner(agent, None if agent.table is None else self._rows(agent.table), host)

    def _rows(self, table: str) -> Changelog:
        faust_table = self.Table(table, key_type=bytes, value_type=bytes, partitions=self.settings.partitions)
        return Changelog(self.outlet, changelog_topic(self.settings.group, table), cast("RowTable", faust_table).store)


def changelog_topic(group: str, table: str) -> str:
    """The compacted topic of a table; exactly the name that Faust gives it."""
    return f"{group}-{table}-changelog"


def build(settings: EngineSettings, agents: Sequence[Agent], *, on_ready: Callable[[], None] | None = None) -> EngineApp:
    """A worker with these agents, not started. `on_ready` is called whenever partitions have been assigned and recovered."""
    return EngineApp(settings, agents, on_ready=on_ready)


def run(
    settings: EngineSettings,
    agents: Sequence[Agent],
    *,
    on_ready: Callable[[], None] | None = None,
    on_stop: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Run a worker in this process until SIGTERM or SIGINT; returns after a clean stop, `on_stop` being the last of it.

    Whatever goes wrong ends the process with exit code 70: start it again.
    """
    spare_logs()
    uvloop.run(_serve(build(settings, agents, on_ready=on_ready), on_stop))


async def _serve(app: EngineApp, on_stop: Callable[[], Awaitable[None]] | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    settings = app.settings
    health = HealthServer(settings.web_host, settings.web_port, lambda: app.ready) if settings.web_port is not None else None
    if health is not None:
        await health.start()
    await _work(app, stop)
    if health is not None:
        await health.stop()
    if on_stop is not None:
        await on_stop()


async def _work(app: EngineApp, stop: asyncio.Event) -> None:
    """Start the app, wait for `stop`, stop it; die if it fails on the way."""
    starting = asyncio.create_task(app.start())
    ticking = asyncio.create_task(keep_ticking(app.timers, app.outlet))
    watching = asyncio.create_task(watch(app))
    ended = asyncio.create_task(app.wait())
    stopped = asyncio.create_task(stop.wait())
    try:
        running: set[asyncio.Task[Any]] = {starting, ticking, watching, ended, stopped}
        while not stopped.done():
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()  # raises what it failed with
            if app.crashed or ended in done:
                die("Faust stopped by itself", app.crash_reason)
        for task in (ticking, watching, ended):
            task.cancel()
        await asyncio.wait_for(app.stop(), STOP_WITHIN_S)
        starting.cancel()
    except Exception as error:  # noqa: BLE001  # whatever it is, a new process is the cure
        die("the worker failed", error)
