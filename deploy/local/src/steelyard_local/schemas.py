"""Schemas brought up to date by one short process: ``python -m steelyard_local.schemas inventory power boot``.

Not by the supervisor, which stays small, nor by each service's own program: nearly all of that is imports.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from steelyard_common import telemetry
from steelyard_common.db import migrate
from steelyard_common.migrating import patiently


def bring_up_to_date(url: str, services: Sequence[str]) -> None:
    """Each schema has its service's name. Errors: those of ``migrate``."""
    for name in services:
        migrate(name, url, name, f"steelyard_{name}:migrations")


if __name__ == "__main__":
    telemetry.configure_logging("schemas", os.environ.get("STEELYARD_LOG_LEVEL", ""))
    sys.exit(patiently(lambda: bring_up_to_date(os.environ["STEELYARD_DATABASE_URL"], sys.argv[1:])))
