"""The one way out when something is wrong: end the process, and let it start again."""

import logging
import os
import sys
from typing import NoReturn

RESTART = 70
"""Exit code: start me again. Always safe, for only finished records are ever committed."""

log = logging.getLogger(__name__)


def die(why: str, error: BaseException | None = None) -> NoReturn:
    """Say why, and end at once: no handler, no commit and no half-finished effect may run after this."""
    log.critical("engine ends: %s", why, exc_info=error)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(RESTART)
