"""What a GET answers: the Redfish documents of one BMC (DSP2046), made when they are asked for.

The table ``_ROUTES`` at the end is the table of contents: path below /redfish/v1 → function.
"""

import re
from collections.abc import Callable

from ..machine import Machine
from .bmc import SESSION_TIMEOUT_S, RedfishBmc
from .shapes import Document, collection, link, status
from .system_documents import SYSTEM_ROUTES


def document(bmc: RedfishBmc, path: str) -> Document | None:
    """The document at a path below /redfish/v1, or None when there is none."""
    made = _make(bmc, path)
    if made is not None:
        made["@odata.id"] = f"{bmc.prefix}/redfish/v1{path}"
    return made


def _make(bmc: RedfishBmc, path: str) -> Document | None:
    for pattern, make in _ROUTES:
        if match := pattern.fullmatch(path):
            return make(bmc, *match.groups())
    for pattern, make in SYSTEM_ROUTES:
        if (match := pattern.fullmatch(path)) and match[1] in bmc.systems:
            key, *rest = match.groups()
            return make(bmc, key, bmc.systems[key], *rest)
    return None


def system_of(bmc: RedfishBmc, path: str) -> Machine | None:
    """The machine that a path is about, when it is about one."""
    match = re.match(r"/(?:Systems|Chassis)/([^/]+)", path)
    return bmc.systems.get(match[1]) if match else None


def _root(bmc: RedfishBmc) -> Document:
    return {
        "@odata.type": "#ServiceRoot.v1_9_0.ServiceRoot",
        "Id": "RootService",
        "Name": "Root Service",
        "RedfishVersion": "1.11.0",
        "UUID": bmc.first.identity.uuid,
        "Vendor": bmc.first.identity.manufacturer,
        "Product": "Steelyard simulated rack",
        "Systems": link(bmc, "/Systems"),
        "Managers": link(bmc, "/Managers"),
        "Chassis": link(bmc, "/Chassis"),
        "SessionService": link(bmc, "/SessionService"),
        "Links": {"Sessions": link(bmc, "/SessionService/Sessions")},
    }


def _systems(bmc: RedfishBmc) -> Document:
    return collection(bmc, "ComputerSystem", [f"/Systems/{key}" for key in bmc.systems])


def _managers(bmc: RedfishBmc) -> Document:
    return collection(bmc, "Manager", ["/Managers/1"])


def _manager(bmc: RedfishBmc) -> Document:
    return {
        "@odata.type": "#Manager.v1_9_0.Manager",
        "Id": "1",
        "Name": "BMC",
        "ManagerType": "BMC",
        "FirmwareVersion": "1.0.0",
        "Model": "Simulated BMC",
        "UUID": bmc.first.identity.uuid,
        "PowerState": "On",
        "Status": status(bmc.first),
        "Links": {
            "ManagerForServers": [link(bmc, f"/Systems/{key}") for key in bmc.systems],
            "ManagerForChassis": [link(bmc, f"/Chassis/{key}") for key in bmc.systems],
        },
        "Actions": {
            "#Manager.Reset": {
                "target": f"{bmc.prefix}/redfish/v1/Managers/1/Actions/Manager.Reset",
                "ResetType@Redfish.AllowableValues": ["GracefulRestart", "ForceRestart"],
            }
        },
    }


def _all_chassis(bmc: RedfishBmc) -> Document:
    return collection(bmc, "Chassis", [f"/Chassis/{key}" for key in bmc.systems])


def _session_service(bmc: RedfishBmc) -> Document:
    return {
        "@odata.type": "#SessionService.v1_1_8.SessionService",
        "Id": "SessionService",
        "Name": "Session Service",
        "ServiceEnabled": True,
        "SessionTimeout": int(SESSION_TIMEOUT_S),
        "Sessions": link(bmc, "/SessionService/Sessions"),
    }


def _sessions(bmc: RedfishBmc) -> Document:
    paths = [f"/SessionService/Sessions/{session.number}" for session in bmc.sessions().values()]
    return collection(bmc, "Session", paths)


def _session(bmc: RedfishBmc, number: str) -> Document | None:
    if number not in {session.number for session in bmc.sessions().values()}:
        return None
    return session_document(bmc, number)


def session_document(bmc: RedfishBmc, number: str) -> Document:
    """What POST on Sessions and GET on one session answer; never the token."""
    return {
        "@odata.id": f"{bmc.prefix}/redfish/v1/SessionService/Sessions/{number}",
        "@odata.type": "#Session.v1_3_0.Session",
        "Id": number,
        "Name": "User Session",
        "UserName": bmc.username,
    }


_ROUTES: list[tuple[re.Pattern[str], Callable[..., Document | None]]] = [
    (re.compile(""), _root),
    (re.compile("/Systems"), _systems),
    (re.compile("/Managers"), _managers),
    (re.compile("/Managers/1"), _manager),
    (re.compile("/Chassis"), _all_chassis),
    (re.compile("/SessionService"), _session_service),
    (re.compile("/SessionService/Sessions"), _sessions),
    (re.compile("/SessionService/Sessions/([^/]+)"), _session),
]
