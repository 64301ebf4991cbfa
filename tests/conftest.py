"""The Kafka that tests run against: a given one, one in Docker, or Apache Kafka's jars on Java.

In CI a missing broker fails the tests that need it; elsewhere they are skipped, and the run says how many and why.
"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from streams.broker import RealBroker
from streams.broker.jars import BrokerUnavailableError

NO_BROKER = "no Kafka broker: "
IMAGE = "confluentinc/cp-kafka:8.1.0"  # Apache Kafka 4.1


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of a real broker, shared by all tests: use fresh names."""
    given = os.environ.get("KAFKA_BOOTSTRAP")
    if given:
        yield given
        return
    with _in_docker() as bootstrap:
        if bootstrap:
            yield bootstrap
            return
    with _from_jars(tmp_path_factory.mktemp("kafka")) as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def _own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealBroker]:
    broker = RealBroker(tmp_path_factory.mktemp("own-kafka"))
    try:
        yield broker
    finally:
        broker.kill()


@pytest.fixture
def broker(_own_broker: RealBroker) -> RealBroker:
    """A running broker that the test may stop, kill, pause and start again; what it leaves behind does not matter."""
    try:
        _own_broker.resume()
        _own_broker.start()
    except BrokerUnavailableError as error:
        _missing(str(error))
    return _own_broker


@pytest.fixture(scope="module")
def empty_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealBroker]:
    """A broker of the module's own, without a topic yet: those of a whole installation have fixed names."""
    broker = RealBroker(tmp_path_factory.mktemp("empty-kafka"))
    try:
        broker.start()
    except BrokerUnavailableError as error:
        _missing(str(error))
    try:
        yield broker
    finally:
        broker.kill()


@pytest.fixture
def fresh() -> Callable[[str], str]:
    """`fresh("orders")` is a name that no other test and no other run has: for topics, groups and connections."""
    return lambda name: f"{name}-{secrets.token_hex(4)}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests did not run for want of a broker, so that nobody reads the run as a pass."""
    reports = terminalreporter.stats.get("skipped", [])
    missing = [report for report in reports if NO_BROKER in str(report.longrepr)]
    if missing:
        terminalreporter.write_line(f"{len(missing)} tests did NOT run: {NO_BROKER.strip(': ')}", red=True, bold=True)


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(NO_BROKER + reason, pytrace=False)
    pytest.skip(NO_BROKER + reason)


@contextmanager
def _from_jars(directory: Path) -> Iterator[str]:
    broker = RealBroker(directory)
    try:
        broker.start()
    except BrokerUnavailableError as error:
        _missing(str(error))
    try:
        yield broker.bootstrap
    finally:
        broker.stop()


@contextmanager
def _in_docker() -> Iterator[str | None]:
    """None where no daemon answers, or it has no way to the image: then the jars do."""
    if not _docker_answers():
        yield None
        return
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # this fixture stops the container itself
    from testcontainers.community.kafka import KafkaContainer  # noqa: PLC0415  # reads the variable when imported

    container = KafkaContainer(IMAGE).with_kraft().with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
    try:
        container.start()
    except Exception as error:  # noqa: BLE001  # each cause (no image, no room, too slow) has its own class
        print(f"{IMAGE} did not start in Docker, Kafka runs from its jars: {error}")  # noqa: T201  # shown beside a failure
        yield None
        return
    try:
        yield container.get_bootstrap_server()
    finally:
        container.stop()


def _docker_answers() -> bool:
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "info"], capture_output=True, check=False, timeout=20).returncode == 0  # noqa: S603  # a fixed command
