"""What to read at a connection: the value of `hint.<connection>.v1`, keyed by the connection's own item id."""

from models.message import Message


class ReadItem(Message, frozen=True):
    """Read this item once; `why` is for people (`unknown item`, `unclear move`, `created` ...)."""

    connection: str
    item: str
    why: str
    sku: str | None = None
