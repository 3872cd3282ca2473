"""Whose something is, for the policy in the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from steelyard_common.db import Database

from ..store import access, webhooks


class Access:
    """Two questions; they are answered for everything that there is, to services only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, kind: str, ident: str) -> dict[str, Any]:
        """→ {uuid, public, target}. Errors: NotFound."""
        with self._database.read() as connection:
            return access.find(connection, kind, ident)

    def owners(self, nodes: Sequence[str]) -> dict[str, Any]:
        """→ {owners: [[node, owner, lessee]]} of those that there are."""
        with self._database.read() as connection:
            found = webhooks.whose(connection, nodes)
        return {"owners": [[uuid, *whose] for uuid, whose in found.items()]}
