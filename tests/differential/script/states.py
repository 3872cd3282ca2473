"""States, power, provision, management, maintenance of one node that takes no time, and verbs in the wrong state."""

from __future__ import annotations

from typing import Any

from ..asking import Ask
from .words import ALPHA, NOBODY, delete, get, other, patch, put, raw

A = "/v1/nodes/alpha"


def power(target: Any, version: str = "1.115", **more: Any) -> Ask:
    return put(f"{A}/states/power", {"target": target} | more, version, "alpha")


def provision(target: Any, version: str = "1.115", **more: Any) -> Ask:
    return put(f"/v1/nodes/{ALPHA}/states/provision", {"target": target} | more, version, "alpha")


POWER = [
    *(get(f"{A}/states", f"1.{minor}") for minor in (1, 11, 12, 74, 75, 115)),
    get("/v1/nodes/nobody/states"),
    get(f"{A}/states?bogus=1"),
    get(f"{A}/states/power"),
    other("POST", f"{A}/states/power"),
    power("power on"),
    get(f"{A}/states"),
    power("power on"),
    power("rebooting"),
    power("soft rebooting"),
    power("soft rebooting", timeout=5),
    power("soft power off", timeout=5),
    power("power off"),
    get(f"{A}/states"),
    power("Power On"),
    power("on"),
    power(None),
    power(5),
    power("error"),
    power("power on", timeout=0),
    power("power on", timeout=-1),
    power("power on", timeout="x"),
    power("power on", timeout="5"),
    power("power on", timeout=1.5),
    power("power on", timeout=None),
    power("soft power off", "1.26"),
    power("power off", "1.26", timeout=5),
    power("power on", bogus=1),
    put(f"{A}/states/power", {}),
    put(f"{A}/states/power"),
    raw("PUT", f"{A}/states/power", b"[]"),
    raw("PUT", f"{A}/states/power", b"{"),
    put("/v1/nodes/nobody/states/power", {"target": "power on"}),
    put(f"/v1/nodes/{NOBODY}/states/power", {"target": "power on"}),
    put(f"/v1/nodes/{ALPHA}/states/power", {"target": "power on"}, "1.115", "alpha"),
    patch(A, ("add", "/disable_power_off", True)),
    power("power off"),
    power("soft power off"),
    power("rebooting"),
    power("power on"),
    patch(A, ("add", "/disable_power_off", False)),
]

WORDS = (
    "active",
    "deploy",
    "rebuild",
    "deleted",
    "undeploy",
    "provide",
    "inspect",
    "abort",
    "adopt",
    "unrescue",
    "unhold",
)
NEW = (("manage", 3), ("provide", 3), ("inspect", 5), ("abort", 12), ("clean", 14), ("adopt", 16), ("rescue", 37),
       ("deploy", 72), ("undeploy", 72), ("unhold", 84), ("service", 86))  # fmt: skip
STEP = {"interface": "power", "step": "set_power", "args": {}}
PROVISION = [
    *(provision(word) for word in WORDS if word not in ("inspect", "adopt")),
    *(provision(word, f"1.{minor}") for word, minor in NEW),
    provision("bogus"),
    provision(None),
    provision(5),
    provision("enroll"),
    provision("clean"),
    provision("clean", clean_steps=[STEP]),
    provision("clean", clean_steps=[{"interface": "bogus", "step": "x"}]),
    provision("clean", clean_steps=[{"interface": "power"}]),
    provision("clean", clean_steps={}),
    provision("clean", clean_steps=[]),
    provision("clean", clean_steps=[STEP], runbook="r"),
    provision("clean", clean_steps=[STEP | {"bogus": 1}]),
    provision("service"),
    provision("service", service_steps=[{"step": "x"}]),
    provision("rescue"),
    provision("rescue", rescue_password=""),
    provision("rescue", rescue_password="secret"),
    provision("manage", rescue_password="secret"),
    provision("manage", clean_steps=[STEP]),
    provision("manage", deploy_steps=[STEP]),
    provision("manage", configdrive="x"),
    provision("manage", disable_ramdisk=True),
    provision("manage", runbook="r"),
    provision("manage", bogus=1),
    provision("active", configdrive=5),
    provision("active", configdrive={"meta_data": {}, "bogus": 1}),
    provision("active", "1.55", configdrive={"meta_data": {}}),
    provision("active", "1.58", configdrive={"vendor_data": {}}),
    provision("active", deploy_steps=[{"interface": "power", "step": "x"}]),
    put(f"{A}/states/provision", {}),
    put(f"{A}/states/provision"),
    raw("PUT", f"{A}/states/provision", b"[]"),
    put("/v1/nodes/nobody/states/provision", {"target": "manage"}),
    get(f"{A}/states/provision"),
    provision("manage"),
    get(f"{A}/states"),
    get(A),
    provision("manage"),
    provision("active"),
    provision("abort"),
    provision("unrescue"),
    provision("provide"),
    get(f"{A}/states", "1.1"),
    get(f"{A}/states"),
    get(A, "1.1"),
    patch(A, ("add", "/retired", True)),
    patch(A, ("add", "/power_interface", "fake")),
    patch(A, ("add", "/resource_class", "silver")),
    provision("provide"),
    provision("manage"),
    get(f"{A}?fields=provision_state,target_provision_state,last_error,provision_updated_at"),
]

