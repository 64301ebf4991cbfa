"""Apache Kafka's own jars, from Maven Central into `.cache/kafka/<version>/`, once."""

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

from models.errors import StockwireError

ROOT = Path(__file__).resolve().parents[2]
POM = ROOT / "deploy" / "kafka" / "pom.xml"
CACHE = ROOT / ".cache" / "kafka"
OLDEST_JAVA = 17
DOWNLOAD_WITHIN_S = 600


class BrokerUnavailableError(StockwireError):
    """No broker can be started here; the text says what is missing and what to do."""


def java() -> str:
    """The path of a Java of version 17 or later (`JAVA_HOME` first)."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    found = found or shutil.which("java")
    if found is None:
        raise BrokerUnavailableError("java: not found; install Java 17 (Debian: openjdk-17-jre-headless), or set KAFKA_BOOTSTRAP")
    answer = subprocess.run([found, "-version"], capture_output=True, text=True, check=False, timeout=60).stderr  # noqa: S603  # a fixed command
    version = re.search(r'version "(\d+)', answer)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise BrokerUnavailableError(f"{found}: Java {OLDEST_JAVA} or later is needed, found: {answer.strip()}")
    return found


def jars() -> Path:
    """The folder of Kafka's jars; downloads them if they are not there yet (about 40 MB). Safe to call from several processes."""
    folder = CACHE / _version()
    if folder.is_dir():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _download(folder)
    return folder


def _version() -> str:
    if not POM.is_file():
        raise BrokerUnavailableError(f"{POM}: not found; a real broker needs a checkout of the project, or set KAFKA_BOOTSTRAP")
    version = re.search(r"<kafka\.version>([\d.]+)</kafka\.version>", POM.read_text(encoding="utf-8"))
    if version is None:
        raise BrokerUnavailableError(f"{POM}: names no kafka.version")
    return version[1]


def _download(folder: Path) -> None:
    mvn = shutil.which("mvn")
    if mvn is None:
        raise BrokerUnavailableError("mvn: not found; install Maven (Debian: maven), or set KAFKA_BOOTSTRAP")
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    command = [mvn, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={part}", "-DincludeScope=runtime"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DOWNLOAD_WITHIN_S)  # noqa: S603  # a fixed command
    if done.returncode != 0:
        raise BrokerUnavailableError(f"mvn could not fetch Kafka: {(done.stdout + done.stderr)[-2000:]}")
    part.rename(folder)
