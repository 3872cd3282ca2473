"""What inspector reads from its environment, once, at the start."""

from __future__ import annotations

from dataclasses import dataclass, field

from steelyard_common.provider import ProviderSettings
from steelyard_common.settings import env

from .domain.findings import ADD_PORTS, PXE


def add_ports(text: str) -> str:
    """One of ADD_PORTS."""
    if text not in ADD_PORTS:
        raise ValueError(f"one of {', '.join(ADD_PORTS)} is expected")
    return text


@dataclass(frozen=True, kw_only=True)
class Settings(ProviderSettings):
    """All of it."""

    add_ports: str = field(
        default=PXE,
        metadata=env(
            "STEELYARD_INSPECTION_ADD_PORTS",
            "which NICs that an inspection finds become ports: all, active (with an address), pxe (it booted from), "
            "disabled",
            parse=add_ports,
        ),
    )
