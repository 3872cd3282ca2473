"""Documents about one system and its chassis; ``SYSTEM_ROUTES`` at the end is the table of contents."""

import re
from collections.abc import Callable

from ..hardware import Identity
from ..machine import Action, Machine, Power
from .bmc import RedfishBmc
from .environment import power_document, thermal_document
from .shapes import Document, collection, link, status

TARGETS = ["None", "Pxe", "Hdd", "Cd", "Usb", "BiosSetup", "UefiHttp", "Diags"]
ENABLED = ["Disabled", "Once", "Continuous"]
MODES = ["UEFI", "Legacy"]
LEDS = ["Off", "Lit", "Blinking"]
KEY_RESETS = ["ResetAllKeysToDefault", "DeleteAllKeys", "DeletePK"]


def _system(bmc: RedfishBmc, key: str, machine: Machine) -> Document:
    here, now, identity = f"/Systems/{key}", bmc.clock(), machine.identity
    power = machine.reported_power(now)
    return {
        "@odata.type": "#ComputerSystem.v1_13_0.ComputerSystem",
        "Id": key,
        "Name": identity.name,
        "SystemType": "Physical",
        "HostName": identity.name,
        **_hardware(identity),
        "PowerState": str(power),
        **({"LastResetTime": bmc.stamp(machine.started_at)} if machine.started_at is not None else {}),
        "IndicatorLED": machine.led(now),
        "Status": status(machine, is_on=power is not Power.OFF),
        "BootProgress": {"LastState": "OSRunning" if power is Power.ON else "None"},
        "ProcessorSummary": {"Count": 1, "CoreCount": 16, "LogicalProcessorCount": 32, "Model": "Simulated CPU"},
        "MemorySummary": {"TotalSystemMemoryGiB": 64, "Status": status(machine)},
        "Boot": _boot(machine),
        "Bios": link(bmc, f"{here}/Bios"),
        "SecureBoot": link(bmc, f"{here}/SecureBoot"),
        "EthernetInterfaces": link(bmc, f"{here}/EthernetInterfaces"),
        "VirtualMedia": link(bmc, f"{here}/VirtualMedia"),
        "Links": {"Chassis": [link(bmc, f"/Chassis/{key}")], "ManagedBy": [link(bmc, "/Managers/1")]},
        "Actions": {
            "#ComputerSystem.Reset": {
                "target": f"{bmc.prefix}/redfish/v1{here}/Actions/ComputerSystem.Reset",
                "ResetType@Redfish.AllowableValues": [str(action) for action in Action],
            }
        },
    }


def _hardware(identity: Identity) -> Document:
    return {
        "Manufacturer": identity.manufacturer,
        "Model": identity.model,
        "SerialNumber": identity.serial,
        "SKU": "SY-R1",
        "PartNumber": "R1-0001",
        "AssetTag": "",
        "UUID": identity.uuid,
        "BiosVersion": "1.0.0",
    }


def _boot(machine: Machine) -> Document:
    return {
        "BootSourceOverrideTarget": machine.boot.target,
        "BootSourceOverrideEnabled": machine.boot.enabled,
        "BootSourceOverrideMode": machine.boot.mode,
        "HttpBootUri": machine.boot.http_uri,
        "BootSourceOverrideTarget@Redfish.AllowableValues": TARGETS,
        "BootSourceOverrideEnabled@Redfish.AllowableValues": ENABLED,
        "BootSourceOverrideMode@Redfish.AllowableValues": MODES,
    }


def _bios(_bmc: RedfishBmc, _key: str, machine: Machine) -> Document:
    return {
        "@odata.type": "#Bios.v1_1_0.Bios",
        "Id": "Bios",
        "Name": "BIOS settings",
        "AttributeRegistry": None,
        "Attributes": {
            "BootMode": "Uefi" if machine.boot.mode == "UEFI" else "Bios",
            "ProcVirtualization": "Enabled",
            "LogicalProc": "Enabled",
            "SerialNumber": machine.identity.serial,
        },
    }


def _secure_boot(bmc: RedfishBmc, key: str, machine: Machine) -> Document:
    is_active = machine.booted is not None and machine.booted.secure_boot
    action = f"/Systems/{key}/SecureBoot/Actions/SecureBoot.ResetKeys"
    return {
        "@odata.type": "#SecureBoot.v1_1_0.SecureBoot",
        "Id": "SecureBoot",
        "Name": "UEFI Secure Boot",
        "SecureBootEnable": machine.secure_boot,
        "SecureBootCurrentBoot": "Enabled" if is_active else "Disabled",
        "SecureBootMode": "UserMode" if machine.has_keys else "SetupMode",
        "Actions": {
            "#SecureBoot.ResetKeys": {
                "target": f"{bmc.prefix}/redfish/v1{action}",
                "ResetKeysType@Redfish.AllowableValues": KEY_RESETS,
            }
        },
    }


