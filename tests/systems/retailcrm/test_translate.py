"""What an element of retailCRM says."""

from models.inbound import Inbound
from models.observation import Ignored
from streams.systems.retailcrm.translate import translate


def test_translate_when_nothing_is_known_then_counted() -> None:
    assert translate(b"{}", Inbound(kind="webhook", received_ms=1)) == [Ignored("other")]
