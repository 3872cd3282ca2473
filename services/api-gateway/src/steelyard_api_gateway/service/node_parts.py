"""What hangs on a node and is no record of its own kind: VIFs, children, BIOS, firmware, history, inspection data.

Shards and events of the network stand here too: they are about nodes and have no documents of their own.
"""

from __future__ import annotations

from typing import Any

from steelyard_common.errors import InvalidRequest
from steelyard_common.telemetry import get_logger

from ..domain import external_events, identifiers, listings, record_listings, values
from ..domain.listings import Query
from ..drivers import Upstream
from .arguments import read_arguments
from .call import Call

NAMED_PORT_SINCE = 67
EVENTS = {"events": external_events.check}
log = get_logger(__name__)


class NodeParts:
    """Questions and commands below `/v1/nodes/{n}`, on `/v1/shards` and `/v1/events`."""

    def __init__(self, inventory: Upstream) -> None:
        self._inventory = inventory

    def shards(self, call: Call) -> bytes:
        return self._inventory.query("shards", {"api": call.api()}, call.headers())

    def take_events(self, body: Any) -> None:
        """Checked and noted: nothing here waits for a network service."""
        given = read_arguments(body, EVENTS, required="events")
        for event in given["events"]:
            log.info("network event", network_event=event["event"], port=event["port_id"], status=event["status"])

    def children(self, call: Call, ident: str) -> bytes:
        return self._query("node-children", call, ident)

    def bios(self, call: Call, ident: str, query: Query) -> bytes:
        listings.parse_list(record_listings.BIOS, query, call.minor)
        return self._query("node-bios", call, ident)

    def bios_setting(self, call: Call, ident: str, name: str) -> bytes:
        return self._query("node-bios-setting", call, ident, name=values.text("setting_name", name))

    def firmware(self, call: Call, ident: str, query: Query) -> bytes:
        listings.parse_list(record_listings.FIRMWARE, query, call.minor)
        return self._query("node-firmware", call, ident)

    def history(self, call: Call, ident: str, query: Query) -> bytes:
        asked = listings.parse_list(record_listings.HISTORY, query, call.minor)
        more = {name: asked[name] for name in ("marker", "limit", "detail", "sort_key", "sort_dir", "query")}
        return self._query("node-history", call, ident, **more)

    def history_entry(self, call: Call, ident: str, entry: str) -> bytes:
        return self._query("node-history-entry", call, ident, name=identifiers.from_query("event", entry, call.minor))

    def inventory(self, call: Call, ident: str) -> bytes:
        return self._query("node-inventory", call, ident)

    def vifs(self, call: Call, ident: str) -> bytes:
        return self._query("vifs", call, ident)

    def attach_vif(self, call: Call, ident: str, body: Any) -> None:
        self._command("attach-vif", call, ident, vif=_vif(body, call.minor))

    def detach_vif(self, call: Call, ident: str, vif: str) -> None:
        self._command("detach-vif", call, ident, vif_id=identifiers.from_query("vif_id", vif, call.minor))

    def _query(self, verb: str, call: Call, ident: str, **more: Any) -> bytes:
        given = identifiers.from_path("node", ident, call.minor)
        return self._inventory.query(verb, {"api": call.api(), "ident": given, **more}, call.headers())

    def _command(self, verb: str, call: Call, ident: str, **more: Any) -> bytes:
        given = identifiers.from_path("node", ident, call.minor)
        return self._inventory.command(verb, {"api": call.api(), "ident": given, **more}, call.headers())


def _vif(body: Any, minor: int) -> dict[str, Any]:
    """id, and where it is to be attached; other keys are the network service's and mean nothing here.

    Errors: InvalidRequest.
    """
    if not isinstance(body, dict):
        raise InvalidRequest("the body must be a JSON object with id")
    if "id" not in body:
        raise InvalidRequest("Schema error for vif: 'id' is a required property")
    vif: dict[str, Any] = {"id": identifiers.from_query("id", values.text("id", body["id"]), minor)}
    if networks := body.get("physical_network"):
        given = networks if isinstance(networks, list) else [networks]
        vif["physical_networks"] = [values.text("physical_network", network) for network in given]
    if minor < NAMED_PORT_SINCE:
        return vif
    if "port_uuid" in body and "portgroup_uuid" in body:
        raise InvalidRequest("Cannot specify both port_uuid and portgroup_uuid")
    for name in ("port_uuid", "portgroup_uuid"):
        if body.get(name) is not None:
            vif[name] = identifiers.uuid(name, body[name])
    return vif
