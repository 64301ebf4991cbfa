"""retailCRM elements in our words. Pure."""

from models.inbound import Inbound
from models.observation import Ignored, Observation


def translate(_value: bytes, _inbound: Inbound) -> list[Observation]:
    """One element."""
    return [Ignored("other")]