BOOT = [
    *(
        put(f"{A}/states/boot_mode", body)
        for body in ({"target": "bogus"}, {"target": 5}, {}, None, {"target": "uefi", "b": 1})
    ),
    put(f"{A}/states/boot_mode", {"target": "uefi"}, "1.75"),
    put(f"{A}/states/boot_mode", {"target": "uefi"}, "1.115", "alpha"),
    put(f"{A}/states/boot_mode", {"target": "bios"}, "1.115", "alpha"),
    put("/v1/nodes/nobody/states/boot_mode", {"target": "bios"}),
    get(f"{A}/states/boot_mode"),
    *(put(f"{A}/states/secure_boot", body) for body in ({"target": "bogus"}, {"target": 5}, {}, None)),
    put(f"{A}/states/secure_boot", {"target": True}, "1.75"),
    put(f"{A}/states/secure_boot", {"target": True}, "1.115", "alpha"),
    put(f"{A}/states/secure_boot", {"target": "false"}, "1.115", "alpha"),
    get(f"{A}/states"),
]

MANAGEMENT = [
    get(f"{A}/management"),
    get(f"{A}/management/bogus"),
    get(f"{A}/management/boot_device"),
    get(f"{A}/management/boot_device/supported"),
    get(f"{A}/management/boot_device/bogus"),
    get(f"{A}/management/boot_device?bogus=1"),
    put(f"{A}/management/boot_device", {"boot_device": "disk"}),
    put(f"{A}/management/boot_device", {"boot_device": "pxe", "persistent": True}),
    put(f"{A}/management/boot_device", {"boot_device": "pxe", "persistent": "no"}),
    put(f"{A}/management/boot_device", {"boot_device": "pxe", "persistent": "maybe"}),
    put(f"{A}/management/boot_device", {"boot_device": "bogus"}),
    put(f"{A}/management/boot_device", {"boot_device": 5}),
    put(f"{A}/management/boot_device", {}),
    put(f"{A}/management/boot_device"),
    put(f"{A}/management/boot_device", {"boot_device": "disk", "bogus": 1}),
    put("/v1/nodes/nobody/management/boot_device", {"boot_device": "disk"}),
    get("/v1/nodes/nobody/management/boot_device"),
    other("POST", f"{A}/management/boot_device"),
    put(f"{A}/management/inject_nmi"),
    put(f"{A}/management/inject_nmi", {}),
    put(f"{A}/management/inject_nmi", {"bogus": 1}),
    put(f"{A}/management/inject_nmi", None, "1.28"),
    get(f"{A}/management/inject_nmi"),
    get(f"{A}/management/indicators"),
    get(f"{A}/management/indicators", "1.62"),
    get(f"{A}/management/indicators/led"),
    get(f"{A}/management/indicators/led@bogus"),
    get(f"{A}/management/indicators/bogus@chassis"),
    put(f"{A}/management/indicators/led@chassis", {"state": "bogus"}),
    put(f"{A}/management/indicators/led@chassis", {}),
    put(f"{A}/management/indicators/led", {"state": "on"}),
]

MAINTENANCE = [
    put(f"{A}/maintenance"),
    get(f"{A}?fields=maintenance,maintenance_reason"),
    put(f"{A}/maintenance", {"reason": "broken fan"}),
    get(f"{A}?fields=maintenance,maintenance_reason"),
    power("power on"),
    provision("inspect", "1.5"),
    delete(f"{A}/maintenance"),
    get(f"{A}?fields=maintenance,maintenance_reason"),
    delete(f"{A}/maintenance"),
    put(f"{A}/maintenance", {"reason": 5}),
    put(f"{A}/maintenance", {"reason": None}),
    put(f"{A}/maintenance", {"bogus": 5}),
    raw("PUT", f"{A}/maintenance", b"{"),
    get(f"{A}/maintenance"),
    other("POST", f"{A}/maintenance"),
    put("/v1/nodes/nobody/maintenance"),
    delete("/v1/nodes/nobody/maintenance"),
    delete(f"{A}/maintenance"),
]

REQUESTS = [*POWER, *PROVISION, *BOOT, *MANAGEMENT, *MAINTENANCE]
