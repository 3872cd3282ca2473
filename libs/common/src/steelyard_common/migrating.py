"""Upgrades of schemas wait for a database that is not there yet: started together, it may come up later than we do."""

from __future__ import annotations

import time
from collections.abc import Callable

from .errors import SteelyardError, Unavailable
from .telemetry import get_logger

log = get_logger(__name__)
PATIENCE_S = 60.0


def patiently(migrate: Callable[[], None]) -> int:
    """→ exit status; the log says what is wrong."""
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        try:
            migrate()
        except Unavailable as error:
            log.warning("migration waits for the database", reason=error.message, detail=error.detail)
            if time.monotonic() > give_up_at:
                return 1
            time.sleep(1)
        except SteelyardError as error:
            log.error("migration is refused", reason=error.message)
            return 1
        else:
            return 0
