"""Errors, named by what the loop that catches them does next."""

from typing import Self

from models.outcome import Exchange


class StockwireError(Exception):
    """The root of all errors raised on purpose. `exchange` is the redacted HTTP exchange that led to it, if one did."""

    exchange: Exchange | None = None

    def after(self, exchange: Exchange) -> Self:
        """This error, with the exchange that led to it."""
        self.exchange = exchange
        return self


class ConfigError(StockwireError):
    """The process refuses to start and lists every problem, each as `key.path: what is wrong and what to do`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class TransientError(StockwireError):
    """The same call again later, in order. `retry_after_s` is the remote's wish, if it had one."""

    def __init__(self, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class PoisonError(StockwireError):
    """This record can never be used: dead letter with the reason, and on with the next."""


class RefusedError(StockwireError):
    """The remote understood the call and refused it for good: dead letter, a person decides."""

    def __init__(self, reason: str, *, status: int) -> None:
        super().__init__(reason)
        self.status = status


class OperatorError(StockwireError):
    """This one connection cannot work (credentials, permission): pause it, alert, keep its backlog in Kafka."""


class OutcomeUnknownError(TransientError):
    """The remote may have acted: repeat only the very same body under the same id, or look up first."""
