"""Artifacts: what may be asked of boot about them. What authorizes at a source is sealed here and opened there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from steelyard_common.errors import InvalidRequest, NotFound
from steelyard_common.secrets import Sealer

from ..domain import insight_queries, values
from ..domain.listings import Query, refuse_unknown, single
from ..drivers import Upstream
from .arguments import Reader, optional, read_arguments
from .call import Call

KINDS = ("kernel", "ramdisk", "iso", "image", "loader", "configdrive")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Artifacts:
    """Questions and commands on `/v1/artifacts`."""

    def __init__(self, boot: Upstream, sealer: Sealer) -> None:
        self._boot = boot
        self._sealer = sealer
        self._readers: Mapping[str, Reader] = {
            "url": values.text,
            "kind": _kind,
            "checksum": optional(values.text),
            "authorization": optional(self._sealed),
            "convert_to_raw": values.boolean,
        }

    def list_all(self, call: Call, query: Query) -> bytes:
        """Errors: InvalidRequest."""
        refuse_unknown(query, {"limit", "marker", "kind"})
        body = insight_queries.page({name: value for name, value in query.items() if name == "limit"})
        if "marker" in query:
            body["marker"] = single("marker", query)
            if not _SHA256.fullmatch(body["marker"]):
                raise InvalidRequest("marker is the sha256 of the last artifact of the page before")
        if "kind" in query:
            body["kind"] = _kind("kind", single("kind", query))
        return self._boot.query("artifacts", body | {"api": call.api()}, call.headers())

    def show(self, call: Call, sha256: str) -> bytes:
        return self._boot.query("artifact", _of(call, sha256), call.headers())

    def fetch(self, call: Call, body: Any) -> bytes:
        """Have it fetched, or learn how far it is. Errors: InvalidRequest; what boot was told by its source."""
        given = read_arguments(body, self._readers, required="url")
        if "kind" not in given:
            raise InvalidRequest(f"Missing mandatory parameter: kind, one of {', '.join(KINDS)}")
        return self._boot.command("fetch-artifact", given | {"api": call.api()}, call.headers())

    def delete(self, call: Call, sha256: str) -> None:
        """Errors: NotFound, Conflict."""
        self._boot.command("delete-artifact", _of(call, sha256), call.headers())

    def _sealed(self, name: str, value: Any) -> str:
        return self._sealer.seal(values.text(name, value))


def _kind(name: str, value: Any) -> str:
    if value not in KINDS:
        raise InvalidRequest(f"{name} is one of {', '.join(KINDS)}")
    return str(value)


def _of(call: Call, sha256: str) -> dict[str, Any]:
    if not _SHA256.fullmatch(sha256):
        raise NotFound(f"Artifact {values.plain(sha256)} could not be found: an artifact is named by its sha256.")
    return {"api": call.api(), "sha256": sha256}
