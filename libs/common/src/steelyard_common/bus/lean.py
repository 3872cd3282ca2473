"""nats-py without aiohttp, which it imports where it is installed, for websocket addresses that nobody here uses: 12 MB
in every process, and a tenth of a second at its start.
"""

from __future__ import annotations

import sys

WEBSOCKETS = "aiohttp"

if WEBSOCKETS not in sys.modules and "nats" not in sys.modules:
    sys.modules[WEBSOCKETS] = None  # type: ignore[assignment]  # the documented way to say "not there"
    try:
        import nats.aio.client  # noqa: F401
    finally:
        del sys.modules[WEBSOCKETS]  # whoever else wants it may have it
