"""Configuration ─▶ partition: the owner of a partition writes `ConfigChanged` into it when it knows another one.

So every decision sees the configuration that stood before it in its own partition, and a replay sees the same.
"""

import hashlib

import msgspec

from models.codec import encode, headers_of
from models.message import ConfigChanged
from streams.engine.effects import Outlet
from streams.engine.intake import CONFIG_KEY

_encode = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode


def digest_of(config: msgspec.Struct) -> tuple[str, msgspec.Raw]:
    """The configuration's name (a hash of it) and its JSON, the same for equal configurations."""
    raw = _encode(config)
    return hashlib.sha256(raw).hexdigest()[:16], msgspec.Raw(raw)


class Announcement:
    """The record that tells a partition its configuration."""

    def __init__(self, digest: str, config: msgspec.Raw) -> None:
        self._message = ConfigChanged(digest=digest, config=config)

    async def write(self, outlet: Outlet, topic: str, partition: int) -> None:
        """Append it to the partition."""
        headers = list(headers_of(self._message).items())
        await outlet.append(topic, partition, CONFIG_KEY.encode(), encode(self._message), headers)
