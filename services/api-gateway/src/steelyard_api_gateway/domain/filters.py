"""The filters of each list: how a value is read and since which version the filter exists (facts §6, §8, §11)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from steelyard_common.errors import Forbidden, InvalidRequest

from . import identifiers, values
from .versions import too_new

FAULTS = ("power failure", "clean failure", "rescue abort failure", "service failure")
# Stable, at work, waiting, held, failed (lifecycle facts §1).
PROVISION_STATES = frozenset({
    "enroll", "manageable", "available", "active", "error", "rescue",
    "verifying", "inspecting", "cleaning", "deploying", "deleting", "adopting", "rescuing", "unrescuing", "servicing",
    "inspect wait", "clean wait", "wait call-back", "rescue wait", "service wait",
    "clean hold", "deploy hold", "service hold",
    "inspect failed", "clean failed", "deploy failed", "adopt failed", "rescue failed", "unrescue failed",
    "service failed",
})  # fmt: skip
Read = Callable[[str, str, int], Any]


@dataclass(frozen=True)
class Filter:
    """One filter: ``parse(name, text, minor)`` gives the typed value or raises InvalidRequest."""

    parse: Read
    since: int = 1


def _text(_name: str, value: str, _minor: int) -> str:
    return value


def _boolean(name: str, value: str, _minor: int) -> bool:
    return values.boolean(name, value)


def _uuid(name: str, value: str, _minor: int) -> str:
    return identifiers.uuid(name, value)


def mac_filter(name: str, value: str, _minor: int) -> str:
    return values.mac_address(name, value)


def _lower(_name: str, value: str, _minor: int) -> str:
    return value.lower()


def word_list(_name: str, value: str, _minor: int) -> list[str]:
    # Not lower-cased as Ironic does: shards are stored as written, so that would never match.
    return list(dict.fromkeys(filter(None, (word.strip() for word in value.split(",")))))


def groups(name: str, value: str, minor: int) -> list[str]:
    return [group.lower() for group in word_list(name, value, minor)]


def _provision_state(_name: str, value: str, _minor: int) -> str:
    if value not in PROVISION_STATES:
        raise InvalidRequest(
            f'Provision state "{values.plain(value)}" is not valid; use one of {", ".join(sorted(PROVISION_STATES))}'
        )
    return value


def _fault(_name: str, value: str, _minor: int) -> str:
    if value not in FAULTS:
        raise InvalidRequest(
            f'Unrecognized fault "{values.plain(value)}" is specified, allowed faults are {", ".join(FAULTS)}'
        )
    return value


def node_filter(name: str, value: str, minor: int) -> str:
    ident = identifiers.from_query(name, value, minor)
    if minor < identifiers.NAMES_SINCE and identifiers.uuid_or_none(ident) is None:
        raise too_new(f"a name in the query parameter {name}", identifiers.NAMES_SINCE)
    return ident


def _driver_type(_name: str, value: str, _minor: int) -> str:
    if value not in ("classic", "dynamic"):
        raise InvalidRequest('"type" filter must be one of "classic" or "dynamic", if specified.')
    return value


NODE_FILTERS = {
    "associated": Filter(_boolean),
    "instance_uuid": Filter(_uuid),
    "chassis_uuid": Filter(_uuid),
    "maintenance": Filter(_boolean),
    "provision_state": Filter(_provision_state, 9),
    "driver": Filter(_text, 16),
    "resource_class": Filter(_text, 21),
    "fault": Filter(_fault, 42),
    "conductor_group": Filter(_lower, 46),
    "conductor": Filter(_text, 49),
    "owner": Filter(_text, 50),
    "lessee": Filter(_text, 65),
    "project": Filter(_text),
    "description_contains": Filter(_text, 51),
    "retired": Filter(_boolean),
    "shard": Filter(word_list, 82),
    "sharded": Filter(_boolean, 82),
    "include_children": Filter(_boolean, 83),
    "parent_node": Filter(_text, 83),
    "instance_name": Filter(_text, 104),
}
NODE_PORT_FILTERS = {
    "address": Filter(mac_filter),
    "description_contains": Filter(_text, 97),
}
PORT_FILTERS = NODE_PORT_FILTERS | {
    "node": Filter(node_filter),
    "node_uuid": Filter(_uuid),
    "portgroup": Filter(node_filter, 24),
    "shard": Filter(word_list, 82),
    "conductor_groups": Filter(groups, 99),
}
DRIVER_FILTERS = {"type": Filter(_driver_type, 30)}
CONDUCTOR_FILTERS: dict[str, Filter] = {}


def check_port_filters(given: Iterable[str]) -> None:
    """Filters of ports that exclude one another. Errors: Forbidden (as Ironic 39 answers), InvalidRequest."""
    names = set(given)
    if len(names & {"node", "portgroup", "shard"}) > 1:
        raise Forbidden("Only one of the filters node, portgroup and shard can be used at a time.")
    if "conductor_groups" in names and names & {"node", "node_uuid", "portgroup", "address"}:
        raise InvalidRequest(
            "Filtering by conductor_groups cannot be combined with node, portgroup or address filters."
        )
