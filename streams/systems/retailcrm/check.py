"""`stockwire check` for a retailCRM connection."""

from streams.http import HttpClient
from streams.systems.retailcrm.settings import RetailCrmSettings
from streams.systems.spec import Context


async def check(_context: Context, _settings: RetailCrmSettings, _http: HttpClient) -> list[str]:
    """Problems of the connection."""
    return []
