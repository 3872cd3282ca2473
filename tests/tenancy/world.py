"""Two projects behind one real gateway and one real inventory, joined by the bus's twin."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import orjson
from sqlalchemy import text
from steelyard_api_gateway.service.call import Caller
from steelyard_api_gateway.testing import Api, make_api
from steelyard_api_gateway.testing_policy import NamedCallers, of_project
from steelyard_common.bus import MemoryBus
from steelyard_common.db import Database
from steelyard_common.testing import SetClock
from steelyard_inventory.testing import SITE, Desk
from werkzeug.test import TestResponse

ROLES = ("admin", "manager", "member", "reader")
CALLERS = {f"{project} {role}": of_project(f"p-{project}", role) for project in ("a", "b", "c") for role in ROLES} | {
    "operator": Caller(user="root"),
    "helper": Caller(user="root", roles=("member",)),
}
CANARY = "c4nary-of-project-a"


class World:
    """Project a owns nodes (a1 leased to c) and everything around them, all of it marked with CANARY; b owns b1."""

    def __init__(self, database: Database, bus: MemoryBus, clock: SetClock) -> None:
        self.desk = Desk(database, bus, clock)
        self.desk.announce()
        self.api: Api = make_api(bus, sign_in=NamedCallers(CALLERS), site=SITE)
        self.database = database
        self.ids: dict[str, str] = {}
        for name, owner, lessee in (
            ("a1", "p-a", "p-c"),
            ("a2", "p-a", None),
            ("b1", "p-b", None),
            ("free", None, None),
        ):
            self._add_node(name, owner, lessee)
        for project in ("a", "b"):
            self._furnish(project)

    def ask(self, who: str, method: str, path: str, json: Any = None, **more: Any) -> TestResponse:
        return self.api(method, path, json, headers={"X-Auth-Token": who}, **more)

    def made(self, who: str, path: str, json: Any) -> str:
        answer = self.ask(who, "POST", path, json)
        assert answer.status_code == 201, answer.data
        uuid: str = answer.get_json()["uuid"]
        return uuid

    def write(self, statement: str, **values: Any) -> None:
        """What no call of the API can bring about."""
        with self.database.begin() as transaction:
            transaction.connection.execute(text(statement), values)

    def everything_of_a(self) -> bytes:
        """All that a's admin sees, to compare."""
        lists = ("nodes/detail", "ports/detail", "portgroups/detail", "volume/targets", "allocations", "runbooks")
        return b"".join(self.ask("a admin", "GET", f"/v1/{each}").data for each in lists)

    def _add_node(self, name: str, owner: str | None, lessee: str | None) -> None:
        secret = CANARY if owner == "p-a" else "plain"
        node = {
            "name": name, "driver": "fake-hardware", "owner": owner, "lessee": lessee, "resource_class": "metal",
            "extra": {"mark": secret}, "driver_info": {"address": secret, "password": secret},
        }  # fmt: skip
        self.ids[name] = self.made("operator", "/v1/nodes", node)
        self.write(
            "UPDATE nodes SET last_error = :error, provision_state = 'available', power_state = 'power off',"
            " driver_internal_info = CAST(:info AS jsonb) WHERE name = :name",
            error=secret, info=orjson.dumps({"url": secret}).decode(), name=name,
        )  # fmt: skip

    def _furnish(self, project: str) -> None:
        secret = CANARY if project == "a" else "plain"
        place = {"node_uuid": self.ids[f"{project}1"], "extra": {"mark": secret}}
        number = "1" if project == "a" else "2"
        self.ids[f"group-{project}"] = self.made("operator", "/v1/portgroups", place | {"name": f"group-{project}"})
        self.ids[f"port-{project}"] = self.made(
            "operator", "/v1/ports", place | {"address": f"aa:bb:cc:dd:ee:0{number}", "name": f"port-{project}"}
        )
        self.ids[f"connector-{project}"] = self.made(
            "operator", "/v1/volume/connectors", place | {"type": "iqn", "connector_id": f"iqn-{project}"}
        )
        target = {"volume_type": "iscsi", "boot_index": 0, "volume_id": secret, "properties": {"auth_password": secret}}
        self.ids[f"target-{project}"] = self.made("operator", "/v1/volume/targets", place | target)
        steps = [{"interface": "bios", "step": "reset", "order": 1, "args": {"mark": secret}}]
        recipe = {"name": f"CUSTOM_{project.upper()}", "steps": steps}
        self.ids[f"runbook-{project}"] = self.made(f"{project} manager", "/v1/runbooks", recipe)
        self.ids[f"allocation-{project}"] = self.made(
            f"{project} member", "/v1/allocations", {"resource_class": "none", "extra": {"mark": secret}}
        )


def unknown() -> str:
    return str(uuid4())
