"""What operators ask about artifacts: what there is and is under way, fetch this, let that go.

What has a random name is shown nowhere: to know the name is to be allowed to read it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from steelyard_common.db import Database
from steelyard_common.errors import Conflict, NotFound
from steelyard_common.provider import Clock

from ..domain import artifacts as rules
from ..domain.artifacts import Fetching, Wish
from ..store import artifacts as store
from ..store import fetches
from .artifacts import Artifacts

MOST_FETCHES = 100
MOST_REFERENCES = 1000
SHOWN = ("sha256", "size", "kind", "name", "format", "virtual_size", "source", "made_of", "created_at", "used_at")


class ArtifactDesk:
    """Answers are JSON. ``url`` of boot as machines reach it; ``remove``: one, unless somebody needs it."""

    def __init__(
        self, database: Database, artifacts: Artifacts, remove: Callable[[str], bool], url: Callable[[], str],
        clock: Clock,
    ) -> None:  # fmt: skip
        self._database = database
        self._artifacts = artifacts
        self._remove = remove
        self._url = url
        self._clock = clock

    def list_all(self, marker: str | None, limit: int, kind: str | None, api_url: str) -> bytes:
        """{artifacts: […], fetches: […], next}; what is under way, or failed, stands on the first page."""
        with self._database.read() as connection:
            rows = store.page(connection, marker, limit, kind)
            under_way = fetches.under_way(connection, MOST_FETCHES) if marker is None else []
        body: dict[str, Any] = {
            "artifacts": [self._shown(row, api_url) for row in rows],
            "fetches": [_fetch(row) for row in under_way if kind in (None, row["wish"]["kind"])],
        }
        if len(rows) == limit:
            more = f"&kind={kind}" if kind else ""
            body["next"] = f"{api_url}/v1/artifacts?limit={limit}&marker={rows[-1]['sha256']}{more}"
        return orjson.dumps(body)

    def show(self, sha256: str, api_url: str) -> bytes:
        """With who needs it. Errors: NotFound."""
        with self._database.read() as connection:
            row = self._get(connection, sha256)
            needed_by = store.referrers(connection, sha256, MOST_REFERENCES)
        return orjson.dumps(self._shown(row, api_url) | {"references": needed_by})

    def fetch(self, wish: Wish, api_url: str) -> bytes:
        """The artifact, or {status: fetching, progress, text}. Errors: those of ``Artifacts.want``."""
        found = self._artifacts.want(wish, self._clock())
        if isinstance(found, Fetching):
            return orjson.dumps({"status": "fetching", "progress": found.progress, "text": found.text})
        with self._database.read() as connection:
            return orjson.dumps({"status": "here", **self._shown(self._get(connection, found.key), api_url)})

    def delete(self, sha256: str) -> None:
        """Errors: NotFound, Conflict when somebody needs it."""
        with self._database.read() as connection:
            self._get(connection, sha256)
            needed_by = store.referrers(connection, sha256, 3)
        if needed_by or not self._remove(sha256):
            raise Conflict(f"Artifact {sha256} is needed by {', '.join(needed_by) or 'somebody'}.")

    @staticmethod
    def _get(connection: Any, sha256: str) -> Mapping[str, Any]:
        row = store.get(connection, sha256)
        if row is None or row["key"] != row["sha256"]:
            raise NotFound(f"Artifact {sha256[:64]} could not be found.")
        return row

    def _shown(self, row: Mapping[str, Any], api_url: str) -> dict[str, Any]:
        here = {"rel": "self", "href": f"{api_url}/v1/artifacts/{row['sha256']}"}
        url = f"{self._url()}/artifacts/{row['key']}/{row['name']}"
        return {name: row[name] for name in SHOWN} | {"url": url, "links": [here]}


def _fetch(row: Mapping[str, Any]) -> dict[str, Any]:
    told = rules.progress(row) if row["status"] != "failed" else None
    return {
        "url": rules.shown(row["url"]), "kind": row["wish"]["kind"], "status": row["status"],
        "progress": told.progress if told else None, "tries": row["tries"], "begun_at": row["begun_at"],
        "text": told.text if told else row["error"]["message"],
    }  # fmt: skip
