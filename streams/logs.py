"""Logs: one line per outcome, JSON for programs, colours for a person at a terminal. Secrets never reach them."""

import logging
import sys
from typing import Any, TextIO

import structlog


def configure(*, json: bool, level: int = logging.INFO, stream: TextIO = sys.stderr) -> None:
    """Send our own events and those of the libraries to `stream`, in one form."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer()
    form = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(form)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for chatty in ("aiokafka", "faust", "mode", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
