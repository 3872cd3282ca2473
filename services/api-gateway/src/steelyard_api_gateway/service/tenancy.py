"""What Ironic does not know: tags of nodes, usage and quotas of projects."""

from __future__ import annotations

from typing import Any

import orjson
from steelyard_common.errors import Forbidden, InvalidRequest, NotFound

from ..domain import identifiers, listings, tags, values
from ..domain.listings import Query
from ..domain.values import plain
from ..drivers import Upstream
from .access import Gate
from .arguments import as_is, read_arguments
from .call import Call

GET_ALL = "baremetal:quota:get_all"

TAGS = {"tags": tags.check_list}


class Tenancy:
    """Questions and commands on ``/v1/nodes/{n}/tags``, ``/v1/usage``, ``/v1/quotas``."""

    def __init__(self, inventory: Upstream, gate: Gate) -> None:
        self._inventory = inventory
        self._gate = gate

    def usage(self, call: Call, query: Query) -> bytes:
        """A project's caller is told of its own. Errors: Forbidden, for another's."""
        listings.refuse_unknown(query, frozenset({"project"}))
        asked = listings.single("project", query) if "project" in query else None
        visible = call.sight.visible if call.sight is not None else None
        if visible is not None and asked not in (None, visible):
            raise Forbidden("You may see the usage of your own project; leave project out")
        return self._inventory.query("usage", {"api": call.api(), "project": visible or asked}, call.headers())

    def quotas(self, call: Call, project: str) -> bytes:
        """Errors: Forbidden, for another project's."""
        if project != call.caller.project and not self._gate.policy.decide(call.caller, GET_ALL):
            raise Forbidden(f"You may see the quotas of your own project: the policy asks for {GET_ALL}.")
        return self._inventory.query("quotas", self._of(call, project), call.headers())

    def set_quotas(self, call: Call, project: str, body: Any) -> bytes:
        given = read_arguments(body, {"quotas": as_is}, required="quotas")
        return self._inventory.command("set-quotas", self._of(call, project) | given, call.headers())

    def delete_quotas(self, call: Call, project: str) -> None:
        self._inventory.command("delete-quotas", self._of(call, project), call.headers())

    @staticmethod
    def _of(call: Call, project: str) -> dict[str, Any]:
        return {"api": call.api(), "project": values.storable("project", project)}

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
