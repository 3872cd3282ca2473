"""What Ironic does not know: tags of nodes."""

from __future__ import annotations

from typing import Any

import orjson
from steelyard_common.errors import InvalidRequest, NotFound

from ..domain import identifiers, tags
from ..domain.values import plain
from ..drivers import Upstream
from .arguments import read_arguments
from .call import Call

TAGS = {"tags": tags.check_list}


class Tenancy:
    """Questions and commands on ``/v1/nodes/{n}/tags``."""

    def __init__(self, inventory: Upstream) -> None:
        self._inventory = inventory

    def tags(self, call: Call, ident: str) -> bytes:
        body = {"api": call.api(), "ident": identifiers.from_path("node", ident, call.minor)}
        return self._inventory.query("node-tags", body, call.headers())

    def require_tag(self, call: Call, ident: str, tag: str) -> None:
        """Errors: NotFound."""
        if tag not in orjson.loads(self.tags(call, ident)).get("tags", [tag]):
            raise NotFound(f"Node {plain(ident)} doesn't have a tag '{plain(tag)}'")

    def replace_tags(self, call: Call, ident: str, body: Any) -> bytes:
        """→ the tags."""
        given = read_arguments(body, TAGS, required="tags")
        told = orjson.loads(self._set(call, ident, "replace", given["tags"]))
        return orjson.dumps({"tags": told.get("tags", given["tags"])})

    def add_tag(self, call: Call, ident: str, tag: str, body: Any) -> bool:
        """→ whether it is new."""
        if body not in (None, {}):
            raise InvalidRequest("adding a single tag takes no body; to set all tags, PUT them to /tags")
        answer = self._set(call, ident, "add", [tags.check_one("tag", tag)])
        return bool(orjson.loads(answer).get("changed", True))

    def remove_tag(self, call: Call, ident: str, tag: str) -> None:
        self._set(call, ident, "remove", [tags.check_one("tag", tag)])

    def clear_tags(self, call: Call, ident: str) -> None:
        self._set(call, ident, "replace", [])

    def _set(self, call: Call, ident: str, mode: str, names: list[str]) -> bytes:
        body = {"ident": identifiers.from_path("node", ident, call.minor), "mode": mode, "tags": names}
        return self._inventory.command("set-tags", body | {"api": call.api()}, call.headers())
