"""Virtual interfaces (VIFs) of a tenant's network, and which port or port group of a node each is attached to.

With the network interface ``flat`` a VIF is a record in the ``internal_info`` of a port or a group: there is no network
service that would be told. With ``noop`` nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from steelyard_common.errors import Conflict, InvalidRequest

Record = Mapping[str, Any]
ATTACHING = frozenset({"flat"})  # network interfaces that attach
KEY = "tenant_vif_port_id"


def attached_to(item: Record) -> str | None:
    """The VIF that hangs on a port or a group."""
    vif: str | None = item["internal_info"].get(KEY)
    return vif


def listed(ports: Sequence[Record], groups: Sequence[Record]) -> list[str]:
    """The VIFs of a node, those of ports first."""
    return [vif for vif in map(attached_to, (*ports, *groups)) if vif]


def holder(vif: str, node: Record, ports: Sequence[Record], groups: Sequence[Record]) -> tuple[str, Record]:
    """("port" or "portgroup", the record) that ``vif`` hangs on. Errors: InvalidRequest."""
    for kind, items in (("portgroup", groups), ("port", ports)):
        for item in items:
            if attached_to(item) == vif:
                return kind, item
    raise InvalidRequest(f"Unable to detach VIF {vif} from node {node['uuid']} because it is not attached to it.")


def place(
    vif: str,
    ports: Sequence[Record],
    groups: Sequence[Record],
    *,
    networks: Collection[str] = (),
    port_uuid: str | None = None,
    group_uuid: str | None = None,
) -> tuple[str, Record]:
    """("port" or "portgroup", the record) to attach ``vif`` to.

    ``networks``: physical networks that it may be on, any if none is named. Those on a network that was named come
    first, then groups before ports, then ports that boot from the network, then the oldest.
    Errors: Conflict (it is attached already), InvalidRequest (nothing is free).
    """
    _check_new(vif, ports, groups)
    found = [("port", port) for port in _free_ports(ports, groups, networks, group_uuid)]
    found += [("portgroup", group) for group in _free_groups(ports, groups, networks)]
    wanted = port_uuid or group_uuid
    if wanted:
        kind = "port" if port_uuid else "portgroup"
        found = [each for each in found if each[0] == kind and each[1]["uuid"] == wanted]
    if not found:
        raise InvalidRequest(f"Unable to attach VIF {vif}, not enough free physical ports.")
    return max(found, key=lambda each: _rank(each[0], each[1], ports, networks))


def _rank(kind: str, item: Record, ports: Sequence[Record], networks: Collection[str]) -> tuple[bool, bool, bool, int]:
    if kind == "portgroup":
        network = _members(item, ports)[0]["physical_network"]
        return network in networks, True, True, -item["id"]
    return item["physical_network"] in networks, False, item["pxe_enabled"], -item["id"]


def _check_new(vif: str, ports: Sequence[Record], groups: Sequence[Record]) -> None:
    for kind, items in (("Port", ports), ("Portgroup", groups)):
        for item in items:
            if attached_to(item) == vif:
                raise Conflict(
                    f"Unable to attach VIF because VIF {vif} is already attached to {kind} {item['uuid']}"
                )  # fmt: skip


def _free_ports(
    ports: Sequence[Record], groups: Sequence[Record], networks: Collection[str], group_uuid: str | None
) -> Iterable[Record]:
    """Ports outside groups, and those of groups that are used port by port already."""
    split = {group["uuid"] for group in groups if not attached_to(group) and _is_split(group, ports)}
    for port in ports:
        alone = port["portgroup_uuid"] is None or port["portgroup_uuid"] in split
        if alone and not group_uuid and not attached_to(port) and _is_usable(port, networks):
            yield port


def _free_groups(ports: Sequence[Record], groups: Sequence[Record], networks: Collection[str]) -> Iterable[Record]:
    for group in groups:
        if attached_to(group) or _is_split(group, ports):
            continue
        if any(_is_usable(port, networks) for port in _members(group, ports)):
            yield group


def _is_split(group: Record, ports: Sequence[Record]) -> bool:
    return any(attached_to(port) for port in _members(group, ports))


def _members(group: Record, ports: Sequence[Record]) -> list[Record]:
    return [port for port in ports if port["portgroup_uuid"] == group["uuid"]]


def _is_usable(port: Record, networks: Collection[str]) -> bool:
    link, network = port["local_link_connection"], port["physical_network"]
    is_smart = "port_id" in link and "hostname" in link
    if port["is_smartnic"] and not is_smart:
        return False
    if is_smart and not port["is_smartnic"] and "switch_id" not in link:
        return False
    return not networks or network is None or network in networks
