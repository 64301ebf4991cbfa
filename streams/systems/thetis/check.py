"""`stockwire check` for a Thetis connection: try what will be used, and say in words what does not work."""

from models.errors import OperatorError, StockwireError
from streams.http import HttpClient
from streams.systems.spec import Context
from streams.systems.thetis.client import ThetisClient
from streams.systems.thetis.settings import ThetisSettings

SECRET_CHARS_MIN = 16


async def check(context: Context, settings: ThetisSettings, http: HttpClient) -> list[str]:
    """Problems of the connection: credentials, api_key, the item list, the webhook secret. Empty when all is well."""
    where = f"connections.{context.connection}"
    problems = []
    if len(settings.webhook_secret.reveal()) < SECRET_CHARS_MIN:
        problems.append(f"{where}.webhook_secret: shorter than {SECRET_CHARS_MIN} characters, so it can be guessed; make a longer one")
    client = ThetisClient(settings, http)
    try:
        await client.seller_ids()
        await client.items(0)
    except OperatorError as error:
        problems.append(f"{where}: {error} (client_id and client_secret by the vendor, api_key of the context made in Thetis)")
    except StockwireError as error:
        problems.append(f"{where}: {error}")
    return problems


async def seller_ids(_connection: str, settings: ThetisSettings, http: HttpClient) -> list[str]:
    """The ids that the context knows as sales channels: a channel's `sellers` must be among them."""
    return await ThetisClient(settings, http).seller_ids()
