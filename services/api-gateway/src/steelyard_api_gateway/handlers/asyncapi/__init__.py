"""The AsyncAPI document of what travels on the bus, as `make docs` wrote it beside this file from the contracts.

It is made outside: it holds the requests that other services take, and services never import one another.
"""

from __future__ import annotations

from pathlib import Path

import orjson

SOURCE = Path(__file__).with_name("asyncapi.json")


def asyncapi(site: str) -> bytes:
    """The document with this site as the default of the parameter ``site``."""
    document = orjson.loads(SOURCE.read_bytes())
    document["components"]["parameters"]["site"]["default"] = site
    return orjson.dumps(document)
