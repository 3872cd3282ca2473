"""What an operator writes into ``driver_info``: read, checked, described; no I/O.

Keys and their meaning are Ironic's (api-facts §11, lifecycle-facts §17). Each reader collects all faults and raises
one InvalidRequest that names them; none of them ever sees a password in the clear.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from ..errors import InvalidRequest
from ..secrets import MASK, PREFIX

REDFISH, IPMI, FAKE = "redfish", "ipmitool", "fake"
SERVICE_ROOT = "/redfish/v1/"
AUTH_TYPES = ("auto", "basic", "session")
TLS_MINIMUMS = {"1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
PRIVILEGES = {"CALLBACK": 1, "USER": 2, "OPERATOR": 3, "ADMINISTRATOR": 4}
CIPHER_SUITES = (17, 3)
TRUTHS = dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True) | dict.fromkeys(
    ("false", "f", "no", "n", "off", "0"), False
)

PROPERTIES: dict[str, dict[str, str]] = {
    REDFISH: {
        "redfish_address": "URL of the Redfish service, for example https://bmc.example.org. Without a scheme https is"
        " used; a path becomes the prefix of the service root. Required.",
        "redfish_system_id": "Path of the ComputerSystem, for example /redfish/v1/Systems/1. Needed only where the BMC"
        " looks after more than one system.",
        "redfish_username": "User name on the BMC; the account needs the right to change power and boot settings.",
        "redfish_password": "Password of that user. It is sealed before it is stored and never shown again.",
        "redfish_verify_ca": "How the BMC's certificate is checked: true (default) trusts the system's authorities,"
        " false checks nothing, a path names a file or folder of trusted certificates.",
        "redfish_auth_type": "How to sign in: basic, session, or auto (default): a session, and basic where the BMC"
        " grants none.",
        "redfish_tls_minimum_version": "Lowest TLS version that is spoken: 1.1, 1.2 or 1.3. Default: that of the"
        " system's TLS library.",
        "redfish_tls_ciphers": "Allowed TLS cipher suites in OpenSSL's notation. Default: those of the system's TLS"
        " library.",
        "firmware_update_unresponsive_bmc_wait": "Seconds to leave the BMC alone after its own firmware was updated.",
    },
    IPMI: {
        "ipmi_address": "Address or host name of the BMC. Required.",
        "ipmi_username": "User name on the BMC; empty means the anonymous user.",
        "ipmi_password": "Password of that user. It is sealed before it is stored and never shown again.",
        "ipmi_port": "UDP port of the BMC. Default 623.",
        "ipmi_priv_level": "Privilege to ask for: ADMINISTRATOR (default), OPERATOR, USER or CALLBACK.",
        "ipmi_bridging": "Bridging to a target behind the BMC. Only no (default) can be used so far.",
        "ipmi_transit_channel": "Channel of the transit request; only with dual bridging.",
        "ipmi_transit_address": "Address of the transit request; only with dual bridging.",
        "ipmi_target_channel": "Channel of the target; only with bridging.",
        "ipmi_target_address": "Address of the target; only with bridging.",
        "ipmi_local_address": "Own address on the IPMB; only with bridging.",
        "ipmi_protocol_version": "Version of the protocol. Only 2.0 (default) can be used: 1.5 protects nothing.",
        "ipmi_force_boot_device": "Whether the boot device is set again before each boot. Default false.",
        "ipmi_disable_boot_timeout": "Whether the BMC is told to keep a boot device that was set for longer than its 60"
        " seconds. Default true.",
        "ipmi_cipher_suite": "Cipher suite to use, 3 or 17. Default: 17, and 3 where the BMC refuses it.",
        "ipmi_hex_kg_key": "Kg key of the BMC: 40 hexadecimal digits. It is sealed before it is stored.",
        "ipmi_terminal_port": "Port for the serial console.",
    },
    FAKE: {},
}


@dataclass(frozen=True, kw_only=True)
class RedfishTarget:
    """Where a Redfish BMC is. ``url``: scheme and authority; ``root``: the service root's path."""

    url: str
    root: str
    system_id: str | None
    username: str
    verify: bool | str
    auth_type: str
    tls_minimum: str | None
    tls_ciphers: str | None

    @property
    def address(self) -> str:
        return self.url + ("" if self.root == SERVICE_ROOT else self.root)

    @property
    def key(self) -> tuple[str, ...]:
        """One conversation at a time per such key."""
        return (REDFISH, self.url, self.username)

    @property
    def settings(self) -> tuple[Any, ...]:
        """A kept connection can serve as long as these stay the same."""
        return (self.root, self.verify, self.auth_type, self.tls_minimum, self.tls_ciphers)


@dataclass(frozen=True, kw_only=True)
class IpmiTarget:
    """Where an IPMI BMC is and how it is spoken to."""

    host: str
    port: int
    username: str
    privilege: int | None
    cipher_suite: int | None
    disable_boot_timeout: bool

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def key(self) -> tuple[str, ...]:
        return (IPMI, self.address, self.username)

    @property
    def settings(self) -> tuple[Any, ...]:
        return (self.privilege, self.cipher_suite)


