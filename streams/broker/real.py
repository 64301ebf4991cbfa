"""One real Kafka broker (KRaft, broker and controller in one process) on this machine."""

import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.broker.jars import BrokerUnavailableError, jars, java

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 30.0

# The data are thrown away or belong to a test, the memory is shared with everything else on the machine: small buffers, one replica.
# Durability is left as it comes: no setting about flushing.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=16777216
log.cleaner.threads=1
num.network.threads=2
num.io.threads=4
"""


class RealBroker:
    """A broker with its data in `directory`; start it again there and everything written is still known.

    `port` 0: a free one, kept for all starts. All methods block. As a context manager it is started and stopped.
    """

    def __init__(self, directory: Path, *, port: int = 0) -> None:
        self.directory = directory
        self.port, self._controller_port = _free_ports(port)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """Where the broker's own words go."""
        return self.directory / "broker.log"

    @property
    def running(self) -> bool:
        """Whether the process lives (paused counts as living)."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    def start(self) -> None:
        """Return when it answers clients. Does nothing when it runs already. Raises `BrokerUnavailableError`."""
        if self.running:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        properties = self.directory / "server.properties"
        data = self.directory / "data"
        properties.write_text(PROPERTIES.format(port=self.port, controller_port=self._controller_port, data=data))
        if not (data / "meta.properties").exists():
            self._format(properties)
        with self.log.open("ab") as log:
            command = [*self._java(), "-Xms128m", "-Xmx512m", "kafka.Kafka", str(properties)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)  # noqa: S603  # a fixed command
        self._wait_ready()

    def stop(self) -> None:
        """Shut down in order; returns when the process has ended."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: what a power cut is to the process. What it has acknowledged is in the page cache and stays."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT after `pause`."""
        self._signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        """Start."""
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop."""
        self.stop()

    def _java(self) -> list[str]:
        # Serial GC and one heap arena: the least memory and the fewest threads for a broker of one machine's tests.
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return [java(), "-XX:+UseSerialGC", quiet, "-cp", f"{jars()}/*"]

    def _format(self, properties: Path) -> None:
        # Any cluster id of 22 base64 characters will do: the cluster is alone.
        command = [*self._java(), "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format"]
        command += ["--cluster-id", "c3RvY2t3aXJlLWJyb2tlcg", "--config", str(properties)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=READY_WITHIN_S)  # noqa: S603  # a fixed command
        if done.returncode != 0:
            raise BrokerUnavailableError(f"Kafka could not format {self.directory}: {done.stderr[-2000:]}")

    def _wait_ready(self) -> None:
        end = time.monotonic() + READY_WITHIN_S
        while not self._ready():
            if not self.running:
                raise BrokerUnavailableError(f"Kafka ended while starting; its last words in {self.log}: {self._last_words()}")
            if time.monotonic() > end:
                self.kill()
                raise BrokerUnavailableError(f"Kafka did not answer within {READY_WITHIN_S:.0f} s: {self._last_words()}")
            time.sleep(0.1)

    def _ready(self) -> bool:
        """The port answers (asked first: librdkafka waits long between tries), and the broker has joined its own cluster."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            metadata = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0}).list_topics(timeout=5)
        except (OSError, KafkaException):
            return False
        return bool(metadata.brokers)

    def _last_words(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:]

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.running:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._signal(number)
        self._signal(signal.SIGCONT)
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def _free_ports(port: int) -> tuple[int, int]:
    """The given port or a free one, and another free one for the controller."""
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return port or first.getsockname()[1], second.getsockname()[1]
