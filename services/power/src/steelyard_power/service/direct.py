"""Direct calls to a BMC: boot device, NMI, indicators, virtual media, vendor methods (API facts §7.2, §7.3).

Writes hold the node by a lease meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from steelyard_common.bmc import BmcDriver, RemoteMedia
from steelyard_common.errors import InvalidRequest, Unavailable, Unsupported

from ..domain import media, vendor
from ..drivers import Conversations
from .inventory import Inventory

ANSWER_MARGIN_S = 1.0  # left for the way back to the caller
LONGEST_S = 30.0
MANAGEMENT = "management"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Who is asked for and until when. ``deadline``: time.monotonic(); ``headers``: the caller's, passed on."""

    ident: str
    deadline: float
    headers: Mapping[str, str]

    def left_s(self) -> float:
        """Errors: Unavailable when nobody would wait for the answer any more."""
        left = self.deadline - time.monotonic() - ANSWER_MARGIN_S
        if left <= 0:
            raise Unavailable("no time is left for the BMC; nothing was sent")
        return min(left, LONGEST_S)


class Direct:
    """One method a question or command; errors as the driver raises them, and those of the lease."""

    def __init__(self, inventory: Inventory, conversations: Conversations) -> None:
        self._inventory, self._conversations = inventory, conversations

    def boot_device(self, asked: Asked) -> dict[str, Any]:
        with self._reading(asked) as driver:
            boot = driver.get_boot_device()
        return {"boot_device": boot.device, "persistent": boot.persistent}

    def supported_boot_devices(self, asked: Asked) -> dict[str, Any]:
        with self._reading(asked) as driver:
            return {"supported_boot_devices": list(driver.supported_boot_devices())}

    def set_boot_device(self, asked: Asked, device: str, persistent: bool) -> None:
        with self._writing(asked, f"set boot device {device}") as driver:
            driver.set_boot_device(device, persistent=persistent)

    def inject_nmi(self, asked: Asked) -> None:
        with self._writing(asked, "inject NMI") as driver:
            driver.inject_nmi()

    def indicators(self, asked: Asked, component: str | None) -> dict[str, Any]:
        with self._reading(asked) as driver:
            lamps = driver.list_indicators()
        rows = [
            {
                "name": f"{lamp.name}@{lamp.component}",
                "component": lamp.component,
                "readonly": lamp.readonly,
                "states": list(lamp.states),
            }
            for lamp in lamps
            if component in (None, lamp.component)
        ]
        return {"indicators": rows}

    def indicator(self, asked: Asked, name: str) -> dict[str, Any]:
        lamp, component = split_lamp(name)
        with self._reading(asked) as driver:
            return {"state": driver.get_indicator(component, lamp)}

    def set_indicator(self, asked: Asked, name: str, state: str) -> None:
        lamp, component = split_lamp(name)
        with self._writing(asked, f"set indicator {name}") as driver:
            driver.set_indicator(component, lamp, state)

    def virtual_media(self, asked: Asked) -> dict[str, Any]:
        """Errors: Unsupported where the BMC has none."""
        with self._reading(asked) as driver:
            return {"media": [media.shown(slot) for slot in _remote(driver).media_slots()]}

    def attach_media(self, asked: Asked, device_type: str, image_url: str) -> None:
        """``image_url`` is in a slot of that type afterwards. Errors: Unsupported."""
        with self._writing(asked, f"attach a {device_type}") as driver:
            remote = _remote(driver)
            remote.insert_media(media.slot_for(device_type, remote.media_slots()).id, image_url)

    def detach_media(self, asked: Asked, device_types: Sequence[str]) -> None:
        """Nothing is in slots of these types afterwards; none named: in no slot. Errors: Unsupported."""
        with self._writing(asked, "detach virtual media") as driver:
            remote = _remote(driver)
            for slot in media.inserted(device_types, remote.media_slots()):
                remote.eject_media(slot.id)

    def vendor_methods(self, asked: Asked) -> dict[str, Any]:
        return {"methods": vendor.describe(self._vendor_interface(asked))}

    def call_vendor(self, asked: Asked, name: str, http_method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Errors: InvalidRequest (no such method, wrong verb or arguments), Busy."""
        method = vendor.find(self._vendor_interface(asked), name, http_method)
        if not method.needs_lock:
            answer = method.run(arguments)
        else:
            with self._inventory.lease(asked.ident, f"vendor method {name}", asked.left_s(), asked.headers):
                answer = method.run(arguments)
        return {"async": method.is_async, "return": None if method.is_async else answer}

    def _vendor_interface(self, asked: Asked) -> str | None:
        interface: str | None = self._inventory.node(asked.ident, asked.headers)["interfaces"].get("vendor")
        return interface

    def bmc_report(self) -> dict[str, Any]:
        return {"bmcs": self._conversations.report()}

    @contextmanager
    def _reading(self, asked: Asked) -> Iterator[BmcDriver]:
        node = self._inventory.node(asked.ident, asked.headers)
        with self._conversations.open(node, MANAGEMENT, timeout_s=asked.left_s()) as driver:
            yield driver

    @contextmanager
    def _writing(self, asked: Asked, purpose: str) -> Iterator[BmcDriver]:
        with (
            self._inventory.lease(asked.ident, purpose, asked.left_s(), asked.headers) as node,
            self._conversations.open(node, MANAGEMENT, timeout_s=asked.left_s()) as driver,
        ):
            yield driver


def _remote(driver: BmcDriver) -> RemoteMedia:
    """Errors: Unsupported."""
    if not isinstance(driver, RemoteMedia):
        raise Unsupported("this BMC's management interface does not support virtual media; Redfish does")
    return driver


def split_lamp(name: str) -> tuple[str, str]:
    """``led@chassis`` → (led, chassis). Errors: InvalidRequest."""
    lamp, at, component = name.rpartition("@")
    if not (lamp and at and component):
        raise InvalidRequest(f"'{name}' is no indicator; write <name>@<component>, as in led@chassis")
    return lamp, component