def _nics(bmc: RedfishBmc, key: str, machine: Machine) -> Document:
    paths = [f"/Systems/{key}/EthernetInterfaces/{index + 1}" for index in range(len(machine.identity.macs))]
    return collection(bmc, "EthernetInterface", paths)


def _nic(_bmc: RedfishBmc, _key: str, machine: Machine, number: str) -> Document | None:
    if not 1 <= int(number) <= len(machine.identity.macs):
        return None
    mac = machine.identity.macs[int(number) - 1]
    return {
        "@odata.type": "#EthernetInterface.v1_6_0.EthernetInterface",
        "Id": number,
        "Name": f"NIC {number}",
        "PermanentMACAddress": mac,
        "MACAddress": mac,
        "SpeedMbps": 10000,
        "LinkStatus": "LinkUp",
        "Status": status(machine),
    }


def _media(bmc: RedfishBmc, key: str, machine: Machine) -> Document:
    return collection(bmc, "VirtualMedia", [f"/Systems/{key}/VirtualMedia/{name}" for name in machine.slots])


def _slot(bmc: RedfishBmc, key: str, machine: Machine, name: str) -> Document | None:
    slot = machine.slots.get(name)
    if slot is None:
        return None
    here = f"{bmc.prefix}/redfish/v1/Systems/{key}/VirtualMedia/{name}/Actions"
    return {
        "@odata.type": "#VirtualMedia.v1_4_0.VirtualMedia",
        "Id": name,
        "Name": f"Virtual {'CD' if name == 'Cd' else 'USB stick'}",
        "MediaTypes": list(slot.kinds),
        "Image": slot.image or None,
        "ImageName": slot.image.rpartition("/")[2] or None,
        "Inserted": bool(slot.image),
        "WriteProtected": True,
        "ConnectedVia": "URI" if slot.image else "NotConnected",
        "Actions": {
            "#VirtualMedia.InsertMedia": {"target": f"{here}/VirtualMedia.InsertMedia"},
            "#VirtualMedia.EjectMedia": {"target": f"{here}/VirtualMedia.EjectMedia"},
        },
    }


def _chassis(bmc: RedfishBmc, key: str, machine: Machine) -> Document:
    return {
        "@odata.type": "#Chassis.v1_14_0.Chassis",
        "Id": key,
        "Name": f"Chassis of {machine.identity.name}",
        "ChassisType": "RackMount",
        "Manufacturer": machine.identity.manufacturer,
        "Model": machine.identity.model,
        "SerialNumber": machine.identity.serial,
        "PowerState": str(machine.reported_power(bmc.clock())),
        "IndicatorLED": machine.chassis_led,
        "Status": status(machine),
        "Thermal": link(bmc, f"/Chassis/{key}/Thermal"),
        "Power": link(bmc, f"/Chassis/{key}/Power"),
        "Links": {"ComputerSystems": [link(bmc, f"/Systems/{key}")], "ManagedBy": [link(bmc, "/Managers/1")]},
    }


def _thermal(bmc: RedfishBmc, _key: str, machine: Machine) -> Document:
    return thermal_document(machine, bmc.clock())


def _power(bmc: RedfishBmc, _key: str, machine: Machine) -> Document:
    return power_document(machine, bmc.clock())


SYSTEM_ROUTES: list[tuple[re.Pattern[str], Callable[..., Document | None]]] = [
    (re.compile("/Systems/([^/]+)"), _system),
    (re.compile("/Systems/([^/]+)/Bios"), _bios),
    (re.compile("/Systems/([^/]+)/SecureBoot"), _secure_boot),
    (re.compile("/Systems/([^/]+)/EthernetInterfaces"), _nics),
    (re.compile("/Systems/([^/]+)/EthernetInterfaces/([0-9]{1,4})"), _nic),
    (re.compile("/Systems/([^/]+)/VirtualMedia"), _media),
    (re.compile("/Systems/([^/]+)/VirtualMedia/([^/]+)"), _slot),
    (re.compile("/Chassis/([^/]+)"), _chassis),
    (re.compile("/Chassis/([^/]+)/Thermal"), _thermal),
    (re.compile("/Chassis/([^/]+)/Power"), _power),
]
