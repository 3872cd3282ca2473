"""What each route takes and answers, by its row in the route tables: the words of the OpenAPI document.

A test holds this table against the route tables: a route without an entry here, or the other way round, fails it.
"""

from __future__ import annotations

from . import beyond, ironic
from .shapes import Operation

OPERATIONS: dict[str, Operation] = {**ironic.OPERATIONS, **beyond.OPERATIONS}