class _Reader:
    """Reads single values and remembers what was wrong with them."""

    def __init__(self, info: Mapping[str, Any]) -> None:
        self._info = info
        self.faults: list[str] = []

    def fault(self, text: str) -> None:
        self.faults.append(text)

    def text(self, key: str, *, or_number: bool = False) -> str:
        value = self._info.get(key)
        if value is None or value == "":
            return ""
        if isinstance(value, str) or (or_number and isinstance(value, int) and not isinstance(value, bool)):
            return str(value)
        self.fault(f"{key} must be text")
        return ""

    def required(self, key: str) -> str:
        value = self.text(key)
        if not value and not any(fault.startswith(key) for fault in self.faults):
            self.fault(f"{key} is missing")
        return value

    def choice(self, key: str, allowed: tuple[str, ...], default: str | None) -> str | None:
        value = self.text(key, or_number=True)
        if not value:
            return default
        matches = [word for word in allowed if word.lower() == value.lower()]
        if not matches:
            self.fault(f"{key} must be one of {', '.join(allowed)}")
        return matches[0] if matches else default

    def truth(self, key: str, default: bool) -> bool:
        value = self._info.get(key)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        known = TRUTHS.get(str(value).strip().lower())
        if known is None:
            self.fault(f"{key} must be true or false")
        return default if known is None else known

    def number(self, key: str, low: int, high: int, default: int) -> int:
        text = self.text(key, or_number=True)
        if not text:
            return default
        if not text.isdigit() or not low <= int(text) <= high:
            self.fault(f"{key} must be a number from {low} to {high}")
            return default
        return int(text)

    def finish(self, kind: str) -> None:
        if self.faults:
            raise InvalidRequest(f"driver_info is not usable for {kind}: {'; '.join(self.faults)}")


def _address(reader: _Reader, raw: str) -> tuple[str, str]:
    """(scheme and authority, path of the service root)."""
    parts = urlsplit(raw if "://" in raw else f"https://{raw}")
    try:
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if raw and (not usable or parts.username or parts.password or parts.query or parts.fragment):
        reader.fault("redfish_address must look like https://host[:port][/prefix], without user, query or fragment")
    prefix = parts.path.strip("/")
    if not prefix:
        return f"{parts.scheme}://{parts.netloc}", SERVICE_ROOT
    # A path is the service root itself, as in Ironic; a bare prefix is completed, which Ironic does not do.
    root = f"/{prefix}/" if re.search(r"(^|/)redfish/v\d+$", prefix) else f"/{prefix}{SERVICE_ROOT}"
    return f"{parts.scheme}://{parts.netloc}", root


def _verify(reader: _Reader, info: Mapping[str, Any]) -> bool | str:
    value = info.get("redfish_verify_ca")
    if value is None or value == "":
        return True
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        if value.startswith("/"):
            return value  # whether it exists is known where the BMC is called from (tls.py), not here
        known = TRUTHS.get(value.strip().lower())
        if known is not None:
            return known
    reader.fault("redfish_verify_ca must be true, false, or the absolute path of a file or folder")
    return True


def read_redfish(info: Mapping[str, Any]) -> RedfishTarget:
    """Errors: InvalidRequest naming every missing or wrong key."""
    reader = _Reader(info)
    url, root = _address(reader, reader.required("redfish_address"))
    system_id = reader.text("redfish_system_id")
    target = RedfishTarget(
        url=url,
        root=root,
        system_id=quote(system_id, safe="/%:@~!$&'()*+,;=") or None,
        username=reader.text("redfish_username"),
        verify=_verify(reader, info),
        auth_type=reader.choice("redfish_auth_type", AUTH_TYPES, "auto") or "auto",
        tls_minimum=reader.choice("redfish_tls_minimum_version", tuple(TLS_MINIMUMS), None),
        tls_ciphers=reader.text("redfish_tls_ciphers") or None,
    )
    reader.finish(REDFISH)
    return target


def _kg_key(reader: _Reader, info: Mapping[str, Any]) -> None:
    value = info.get("ipmi_hex_kg_key")
    if value in (None, "", MASK) or (isinstance(value, str) and value.startswith(PREFIX)):
        return
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-fA-F]{40}", value):
        reader.fault("ipmi_hex_kg_key must be 40 hexadecimal digits")


def read_ipmi(info: Mapping[str, Any]) -> IpmiTarget:
    """Errors: InvalidRequest naming every missing or wrong key."""
    reader = _Reader(info)
    reader.choice("ipmi_bridging", ("no",), None)
    reader.choice("ipmi_protocol_version", ("2.0",), None)
    privilege = reader.choice("ipmi_priv_level", tuple(PRIVILEGES), None)
    suite = reader.choice("ipmi_cipher_suite", tuple(str(number) for number in CIPHER_SUITES), None)
    _kg_key(reader, info)
    target = IpmiTarget(
        host=reader.required("ipmi_address").strip("[]"),
        port=reader.number("ipmi_port", 1, 65535, 623),
        username=reader.text("ipmi_username"),
        privilege=PRIVILEGES[privilege] if privilege else None,
        cipher_suite=int(suite) if suite else None,
        disable_boot_timeout=reader.truth("ipmi_disable_boot_timeout", True),
    )
    if len(target.username.encode()) > 16:
        reader.fault("ipmi_username must not be longer than 16 bytes")
    reader.finish("ipmi")
    return target


READERS: dict[str, Callable[[Mapping[str, Any]], object]] = {
    REDFISH: read_redfish,
    IPMI: read_ipmi,
    FAKE: lambda _info: None,
}


def validate(kind: str, driver_info: Mapping[str, Any]) -> None:
    """Check ``driver_info`` for ``kind`` (redfish, ipmitool, fake; other kinds need nothing).

    Errors: InvalidRequest naming all keys that are missing or wrong.
    """
    reader = READERS.get(kind)
    if reader is not None:
        reader(driver_info)
