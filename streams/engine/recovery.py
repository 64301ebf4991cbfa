"""Changelog ─▶ rows, after every assignment: in bulk, monotone, and finished before a source record is seen.

Faust's recovery costs an asyncio round per record, and it opens the source partitions before it seeks and clears the
queues, which loses what was fetched in between.
"""

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP
from mode import Service

from models.agent import Count
from streams.engine.ending import die
from streams.engine.rows import KafkaRecord, RowTable
from streams.metrics import count

if TYPE_CHECKING:
    from streams.engine.app import EngineApp

WATCH_EVERY_S = 5.0

log = logging.getLogger(__name__)


class BulkRecovery(Recovery):
    """Faust's recovery (which partitions, from where, up to where), with its reading and its end replaced."""

    app: "EngineApp"
    _progress_at = 0.0

    def next_offset(self, tp: TP) -> int | None:
        """The changelog offset that must come next."""
        offset = self.active_offsets.get(tp)
        return None if offset is None else offset + 1

    def apply(self, tp: TP, records: Sequence[KafkaRecord]) -> None:
        """Take a fetch of a changelog partition into its table; the last one ends the recovery."""
        if tp not in self.active_tps:
            return
        self.active_offsets[tp] = cast("RowTable", self.tp_to_table[tp]).store.recover(tp, records)
        self._progress_at = time.monotonic()
        if self.in_recovery and not self.need_recovery():
            self._set_recovery_ended()
            self.signal_recovery_end.set()

    @Service.task
    async def _slurp_changelogs(self) -> None:
        """Nothing: Faust reads a queue here, record by record; ours are applied by the fetch loop."""

    def _set_recovery_started(self) -> None:
        self.signal_recovery_end.clear()  # Faust clears it in the loop that does not run here
        self._progress_at = time.monotonic()
        super()._set_recovery_started()

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Open the sources in the one order that loses nothing: seek, clear the queues, resume."""
        app, consumer, rebalances = self.app, self.app.consumer, self.app.rebalancing_count
        await app.on_rebalance_complete.send()
        self._set_recovery_ended()
        for table in self.tables.values():
            await table.on_recovery_completed(self.actives_for_table[table], self.standbys_for_table[table])
        if app.consumer_generation_id != generation_id:
            return
        await self._wait(app.mend_changelogs(), timeout=app.conf.broker_request_timeout)
        assignment = consumer.assignment()
        if assignment:
            await self._wait(consumer.perform_seek(), timeout=app.conf.broker_request_timeout)
        if app.rebalancing_count != rebalances or app.consumer_generation_id != generation_id:
            return
        app.take_over()
        self.completed.set()
        app.flow_control.resume()  # clears the queues of the agents
        consumer.resume_flow()
        consumer.resume_partitions({tp for tp in assignment if not self._is_changelog_tp(tp)})
        await app._fetcher.maybe_start()  # noqa: SLF001  # Faust does the same here
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()

    async def _resume_streams(self, generation_id: int = 0) -> None:
        """An application without tables opens its sources here, in Faust with the same fault."""
        await self.on_recovery_completed(generation_id)

    @Service.task
    async def _watch_progress(self) -> None:
        """A recovery that stands still (a changelog cut off below us, a lost connection) never ends by itself."""
        limit_s = self.app.settings.recovery_stall_s
        while not self.should_stop:
            await self.sleep(WATCH_EVERY_S)
            if self.in_recovery and time.monotonic() - self._progress_at > limit_s:
                die(f"recovery without progress for {limit_s:.0f} s; still to read: {dict(self.active_remaining())}")


class BulkTableManager(TableManager):
    """Faust's table manager with a `BulkRecovery`."""

    async def on_start(self) -> None:
        """As in Faust, but for its sleep of a second before the subscription, which every restart would pay."""
        await self._update_channels()
        await self.recovery.start()

    @property
    def recovery(self) -> BulkRecovery:
        """Made when first asked for, as in Faust."""
        if self._recovery is None:
            self._recovery = BulkRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return cast("BulkRecovery", self._recovery)


def count_assignment(started: float) -> None:
    """Publish how long sources stood still for an assignment that began at `started` (monotonic seconds)."""
    count(Count("rebalances_finished_total"))
    count(Count("recovery_finished_seconds", (), time.monotonic() - started))
