"""What ramdisks ask (facts §20): checked here, decided by boot and inspector, who ask inventory whose they are."""

from __future__ import annotations

from typing import Any

import orjson
from steelyard_common.errors import InvalidRequest, NotFound

from ..domain import identifiers, listings, ramdisks
from ..domain.listings import Query
from ..drivers import Upstream
from .call import Call

NOT_PASSED_ON = frozenset({"logs"})  # a megabyte that nobody keeps
LIKE_A_LOOKUP = 84  # from this version on, findings are answered like a lookup
# A token is told to one request of an agent: when the answer is lost on its way here, only we can ask for it again.
AGAIN_S = 3.0


class Ramdisks:
    """Lookup, heartbeat, findings of an inspection."""

    def __init__(self, boot: Upstream, inspector: Upstream) -> None:
        self._boot, self._inspector = boot, inspector

    def lookup(self, call: Call, query: Query) -> bytes:
        listings.refuse_unknown(query, frozenset({"addresses", "node_uuid"}))
        given = listings.single("addresses", query) if "addresses" in query else ""
        asked = {"addresses": ramdisks.addresses(given.split(",")), "node_uuid": _node_uuid(query)}
        if not any(asked.values()):
            raise InvalidRequest("At least one of 'addresses' and 'node_uuid' parameters is required")
        return self._look_up(call, asked)

    def heartbeat(self, call: Call, ident: str, body: Any) -> None:
        node = identifiers.from_query("node_ident", ident, call.minor)
        said = ramdisks.heartbeat(body, call.minor)
        self._boot.command("agent-heartbeat", {"ident": node, **said}, call.headers())

    def continue_inspection(self, call: Call, query: Query, body: Any) -> bytes:
        macs, bmc = ramdisks.findings(body)
        asked = {"addresses": macs, "bmc_addresses": bmc, "node_uuid": _node_uuid(query)}
        if not any(asked.values()):
            raise InvalidRequest("No lookup information provided")
        told = {**asked, "findings": {name: item for name, item in body.items() if name not in NOT_PASSED_ON}}
        answer = self._inspector.command("take-inspection", told, call.headers())
        if call.minor < LIKE_A_LOOKUP:
            return answer
        try:
            return self._look_up(call, {"addresses": [], "node_uuid": orjson.loads(answer)["uuid"]})
        except NotFound:  # the inspection is over already
            return answer

    def _look_up(self, call: Call, asked: dict[str, Any]) -> bytes:
        return self._boot.command("agent-lookup", {"api": call.api(), **asked}, call.headers(), again_s=AGAIN_S)


def _node_uuid(query: Query) -> str | None:
    return identifiers.uuid("node_uuid", listings.single("node_uuid", query)) if "node_uuid" in query else None
