"""Boot device, boot mode and secure boot of one System.

Device and mode are set in separate PATCHes: several BMCs drop or refuse the one when the other comes along
(lifecycle-facts §17). Those in FULL_BOOT want all Boot fields at once instead; so does any BMC that refuses the
separate form: it gets the full one as second try, before the refusal is believed.
"""

from __future__ import annotations

from typing import Any

from sushy.resources.system.constants import BootSource

from ...errors import DeviceRefused, InvalidRequest, Unsupported
from .. import BootDevice
from .connection import Document, RedfishConnection
from .errors import translated

TARGETS = {"pxe": "Pxe", "disk": "Hdd", "cdrom": "Cd", "bios": "BiosSetup", "uefihttp": "UefiHttp", "floppy": "Floppy"}
URL = "url"  # as uefihttp, but from the URL that the BMC has been told, not from what DHCP says
DEVICES = {target: word for word, target in TARGETS.items()} | {"UsbCd": "cdrom"}
MODES = {"Legacy": "bios", "UEFI": "uefi"}
MODE_WORDS = {word: foreign for foreign, word in MODES.items()}
PERSISTENT = {"Continuous": True, "Once": False}
ENABLED = {flag: word for word, flag in PERSISTENT.items()}

# Quirks: parts of Manufacturer, in lower case. Evidence: docs/reference/bmc-quirks.md.
FULL_BOOT = ("american megatrends", "ami", "asrockrack")
ALWAYS_ENABLED = ("supermicro",)


def _word(value: Any) -> str | None:
    return None if value is None else str(value.value)


def _is(system: Any, vendors: tuple[str, ...]) -> bool:
    words = str(system.manufacturer or "").lower()
    return any(vendor == words or (len(vendor) > 3 and vendor in words) for vendor in vendors)


def get_device(system: Any) -> BootDevice:
    """What overrides the boot order, if anything does (Disabled: nothing)."""
    enabled = _word(system.boot and system.boot.enabled)
    target = _word(system.boot and system.boot.target)
    if enabled not in PERSISTENT:
        return BootDevice(device=None, persistent=None)
    return BootDevice(device=DEVICES.get(target or ""), persistent=PERSISTENT[enabled])


def supported_devices(system: Any) -> tuple[str, ...]:
    with translated(system.path):
        offered = {target.value for target in system.get_allowed_system_boot_source_values()}
    return tuple(
        word for word, target in TARGETS.items() if target in offered or (word == "cdrom" and "UsbCd" in offered)
    )


def set_http(connection: RedfishConnection, system_id: str | None, url: str) -> None:
    """The next boot is from this URL, by the firmware's own HTTP client. Errors: Unsupported, DeviceRefused."""
    system = connection.system(system_id)
    address = connection.target.address
    if "uefihttp" not in supported_devices(system):
        raise Unsupported(
            f"the BMC at {address} does not offer UefiHttp as a boot target: use the boot interface"
            " 'redfish-virtual-media', 'http' or 'ipxe'"
        )
    options = {"target": BootSource.UEFI_HTTP, "enabled": "Once", "http_boot_uri": url}
    _send(connection, system, options, options | {"mode": _word(system.boot and system.boot.mode)})


def set_device(connection: RedfishConnection, system_id: str | None, device: str, persistent: bool) -> None:
    """The device for the next boot (Once) or all boots (Continuous); the mode, and for ``url`` the URL, stay what they
    were. Any other device, ``uefihttp`` too, lets the BMC forget its URL.

    Errors: Unsupported, DeviceRefused.
    """
    keeps_url, device = device == URL, "uefihttp" if device == URL else device
    if device not in TARGETS:
        raise Unsupported(f"boot device {device} is not known to Redfish; known: {', '.join(TARGETS)}")
    system = connection.system(system_id)
    if device not in supported_devices(system):
        raise Unsupported(f"the BMC at {connection.target.address} does not offer boot device {device}")
    mode, enabled = _word(system.boot and system.boot.mode), ENABLED[persistent]
    # Quirk: some refuse to set what is set already, Supermicro wants it each time.
    same = _word(system.boot and system.boot.enabled) == enabled and not _is(system, ALWAYS_ENABLED)
    separate: dict[str, Any] = {"target": BootSource(TARGETS[device]), "enabled": None if same else enabled}
    if keeps_url and (url := _http_uri(system)):
        separate["http_boot_uri"] = url
    full = {**separate, "enabled": enabled, "mode": mode}
    _send(connection, system, separate, full)
    # Quirk: some fall back to their default mode when the device changes; a second PATCH puts it right.
    after = connection.system(system_id)
    if mode in MODES and _word(after.boot and after.boot.mode) != mode:
        _send(connection, after, {"mode": mode}, full)


def _http_uri(system: Any) -> str | None:
    """Quirk: what is no URL is none; sushy-tools 2.2 shows the text "None" where nothing is set, and would fetch it."""
    uri = str((system.json.get("Boot") or {}).get("HttpBootUri") or "")
    return uri if uri.lower().startswith(("http://", "https://")) else None


def get_mode(system: Any) -> str | None:
    return MODES.get(_word(system.boot and system.boot.mode) or "")


def set_mode(connection: RedfishConnection, system_id: str | None, mode: str) -> None:
    """``bios`` or ``uefi`` from the next boot on. Errors: InvalidRequest, Unsupported, DeviceRefused."""
    if mode not in MODE_WORDS:
        raise InvalidRequest(f"boot mode must be one of {', '.join(MODE_WORDS)}")
    system = connection.system(system_id)
    wanted = MODE_WORDS[mode]
    if system.boot is None or system.boot.mode is None:
        raise Unsupported(f"the BMC at {connection.target.address} does not name a boot mode")
    if _word(system.boot.mode) == wanted:
        return
    full = {"mode": wanted, "target": system.boot.target, "enabled": _word(system.boot.enabled)}
    _send(connection, system, {"mode": wanted}, full)


def _send(connection: RedfishConnection, system: Any, separate: dict[str, Any], full: dict[str, Any]) -> None:
    address = connection.target.address
    if not separate.get("http_boot_uri"):
        _forget_empty_uri(system)
    if not _is(system, FULL_BOOT):
        try:
            with translated(address, wrote=True):
                system.set_system_boot_options(**separate)
            return
        except DeviceRefused as error:
            if "credentials" in error.message or full == separate:
                raise
    with translated(address, wrote=True):
        system.set_system_boot_options(**full)


def _forget_empty_uri(system: Any) -> None:
    """sushy clears HttpBootUri with null when another device is chosen; BMCs that keep "" there refuse the null."""
    section = system.json.get("Boot") or {}
    if not _http_uri(system):
        section.pop("HttpBootUri", None)


def _secure_path(connection: RedfishConnection, system: Document) -> str:
    path = (system.get("SecureBoot") or {}).get("@odata.id")
    if not path:
        raise Unsupported(f"the BMC at {connection.target.address} knows nothing of secure boot")
    return str(path)


def get_secure(connection: RedfishConnection, system: Document) -> bool | None:
    """Whether secure boot is on from the next boot; None where the BMC does not say."""
    resource = connection.optional((system.get("SecureBoot") or {}).get("@odata.id")) or {}
    value = resource.get("SecureBootEnable")
    return value if isinstance(value, bool) else None


def set_secure(connection: RedfishConnection, system: Document, enabled: bool) -> None:
    path = _secure_path(connection, system)
    if get_secure(connection, system) is not enabled:
        connection.patch(path, {"SecureBootEnable": enabled})
