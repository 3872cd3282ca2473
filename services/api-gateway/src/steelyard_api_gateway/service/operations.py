"""Group operations: a verb for many nodes. Who may begin one is judged for each node, before there is one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

import orjson
from steelyard_common.errors import Forbidden, InvalidRequest

from ..domain import identifiers, insight_queries, listings, values, verbs
from ..domain.listings import NODES, Query, refuse_unknown, single
from ..drivers import Upstream
from .access import Gate
from .arguments import as_is, optional, read_arguments
from .call import Call
from .states import States

MOST_NODES, MOST_PARALLEL = 10_000, 1000
NODES_TOLD = 5  # of those that may not be touched, in an error
OUTCOMES = ("pending", "running", "done", "failed", "skipped")
STATUSES = ("running", "aborting", "done", "failed", "aborted")
_CREATE = {
    "verb": values.text, "parameters": optional(as_is), "nodes": optional(as_is), "selector": optional(as_is),
    "parallelism": optional(values.whole_number),
}  # fmt: skip
_POWER = {"timeout": optional(values.whole_number)}
ABORTS = {"finish": False, "abort": True}


class Operations:
    """Questions and commands on `/v1/operations`."""

    def __init__(self, inventory: Upstream, states: States, gate: Gate) -> None:
        self._inventory = inventory
        self._states = states
        self._gate = gate

    def create(self, call: Call, body: Any) -> tuple[str, bytes]:
        """→ its UUID and document. Errors: InvalidRequest, NotAcceptable, Forbidden."""
        given = read_arguments(body, _CREATE, required="verb")
        parameters, rules = self._verb(call, given["verb"], given.get("parameters") or {})
        asked = {"api": call.api(), "nodes": _nodes(given), "selector": _selector(call, given)}
        if (asked["nodes"] is None) == (asked["selector"] is None):
            raise InvalidRequest("Give nodes, a list of UUIDs and names, or a selector, filters as GET /v1/nodes takes")
        if any(not self._gate.policy.decide(call.caller, rule) for rule in rules):
            asked["nodes"] = self._judged(call, asked, rules)
        uuid = str(uuid4())
        made = {"uuid": uuid, "verb": given["verb"], "parameters": parameters, "parallelism": _parallelism(given)}
        return uuid, self._inventory.command("create-operation", {**asked, **made}, call.headers())

    def list_all(self, call: Call, query: Query) -> bytes:
        refuse_unknown(query, {"limit", "marker", "status", "verb"})
        body = insight_queries.page(query) | {"status": _one_of("status", STATUSES, query)}
        body["verb"] = single("verb", query) if "verb" in query else None
        return self._inventory.query("operations", body | {"api": call.api()}, call.headers())

    def show(self, call: Call, uuid: str) -> bytes:
        return self._inventory.query("operation", _of(call, uuid), call.headers())

    def nodes(self, call: Call, uuid: str, query: Query) -> bytes:
        refuse_unknown(query, {"limit", "marker", "outcome"})
        body = insight_queries.page(query) | {"outcome": _one_of("outcome", OUTCOMES, query)}
        return self._inventory.query("operation-nodes", _of(call, uuid) | body, call.headers())

    def retry(self, call: Call, uuid: str, body: Any) -> bytes:
        read_arguments(body, {})
        return self._inventory.command("retry-operation", _of(call, uuid), call.headers())

    def abort(self, call: Call, uuid: str, body: Any) -> bytes:
        """``running``: what becomes of nodes that are at it: finish (as they were asked), or abort."""
        running = read_arguments(body, {"running": values.text}).get("running", "finish")
        if running not in ABORTS:
            raise InvalidRequest("running is what nodes that have begun shall do: finish or abort")
        asked = _of(call, uuid) | {"stops_running": ABORTS[running]}
        return self._inventory.command("abort-operation", asked, call.headers())

    def _verb(self, call: Call, verb: str, given: Any) -> tuple[dict[str, Any], list[str]]:
        """→ the verb's parameters, checked and sealed; the rules that each node must let the caller meet."""
        if not isinstance(given, dict):
            raise InvalidRequest("parameters is an object, with what the verb takes for one node")
        if verb in verbs.POWER_TARGETS:
            timeout = read_arguments(given, _POWER).get("timeout")
            verbs.check_power(verb, timeout, call.minor)
            return {"timeout_s": timeout}, ["baremetal:node:set_power_state"]
        return self._states.group_arguments(call, {"target": verb} | given)

    def _judged(self, call: Call, asked: Mapping[str, Any], rules: Iterable[str]) -> list[str]:
        """The UUIDs of the nodes that are meant, when the caller may do it to all of them.

        Errors: Forbidden, naming some that it may not; InvalidRequest."""
        found = orjson.loads(self._inventory.query("operation-targets", asked, call.headers()))["nodes"]
        verdicts: dict[tuple[str | None, str | None], str | None] = {}
        refused: dict[str, list[str]] = {}
        for node in found:
            whose = (node["owner"], node["lessee"])
            if whose not in verdicts:
                target = {f"node.{part}": who for part, who in zip(("owner", "lessee"), whose, strict=True) if who}
                unmet = (rule for rule in rules if not self._gate.policy.allows(call.caller, rule, target))
                verdicts[whose] = next(unmet, None)
            if (rule := verdicts[whose]) is not None:
                refused.setdefault(rule, []).append(node["name"] or node["uuid"])
        for rule, names in refused.items():
            raise Forbidden(
                f"Your roles do not allow this for {len(names)} of {len(found)} nodes, as"
                f" {', '.join(names[:NODES_TOLD])}: the policy asks for {rule}."
            )
        return [node["uuid"] for node in found]


def _nodes(given: Mapping[str, Any]) -> list[str] | None:
    nodes = given.get("nodes")
    if nodes is None:
        return None
    if not isinstance(nodes, list) or not nodes or not all(isinstance(each, str) and each for each in nodes):
        raise InvalidRequest("nodes is a list of UUIDs and names, with at least one")
    if len(nodes) > MOST_NODES:
        raise InvalidRequest(f"An operation takes {MOST_NODES} nodes at most")
    return [values.storable("nodes", each) for each in nodes]


def _selector(call: Call, given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Filters as the query string of GET /v1/nodes has them; booleans and lists may be JSON's."""
    selector = given.get("selector")
    if selector is None:
        return None
    if not isinstance(selector, dict):
        raise InvalidRequest("selector is an object of filters, as GET /v1/nodes takes them")
    query = {name: [_text(name, value)] for name, value in selector.items()}
    refuse_unknown(query, NODES.filters.keys() | set())
    filters: dict[str, Any] = listings.parse_list(NODES, query, call.minor)["filters"]
    return filters


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ",".join(value)
    return values.text(name, value)


def _parallelism(given: Mapping[str, Any]) -> int:
    wanted = given.get("parallelism")
    if wanted is None:
        return 50
    if not 1 <= wanted <= MOST_PARALLEL:
        raise InvalidRequest(f"parallelism is how many nodes are at it at once: 1 to {MOST_PARALLEL}")
    return int(wanted)


def _one_of(name: str, words: tuple[str, ...], query: Query) -> str | None:
    if name not in query:
        return None
    word = single(name, query)
    if word not in words:
        raise InvalidRequest(f"{name} is one of {', '.join(words)}")
    return word


def _of(call: Call, uuid: str) -> dict[str, Any]:
    return {"api": call.api(), "uuid": identifiers.uuid("operation", uuid)}
