"""`GET …/validate`: what each of a node's interfaces lacks, told without asking the BMC (api facts §7). Pure.

Rule 1  True means that the next verb that uses the interface will not fail for what can be known now.
Rule 2  All that is missing is told at once, first what the node lacks, then what nobody here provides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from steelyard_common.bmc import driver_info
from steelyard_common.contracts.api import INTERFACES
from steelyard_common.contracts.hardware import AGENT_INTERFACES, NETWORK_BOOTS, RAMDISK_BOOTS
from steelyard_common.errors import InvalidRequest

from . import kexec

# Interfaces that need no provider: there is nothing that they do, or (fake) nothing that could be wrong.
IDLE = frozenset({"noop", "external"})
SPOKEN = frozenset({"power", "management"})
NOT_VALIDATED = frozenset({"vendor"})
RAID_BY_AGENT = ("raid", "agent")
# Names that people write → those of settings, which are Linux's.
ARCHITECTURES = {"": "x86_64", "amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64", "i686": "i386"}
KERNEL_AND_RAMDISK = ("deploy_kernel", "deploy_ramdisk")


@dataclass(frozen=True, kw_only=True)
class Validated:
    """``provides``: (interface, implementation) → a live worker serves it. ``supplied``: keys of driver_info that
    workers have a value for, with ``_<architecture>`` for nodes of that one; ``arch``: the node's, as written."""

    uuid: str
    interfaces: Mapping[str, str | None]
    driver_info: Mapping[str, Any]
    instance_info: Mapping[str, Any]
    properties: Mapping[str, Any]
    has_port: bool
    provides: Callable[[str, str], bool]
    supplied: frozenset[str] = frozenset()
    arch: str = ""


def validate(node: Validated) -> dict[str, dict[str, Any]]:
    """Interface → {result, reason}. ``result`` None: the hardware type has no such interface."""
    return {name: _result(node, name) for name in INTERFACES if name not in NOT_VALIDATED}


def _result(node: Validated, interface: str) -> dict[str, Any]:
    name = node.interfaces.get(interface)
    if name is None:
        return {"result": None, "reason": "not supported"}
    if name == f"no-{interface}":
        return {"result": False, "reason": f"Node {node.uuid} does not support {interface} (interface '{name}')."}
    if name in IDLE or (name == "fake" and interface not in SPOKEN):
        return {"result": True}
    reasons = [*_lacks(node, interface, name), *_cannot(node, interface, name)]
    return {"result": False, "reason": " ".join(reasons)} if reasons else {"result": True}


def _lacks(node: Validated, interface: str, name: str) -> Iterator[str]:
    """What whoever looks after the node can put right."""
    if interface in SPOKEN:
        try:
            driver_info.validate(name, node.driver_info)
        except InvalidRequest as error:
            yield error.message
    elif interface == "boot":
        yield from _boot_lacks(node, name)
    elif interface == "deploy":
        yield from _deploy_lacks(node, name)
    elif name in AGENT_INTERFACES.get(interface, ()) and interface != "raid":
        yield from _ramdisk_lacks(node, interface, name)


def _boot_lacks(node: Validated, name: str) -> Iterator[str]:
    if name in NETWORK_BOOTS and not node.has_port:
        yield f"Node {node.uuid} does not have any port associated with it."
    if _has_ramdisk_from_boot(node, name):
        return
    if name in NETWORK_BOOTS or "deploy_iso" not in node.driver_info:
        yield from _missing("driver_info", node.driver_info, *KERNEL_AND_RAMDISK)


def _has_ramdisk_from_boot(node: Validated, name: str) -> bool:
    """The boot service has one for nodes that name none of their own."""
    if any(node.driver_info.get(key) for key in KERNEL_AND_RAMDISK):
        return False
    arch = ARCHITECTURES.get(node.arch.lower(), node.arch.lower())
    has = [bool({key, f"{key}_{arch}"} & node.supplied) for key in (*KERNEL_AND_RAMDISK, "deploy_iso")]
    return all(has[:2]) or (has[2] and name not in NETWORK_BOOTS)


def _ramdisk_lacks(node: Validated, interface: str, name: str) -> Iterator[str]:
    boot = node.interfaces.get("boot") or ""
    if boot in RAMDISK_BOOTS:
        yield from _boot_lacks(node, boot)
    else:
        yield f"The {interface} interface '{name}' needs a boot interface that boots a ramdisk; '{boot}' does not."


def _deploy_lacks(node: Validated, name: str) -> Iterator[str]:
    yield from kexec.obstacles(node)
    if name == "ramdisk":
        if not node.instance_info.get("boot_iso"):
            yield from _missing("instance_info", node.instance_info, "kernel", "ramdisk")
        return
    boot = node.interfaces.get("boot") or ""
    if boot in RAMDISK_BOOTS:
        yield from _boot_lacks(node, boot)
    if name == "direct":
        yield from _missing("instance_info", node.instance_info, "image_source")
    if name == "anaconda":
        yield from _installer_lacks(node, boot)


def _installer_lacks(node: Validated, boot: str) -> Iterator[str]:
    """A tree (its URL ends with a slash) brings its second stage along; what an instance does not name its node may."""
    if boot not in NETWORK_BOOTS:
        yield f"The deploy interface 'anaconda' needs a boot interface that boots over the network; '{boot}' does not."
    given = {**node.driver_info, **{key: value for key, value in node.instance_info.items() if value}}
    source = node.instance_info.get("image_source")
    stages = () if str(source or "").endswith("/") else ("stage2",)
    yield from _missing("instance_info", given | {"image_source": source}, "kernel", "ramdisk", *stages, "image_source")


def _missing(where: str, given: Mapping[str, Any], *names: str) -> Iterator[str]:
    if missing := [f"{where}.{name}" for name in names if not given.get(name)]:
        yield f"Some parameters are missing: {', '.join(missing)}."


def _cannot(node: Validated, interface: str, name: str) -> Iterator[str]:
    """What nobody here can do, whatever the node has."""
    serving = (interface, name)
    if serving == RAID_BY_AGENT:  # its steps are the agent's, and run by whoever serves the node's deploy interface
        serving = ("deploy", node.interfaces.get("deploy") or "")
    if not node.provides(*serving):
        yield f"No live worker provides the {interface} interface '{name}'."
