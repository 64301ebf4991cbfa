"""What the engine is told from outside, and what it tells Faust."""

import ssl
from collections.abc import Mapping
from typing import Any

import faust
import msgspec

from streams.secret import Secret


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One worker process. `group` is the consumer group and Faust's application id, e.g. `stockwire.worker`.

    `epoch` goes up when topics are made anew, so that sequences keep growing.
    `security` holds `security_protocol`, `sasl_mechanism`, `sasl_username`, `sasl_password`, `ssl_cafile`,
    `ssl_certfile`, `ssl_keyfile`, as far as they are needed. `web_port` None: no health and metrics server.
    """

    bootstrap: str
    group: str
    partitions: int
    epoch: int = 0
    security: Mapping[str, str | Secret] = {}
    web_port: int | None = None
    web_host: str = "0.0.0.0"  # noqa: S104  # probes come from outside the pod
    session_timeout_s: float = 30.0
    heartbeat_s: float = 3.0
    rebalance_timeout_s: float = 60.0
    request_timeout_s: float = 90.0
    commit_every_s: float = 1.0
    fetch_records: int = 4000
    """Records per fetch."""
    flight_records: int = 8000
    """Records of one topic fetched and not finished; above it no more are fetched."""
    produce_timeout_s: float = 20.0
    """Below the session timeout: an old owner must not write after a new one has recovered."""
    produce_batch_bytes: int = 524_288
    drain_s: float = 15.0
    """At a revocation: how long calls in flight may take (deadline 10 s each and a margin) before the process ends itself."""
    recovery_stall_s: float = 60.0
    """Recovery without progress for so long ends the process."""
    standstill_s: float = 60.0
    """So does a partition that has records and brings none."""


def faust_settings(settings: EngineSettings) -> dict[str, Any]:
    """Settings of the Faust App; why each, is in `deploy/decisions` and in the reasons beside them."""
    return {
        "broker": [f"kafka://{address.strip()}" for address in settings.bootstrap.split(",")],
        "broker_credentials": _credentials(settings.security),
        "processing_guarantee": "at_least_once",
        "topic_allow_declare": False,  # topics are made by `stockwire topics create`, with our cleanup policies
        "topic_disable_leader": True,
        "consumer_auto_offset_reset": "earliest",
        "broker_commit_interval": settings.commit_every_s,
        "broker_commit_every": None,
        "broker_max_poll_records": settings.fetch_records,
        "broker_max_poll_interval": 31_536_000.0,  # else an idle worker leaves the group and never comes back
        "broker_session_timeout": settings.session_timeout_s,
        "broker_heartbeat_interval": settings.heartbeat_s,
        "broker_rebalance_timeout": settings.rebalance_timeout_s,
        "broker_request_timeout": settings.request_timeout_s,
        "producer_request_timeout": settings.produce_timeout_s,
        "producer_linger": 0.0,  # the engine makes its own batches
        "producer_max_batch_size": settings.produce_batch_bytes,
        "producer_acks": -1,
        "stream_recovery_delay": 0.0,
        "stream_wait_empty": True,
        "table_standby_replicas": 0,
        "store": "memory://",
        "web_enabled": False,
        "worker_redirect_stdouts": False,
    }


def _credentials(given: Mapping[str, str | Secret]) -> Any:  # noqa: ANN401  # one of Faust's credential classes, or None
    security = {name: value.reveal() if isinstance(value, Secret) else value for name, value in given.items()}
    protocol = security.get("security_protocol", "PLAINTEXT")
    tls = _tls(security) if protocol.endswith("SSL") else None
    if protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=security["sasl_username"],
            password=security["sasl_password"],
            mechanism=security.get("sasl_mechanism", "SCRAM-SHA-512"),
            ssl_context=tls,
        )
    return faust.SSLCredentials(tls) if tls else None


def _tls(security: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=security.get("ssl_cafile"))
    if certificate := security.get("ssl_certfile"):
        context.load_cert_chain(certificate, security.get("ssl_keyfile"))
    return context
