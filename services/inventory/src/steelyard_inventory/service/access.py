"""Whose something is, for the policy in the gateway."""

from __future__ import annotations

from typing import Any

from steelyard_common.db import Database

from ..store import access


class Access:
    """One question; it is answered for everything that there is, to services only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, kind: str, ident: str) -> dict[str, Any]:
        """→ {uuid, public, target}. Errors: NotFound."""
        with self._database.read() as connection:
            return access.find(connection, kind, ident)
