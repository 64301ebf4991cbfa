"""What retailCRM is to us: a channel that keeps stock per store, is told many offers in one call, and asks for them itself."""

from streams.systems.retailcrm.callback import CrmCallback
from streams.systems.retailcrm.check import check
from streams.systems.retailcrm.poller import ShownPager
from streams.systems.retailcrm.register import register
from streams.systems.retailcrm.settings import RetailCrmSettings
from streams.systems.retailcrm.simulator import simulator
from streams.systems.retailcrm.sink import CrmSink
from streams.systems.retailcrm.translate import translate, translate_for
from streams.systems.spec import Limits, SystemSpec

SYSTEM = SystemSpec(
    name="retailcrm",
    settings=RetailCrmSettings,
    channel=True,
    limits=Limits(per_second=10),
    limits_for=lambda settings: Limits(per_second=settings.calls_per_s),
    translate=translate,
    translate_for=translate_for,
    hosts=lambda settings: (settings.base_url,),
    audited=lambda _settings: True,
    pagers=lambda connection, settings, http: {"shown": ShownPager(connection, settings, http)},
    bulk=CrmSink,
    per_store=True,
    presence=lambda settings: settings.presence_stores,
    catalogue="0 2 * * *",
    callback=CrmCallback,
    register=register,
    check=check,
    simulator=simulator,
)
