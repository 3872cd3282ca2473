"""What PATCH, POST and DELETE do. Each change answers with a status; a refusal is a ``Refused``.

The table ``_CHANGES`` at the end says which method on which path leads where.
"""

import re
from collections.abc import Callable
from typing import Any

from ..hardware import Slot
from ..machine import Action, Machine, NotPossible
from .bmc import RedfishBmc, SessionLimitReached
from .documents import session_document
from .system_documents import ENABLED, KEY_RESETS, LEDS, MODES, TARGETS

Body = dict[str, Any]


class Refused(Exception):
    """The BMC says no: HTTP status, Redfish message id (DSP0268 Base registry) and text."""

    def __init__(self, status: int, message_id: str, text: str) -> None:
        super().__init__(text)
        self.status, self.message_id, self.text = status, message_id, text


class Changed:
    """The BMC did it. ``detail`` goes on record behind method and path; never a value that may be secret."""

    def __init__(self, detail: str = "", status: int = 204) -> None:
        self.detail, self.status = detail, status
        self.body: Body | None = None
        self.headers: dict[str, str] = {}


def find(method: str, path: str) -> tuple[Callable[..., Changed], tuple[str, ...]] | None:
    """Which change a method on a path below /redfish/v1 asks for."""
    for wanted, pattern, change in _CHANGES:
        match = pattern.fullmatch(path) if wanted == method else None
        if match is not None:
            return change, match.groups()
    return None


def _machine(bmc: RedfishBmc, key: str) -> Machine:
    if key not in bmc.systems:
        raise Refused(404, "ResourceMissingAtURI", "There is no such system.")
    return bmc.systems[key]


