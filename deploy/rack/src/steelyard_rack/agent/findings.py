"""What an agent finds of its machine: the inspection data of facts §13, and its logs."""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Sequence
from typing import Any

from ..machine import Machine

GB = 1_000_000_000


def inventory(machine: Machine, bmc_address: str | None) -> dict[str, Any]:
    """The body of an inspection call-back."""
    identity = machine.identity
    interfaces = [
        {
            "name": f"eth{number}", "mac_address": mac, "ipv4_address": None, "ipv6_address": None,
            "has_carrier": True, "lldp": None, "vendor": "0x1af4", "product": "0x1000", "speed_mbps": 10_000,
            "pci_address": f"0000:00:0{number + 3}.0", "driver": "virtio_net",
        }
        for number, mac in enumerate(identity.macs)
    ]  # fmt: skip
    disk = {
        "name": "/dev/sda", "model": "Simulated disk", "size": 960 * GB, "rotational": False,
        "serial": f"{identity.serial}-0", "wwn": f"0x{identity.seed:016x}", "vendor": identity.manufacturer,
        "hctl": "0:0:0:0", "by_path": "/dev/disk/by-path/pci-0000:00:05.0-ata-1", "logical_sectors": 512,
        "physical_sectors": 4096, "tran": "sata",
    }  # fmt: skip
    found = {
        "interfaces": interfaces,
        "cpu": {
            "model_name": "Simulated CPU", "frequency": "2600", "count": 16, "architecture": "x86_64",
            "flags": ["lm", "vmx"], "socket_count": 1,
        },
        "disks": [disk],
        "memory": {"total": 64 << 30, "physical_mb": 65536},
        "bmc_address": bmc_address, "bmc_v6address": None, "bmc_mac": None,
        "system_vendor": {
            "product_name": identity.model, "serial_number": identity.serial, "manufacturer": identity.manufacturer,
            "firmware": {"vendor": identity.manufacturer, "version": "1.0.0", "build_date": "01/01/2026"},
        },
        "boot": {"current_boot_mode": "uefi" if machine.boot.mode == "UEFI" else "bios", "pxe_interface": None},
        "hostname": identity.name,
    }  # fmt: skip
    return {
        "inventory": found, "error": None, "root_disk": disk, "boot_interface": None,
        "configuration": {"collectors": ["default"], "managers": []},
    }  # fmt: skip


def packed_logs(lines: Sequence[str]) -> dict[str, str]:
    """The answer to ``log.collect_system_logs``: a tar archive with the journal, gzipped."""
    content = ("\n".join(lines) + "\n").encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        entry = tarfile.TarInfo("journal")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return {"system_logs": base64.b64encode(out.getvalue()).decode()}
