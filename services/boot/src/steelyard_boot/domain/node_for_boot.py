"""A node as booting sees it: by what names its machine asks, what it is, and how it is to be brought up. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from steelyard_common.errors import InvalidRequest

from .boot_model import Drive, Purpose, Served
from .loaders import BIOS, MEDIA, NETWORK, UEFI, check_name
from .naming import as_mac, both_orders

FAKE = "fake"
_ARCHITECTURES = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64", "i686": "i386"}


@dataclass(frozen=True, kw_only=True)
class NodeForBoot:
    """``view``: the node as the step got it (NodeForProvider), for whoever speaks to its BMC."""

    uuid: str
    interface: str
    mode: str = UEFI
    arch: str = "x86_64"
    system_uuids: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    own_arguments: str | None = None
    loader: str | None = None
    view: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def by_media(self) -> bool:
        return self.interface in MEDIA

    @property
    def by_network(self) -> bool:
        return self.interface in NETWORK

    @classmethod
    def from_view(cls, node: Mapping[str, Any]) -> NodeForBoot:
        """Errors: InvalidRequest for a wrong boot mode, or a loader that is no file's name."""
        properties = node.get("properties") or {}
        driver_info = node.get("driver_info") or {}
        instance_info = node.get("instance_info") or {}
        loader = driver_info.get("boot_loader")
        own = instance_info.get("kernel_append_params", driver_info.get("kernel_append_params"))
        arch = str(properties.get("cpu_arch") or "x86_64").lower()
        return cls(
            uuid=node["uuid"],
            interface=str(node["interfaces"].get("boot") or FAKE),
            mode=wanted_mode(properties, instance_info, node.get("boot_mode")),
            arch=_ARCHITECTURES.get(arch, arch),
            system_uuids=_system_uuids(node, properties, driver_info),
            macs=_macs(node.get("ports") or ()),
            own_arguments=None if own is None else str(own),
            loader=None if loader is None else check_name(str(loader)),
            view=node,
        )


def _system_uuids(node: Mapping[str, Any], *sources: Mapping[str, Any]) -> tuple[str, ...]:
    """Of the machine: what inspection or a person wrote, and the node's own, which may be its machine's (want 9)."""
    told = [str(source["system_uuid"]) for source in sources if source.get("system_uuid")]
    return both_orders([*told, node["uuid"]])


def _macs(ports: Any) -> tuple[str, ...]:
    """All NICs: cables move, and firmware tries them in an order of its own."""
    found = [as_mac(str(port.get("address") or "")) for port in ports]
    return tuple(dict.fromkeys(mac for mac in found if mac))


def capabilities(source: Mapping[str, Any]) -> dict[str, str]:
    """Of properties or instance_info: an object, or text ``k:v,k:v`` (lifecycle facts §9)."""
    told = source.get("capabilities") or {}
    if isinstance(told, Mapping):
        return {str(name): str(value) for name, value in told.items()}
    pairs = (item.partition(":") for item in str(told).split(",") if ":" in item)
    return {name.strip(): value.strip() for name, _, value in pairs}


def wanted_mode(properties: Mapping[str, Any], instance_info: Mapping[str, Any], seen: str | None = None) -> str:
    """``uefi`` or ``bios``: the instance's capability over the node's, else what was seen, else uefi.

    Errors: InvalidRequest for any other word.
    """
    own, instance = capabilities(properties), capabilities(instance_info)
    if instance.get("secure_boot", own.get("secure_boot", "")).lower() == "true":
        return UEFI
    mode = instance.get("boot_mode") or own.get("boot_mode") or seen or UEFI
    if mode not in (UEFI, BIOS):
        raise InvalidRequest(f"the capability boot_mode is '{mode}'; it can be {UEFI} or {BIOS}")
    return mode


@dataclass(frozen=True, kw_only=True)
class Volumes:
    """What a node boots from over the storage network."""

    drives: tuple[Drive, ...]
    initiator: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)  # sealed
    storage_macs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What an agent that is called shows: PEM both; empty where it speaks without TLS."""

    certificate: str = ""
    key: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class BootOf:
    """What to boot. ``agent``: the ramdisk is the agent, and is told where the API is.

    ``bootloader``: an EFI system partition for CDs that are made here, instead of the GRUB that is installed.
    ``token``: for the agent, sealed; it travels on virtual media only. ``network_data``: static addresses, likewise.
    ``called``: the agent calls nobody but is called, and by which certificate and key it is known; on media, too.
    """

    purpose: Purpose
    kernel: Served | None = None
    ramdisk: Served | None = None
    iso: Served | None = None
    arguments: tuple[str, ...] = ()
    agent: bool = False
    volumes: Volumes | None = None
    bootloader: Served | None = None
    network_data: Mapping[str, Any] | None = None
    token: str | None = field(default=None, repr=False)
    called: Identity | None = None

    def __post_init__(self) -> None:
        told = [self.kernel is not None, self.iso is not None, self.volumes is not None]
        if sum(told) != 1:
            raise InvalidRequest("a boot is told by exactly one of: a kernel, an ISO, volumes")
