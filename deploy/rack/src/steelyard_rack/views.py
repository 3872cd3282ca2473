"""How a rack looks from outside: machines for a table, nodes ready to be enrolled. Pure."""

from typing import Any

from .machine import Power
from .plan import IPMI, REDFISH
from .rack import Rack, Unit

_PROPERTIES = {"cpu_arch": "x86_64", "cpus": 16, "memory_mb": 65536, "local_gb": 960}


def rack_view(rack: Rack) -> dict[str, Any]:
    """The rack as a whole."""
    return {
        "name": rack.plan.name,
        "machines": len(rack.units),
        "protocols": rack.plan.protocols,
        "tls": rack.plan.tls,
        "first_address": rack.plan.first_address,
        "last_record_number": rack.record.last_number,
    }


def machine_view(rack: Rack, unit: Unit) -> dict[str, Any]:
    """One machine: who it is, where its BMCs are, what it does now."""
    machine, now = unit.machine, rack.clock()
    power = machine.power(now)
    booted = machine.booted
    return {
        "name": machine.identity.name,
        "uuid": machine.identity.uuid,
        "serial": machine.identity.serial,
        "macs": list(machine.identity.macs),
        "redfish_url": _redfish_url(rack, unit),
        "redfish_system": _system_path(rack, unit) if unit.redfish else None,
        "ipmi_address": unit.place.address if unit.ipmi else None,
        "ipmi_port": unit.ipmi.port if unit.ipmi else None,
        "username": unit.place.username,
        "power": str(power),
        "boots": machine.boots,
        "nmis": machine.nmis,
        "booted": {"device": booted.device, "mode": booted.mode, "secure_boot": booted.secure_boot} if booted else None,
        "boot": {"target": machine.boot.target, "enabled": machine.boot.enabled, "mode": machine.boot.mode},
        "stage": machine.stage if power is not Power.OFF else "off",
        "disk": machine.disk.as_json(),
        "media": {name: slot.image or None for name, slot in machine.slots.items()},
        "leds": {"system": machine.led(now), "chassis": machine.chassis_led},
        "faults": machine.faults.active(),
    }


def node_view(rack: Rack, unit: Unit, index: int) -> dict[str, Any]:
    """The body that enrols the machine as a node. Machines with both protocols take turns."""
    is_redfish = unit.redfish is not None and (unit.ipmi is None or index % 2 == 0)
    return {
        "name": unit.machine.identity.name,
        "driver": REDFISH if is_redfish else IPMI,
        "driver_info": _redfish_info(rack, unit) if is_redfish else _ipmi_info(unit),
        "properties": dict(_PROPERTIES),
        "ports": [{"address": mac} for mac in unit.machine.identity.macs],
    }


def _redfish_info(rack: Rack, unit: Unit) -> dict[str, Any]:
    return {
        "redfish_address": _redfish_url(rack, unit),
        "redfish_system_id": _system_path(rack, unit),
        "redfish_username": unit.place.username,
        "redfish_password": unit.place.password,
        "redfish_verify_ca": str(rack.certificates.ca_file) if rack.plan.tls == "ca" else False,
    }


def _ipmi_info(unit: Unit) -> dict[str, Any]:
    return {
        "ipmi_address": unit.place.address,
        "ipmi_port": unit.ipmi.port if unit.ipmi else None,
        "ipmi_username": unit.place.username,
        "ipmi_password": unit.place.password,
    }


def _redfish_url(rack: Rack, unit: Unit) -> str | None:
    if unit.redfish is None:
        return None
    scheme = "http" if rack.plan.tls == "none" else "https"
    return f"{scheme}://{unit.place.address}:{unit.redfish.port}{rack.plan.path_prefix.rstrip('/')}"


def _system_path(rack: Rack, unit: Unit) -> str:
    return f"{rack.plan.path_prefix.rstrip('/')}/redfish/v1/Systems/{unit.place.system_id}"
