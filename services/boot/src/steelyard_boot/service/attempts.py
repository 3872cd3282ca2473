"""Boot attempts as they are shown: hop by hop, with the failing one and the likely reason (want N6)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from steelyard_common.db import Database
from steelyard_common.errors import NotFound

from ..domain.waterfall import FAILED, Note, Outcome, judge
from ..store import attempts as store
from ..store.attempts import Attempt

Json = dict[str, Any]


class Attempts:
    """``node_uuid``: of a node's name; NotFound for none."""

    def __init__(self, database: Database, node_uuid: Callable[[str], str], clock: Callable[[], datetime]) -> None:
        self._database, self._node_uuid, self._clock = database, node_uuid, clock

    def list_all(self, ident: str, limit: int, marker: str | None, base_url: str) -> Json:
        """Newest first. → {boots, next?}"""
        node = self._node_uuid(ident)
        with self._database.read() as connection:
            found = store.of_node(connection, node, limit + 1, marker)
        page: Json = {"boots": [self._show(attempt, base_url, ident) for attempt in found[:limit]]}
        if len(found) > limit:
            page["next"] = f"{base_url}/v1/nodes/{ident}/boots?limit={limit}&marker={found[limit - 1].uuid}"
        return page

    def show(self, ident: str, attempt: str, base_url: str) -> Json:
        """Errors: NotFound."""
        with self._database.read() as connection:
            found = store.one(connection, self._node_uuid(ident), attempt)
        if found is None:
            raise NotFound(f"The node has no boot attempt {attempt}.")
        return self._show(found, base_url, ident)

    def _show(self, attempt: Attempt, base_url: str, ident: str) -> Json:
        end = attempt.ended_at or self._clock()
        failing, reason = attempt.failing_hop, attempt.reason
        if attempt.outcome is Outcome.RUNNING and attempt.notes and attempt.notes[-1].outcome == FAILED:
            verdict = judge(attempt.notes, attempt.expected)  # it may still be tried again
            failing, reason = verdict.hop, verdict.reason
        return {
            "uuid": attempt.uuid, "node_uuid": attempt.node_uuid, "boot_uuid": attempt.boot_id,
            "purpose": attempt.purpose, "boot_interface": attempt.interface, "outcome": attempt.outcome.value,
            "failing_hop": failing.value if failing else None, "reason": reason,
            "began_at": attempt.began_at.isoformat(),
            "ended_at": attempt.ended_at.isoformat() if attempt.ended_at else None,
            "duration_s": _seconds(attempt.began_at, end),
            "hops": [_hop(note, attempt.began_at) for note in attempt.notes],
            "links": [{"rel": "self", "href": f"{base_url}/v1/nodes/{ident}/boots/{attempt.uuid}"}],
        }  # fmt: skip


def _hop(note: Note, began_at: datetime) -> Json:
    """``after_s``: since the attempt began."""
    return {
        "hop": note.hop.value, "outcome": note.outcome, "at": note.at.isoformat(),
        "after_s": _seconds(began_at, note.at), **note.detail,
    }  # fmt: skip


def _seconds(start: datetime, end: datetime) -> float:
    return round((end - start).total_seconds(), 3)
