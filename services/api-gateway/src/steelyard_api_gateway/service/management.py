"""Direct calls to a node's BMC: boot device, NMI, indicators (facts §7.2). The power service does them."""

from __future__ import annotations

from typing import Any

import orjson
from steelyard_common.errors import InvalidRequest

from ..domain import identifiers, values
from ..drivers import Upstream
from .arguments import optional, read_arguments
from .call import Call

BOOT_DEVICES = ("pxe", "disk", "cdrom", "bios", "safe", "wanboot", "iscsiboot", "floppy", "uefihttp")
INDICATOR_STATES = ("on", "off", "blinking", "unknown")
_BOOT_DEVICE = {"boot_device": optional(values.text), "persistent": optional(values.boolean)}
_STATE = {"state": optional(values.text)}


class Management:
    """Questions and commands on `/v1/nodes/{n}/management`."""

    def __init__(self, power: Upstream) -> None:
        self._power = power

    def show_boot_device(self, call: Call, ident: str) -> bytes:
        return self._power.query("boot-device", self._node(call, ident), call.headers())

    def supported_boot_devices(self, call: Call, ident: str) -> bytes:
        return self._power.query("supported-boot-devices", self._node(call, ident), call.headers())

    def set_boot_device(self, call: Call, ident: str, body: Any) -> None:
        given = read_arguments(body, _BOOT_DEVICE, required="boot_device")
        device = given["boot_device"]
        if device not in BOOT_DEVICES:
            raise InvalidRequest(
                f"Invalid boot device {values.plain(device)} specified; use one of {', '.join(BOOT_DEVICES)}"
            )
        change = {"boot_device": device, "persistent": bool(given.get("persistent"))}
        self._power.command("set-boot-device", self._node(call, ident) | change, call.headers())

    def inject_nmi(self, call: Call, ident: str, body: Any) -> None:
        read_arguments(body, {})
        self._power.command("inject-nmi", self._node(call, ident), call.headers())

    def list_indicators(self, call: Call, ident: str, component: str | None = None) -> bytes:
        """The list, to which links are added: the one reply that is decoded, a handful of lamps."""
        asked = self._node(call, ident) | {"component": component}
        reply = orjson.loads(self._power.query("indicators", asked, call.headers()))
        for indicator in reply["indicators"]:
            path = f"nodes/{ident}/management/indicators/{indicator['name']}"
            indicator["links"] = [
                {"href": f"{call.base_url}/v1/{path}", "rel": "self"},
                {"href": f"{call.base_url}/{path}", "rel": "bookmark"},
            ]
        return orjson.dumps(reply)

    def show_indicator(self, call: Call, ident: str, name: str) -> bytes:
        return self._power.query("indicator", self._lamp(call, ident, name), call.headers())

    def set_indicator(self, call: Call, ident: str, name: str, body: Any) -> None:
        state = read_arguments(body, _STATE, required="state")["state"]
        if state not in INDICATOR_STATES:
            raise InvalidRequest(
                f"Invalid indicator state {values.plain(state)}; use one of {', '.join(INDICATOR_STATES)}"
            )
        self._power.command("set-indicator", self._lamp(call, ident, name) | {"state": state}, call.headers())

    @staticmethod
    def _node(call: Call, ident: str) -> dict[str, Any]:
        return {"ident": identifiers.from_path("node", ident, call.minor)}

    def _lamp(self, call: Call, ident: str, name: str) -> dict[str, Any]:
        lamp, at, component = values.text("indicator", name).partition("@")
        if not (lamp and at and component):
            raise InvalidRequest(f'Malformed indicator name "{values.plain(name)}"; write <name>@<component>')
        return self._node(call, ident) | {"name": name}
