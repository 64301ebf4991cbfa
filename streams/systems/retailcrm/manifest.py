"""What retailCRM is to us: a channel that keeps stock per store and is told many offers in one call."""

from streams.systems.retailcrm.check import check
from streams.systems.retailcrm.settings import RetailCrmSettings
from streams.systems.retailcrm.simulator import simulator
from streams.systems.retailcrm.translate import translate
from streams.systems.spec import Limits, SystemSpec

SYSTEM = SystemSpec(
    name="retailcrm",
    settings=RetailCrmSettings,
    channel=True,
    limits=Limits(per_second=10),
    limits_for=lambda settings: Limits(per_second=settings.calls_per_s),
    translate=translate,
    hosts=lambda settings: (settings.base_url,),
    per_store=True,
    presence=lambda settings: settings.presence_stores,
    check=check,
    simulator=simulator,
)