def _choice(value: object, allowed: list[str], name: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise Refused(400, "PropertyValueNotInList", f"The value of {name} is not in the list of acceptable values.")
    return value


def _only(body: Body, allowed: set[str]) -> None:
    for name in body:
        if name not in allowed:
            raise Refused(400, "PropertyUnknown", f"The property {name[:80]} is not writable or not known.")


def reset_type(body: Body) -> str:
    """The ResetType that was asked for, for the record; '?' when it is none that we know."""
    value = body.get("ResetType")
    return value if isinstance(value, str) and value in {str(action) for action in Action} else "?"


def _reset(bmc: RedfishBmc, body: Body, key: str) -> Changed:
    machine = _machine(bmc, key)
    _only(body, {"ResetType"})
    value = reset_type(body)
    if value == "?":
        raise Refused(400, "ActionParameterNotSupported", "ResetType is missing or not an allowed value.")
    try:
        machine.act(Action(value), bmc.clock())
    except NotPossible as error:
        raise Refused(409, "ResourceInUse", str(error)) from error
    return Changed()


def _patch_system(bmc: RedfishBmc, body: Body, key: str) -> Changed:
    machine = _machine(bmc, key)
    _only(body, {"Boot", "IndicatorLED"})
    boot = body.get("Boot", {})
    if not isinstance(boot, dict):
        raise Refused(400, "PropertyValueTypeError", "Boot is an object.")
    _check_boot(bmc, boot)
    if "IndicatorLED" in body:
        machine.set_led(_choice(body["IndicatorLED"], LEDS, "IndicatorLED"))
    _apply_boot(machine, boot)
    return Changed(" ".join(sorted({*boot, *body} - {"Boot"})))


def _check_boot(bmc: RedfishBmc, boot: Body) -> None:
    allowed = {
        "BootSourceOverrideTarget": TARGETS,
        "BootSourceOverrideEnabled": ENABLED,
        "BootSourceOverrideMode": MODES,
    }
    _only(boot, {*allowed, "HttpBootUri"})
    for name, values in allowed.items():
        if name in boot:
            _choice(boot[name], values, name)
    if not isinstance(boot.get("HttpBootUri"), str | None):
        raise Refused(400, "PropertyValueTypeError", "HttpBootUri is a string or null.")
    has_target, has_mode = "BootSourceOverrideTarget" in boot, "BootSourceOverrideMode" in boot
    if bmc.faults.split_boot_patch and has_target and has_mode:
        raise Refused(400, "PropertyValueConflict", "Mode and target cannot be written together.")
    if bmc.faults.whole_boot_patch and has_target and not (has_mode and "BootSourceOverrideEnabled" in boot):
        raise Refused(400, "PropertyMissing", "Target, enabled and mode must be written together.")


def _apply_boot(machine: Machine, boot: Body) -> None:
    machine.boot.target = boot.get("BootSourceOverrideTarget", machine.boot.target)
    machine.boot.enabled = boot.get("BootSourceOverrideEnabled", machine.boot.enabled)
    machine.boot.mode = boot.get("BootSourceOverrideMode", machine.boot.mode)
    machine.boot.http_uri = boot.get("HttpBootUri", machine.boot.http_uri) or ""


def _patch_secure_boot(bmc: RedfishBmc, body: Body, key: str) -> Changed:
    machine = _machine(bmc, key)
    _only(body, {"SecureBootEnable"})
    value = body.get("SecureBootEnable")
    if not isinstance(value, bool):
        raise Refused(400, "PropertyValueTypeError", "SecureBootEnable is true or false.")
    if value and machine.boot.mode != "UEFI":
        raise Refused(400, "PropertyValueConflict", "Secure boot needs boot mode UEFI.")
    machine.secure_boot = value
    return Changed(f"SecureBootEnable {str(value).lower()}")


def _reset_keys(bmc: RedfishBmc, body: Body, key: str) -> Changed:
    machine = _machine(bmc, key)
    value = _choice(body.get("ResetKeysType"), KEY_RESETS, "ResetKeysType")
    machine.has_keys = value == "ResetAllKeysToDefault"
    return Changed(value)


def _slot(bmc: RedfishBmc, key: str, name: str) -> Slot:
    slot = _machine(bmc, key).slots.get(name)
    if slot is None:
        raise Refused(404, "ResourceMissingAtURI", "There is no such slot.")
    return slot


def _insert(bmc: RedfishBmc, body: Body, key: str, name: str) -> Changed:
    slot = _slot(bmc, key, name)
    _only(body, {"Image", "Inserted", "WriteProtected", "TransferProtocolType", "TransferMethod"})
    image = body.get("Image")
    if not isinstance(image, str) or not image.startswith(("http://", "https://")):
        raise Refused(400, "PropertyValueFormatError", "Image is a URL of http or https.")
    if slot.image:
        raise Refused(409, "ResourceInUse", "There is a medium in this slot.")
    slot.image = image
    return Changed()


def _eject(bmc: RedfishBmc, _body: Body, key: str, name: str) -> Changed:
    _slot(bmc, key, name).image = ""
    return Changed()


def _patch_chassis(bmc: RedfishBmc, body: Body, key: str) -> Changed:
    machine = _machine(bmc, key)
    _only(body, {"IndicatorLED"})
    machine.chassis_led = _choice(body.get("IndicatorLED"), LEDS, "IndicatorLED")
    return Changed("IndicatorLED")


def _reset_manager(bmc: RedfishBmc, body: Body) -> Changed:
    value = _choice(body.get("ResetType", "GracefulRestart"), ["GracefulRestart", "ForceRestart"], "ResetType")
    bmc.forget_sessions()
    return Changed(value)


def _open_session(bmc: RedfishBmc, body: Body) -> Changed:
    if not bmc.allows(body.get("UserName"), body.get("Password")):
        raise Refused(401, "ResourceAtUriUnauthorized", "The name or the password is wrong.")
    try:
        token, session = bmc.open_session()
    except SessionLimitReached as error:
        raise Refused(503, "SessionLimitExceeded", "There are as many sessions as there can be.") from error
    changed = Changed(status=201)
    changed.body = session_document(bmc, session.number)
    changed.headers = {"X-Auth-Token": token, "Location": changed.body["@odata.id"]}
    return changed


def _close_session(bmc: RedfishBmc, _body: Body, number: str) -> Changed:
    if not bmc.close_session(number):
        raise Refused(404, "ResourceMissingAtURI", "There is no such session.")
    return Changed()


RESET_PATH = re.compile("/Systems/([^/]+)/Actions/ComputerSystem.Reset")
SESSIONS_PATH = "/SessionService/Sessions"
_CHANGES: list[tuple[str, re.Pattern[str], Callable[..., Changed]]] = [
    ("POST", RESET_PATH, _reset),
    ("PATCH", re.compile("/Systems/([^/]+)"), _patch_system),
    ("PATCH", re.compile("/Systems/([^/]+)/SecureBoot"), _patch_secure_boot),
    ("POST", re.compile("/Systems/([^/]+)/SecureBoot/Actions/SecureBoot.ResetKeys"), _reset_keys),
    ("POST", re.compile("/Systems/([^/]+)/VirtualMedia/([^/]+)/Actions/VirtualMedia.InsertMedia"), _insert),
    ("POST", re.compile("/Systems/([^/]+)/VirtualMedia/([^/]+)/Actions/VirtualMedia.EjectMedia"), _eject),
    ("PATCH", re.compile("/Chassis/([^/]+)"), _patch_chassis),
    ("POST", re.compile("/Managers/1/Actions/Manager.Reset"), _reset_manager),
    ("POST", re.compile(SESSIONS_PATH), _open_session),
    ("POST", re.compile(SESSIONS_PATH + "/Members"), _open_session),
    ("DELETE", re.compile(SESSIONS_PATH + "/([^/]+)"), _close_session),
]
