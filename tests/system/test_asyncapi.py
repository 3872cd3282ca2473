"""What really travels on a running suite's bus is what the AsyncAPI document says: every subject, every body."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nats
import pytest
from jsonschema import Draft7Validator
from nats.aio.msg import Msg
from steelyard_local.testing import running_suite

from .operator import Operator

INTERFACES = {f"{name}_interface": "fake" for name in ("bios", "boot", "deploy", "inspect", "raid", "rescue", "vendor")}
MAC = "02:00:00:00:dd:{:02x}"
FACTORY_RESET = {"interface": "bios", "step": "factory_reset"}
DEADLINE_S = 60.0
# Told only of real BMCs, of what a poll finds, or of what went wrong; their own services' tests see them.
NOT_HERE = {
    "power-observed", "bmc-unreachable", "bmc-recovered", "health-changed", "sensors", "power-state-corrected",
    "webhook-tested", "boot-attempt-ended", "boot-attempt-failed",
}  # fmt: skip


class Listener:
    """Hears everything of the site, as the bus's operator, while the block runs."""

    def __init__(self, context: Mapping[str, str]) -> None:
        self.heard: list[tuple[str, Mapping[str, str], bytes]] = []
        self.served: set[str] = set()
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        self._do(self._begin())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._client.drain())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def wait_for(self, facts: set[str]) -> None:
        """What the API shows already is told a moment later."""
        end = time.monotonic() + DEADLINE_S
        while missing := facts - {subject.split(".")[3] for subject, _, _ in list(self.heard) if ".evt." in subject}:
            assert time.monotonic() < end, f"not told: {missing}"
            time.sleep(0.1)

    def ask_services(self, names: set[str]) -> None:
        """What each of them says that it answers (NATS's own discovery)."""
        self._do(self._discover({f"steelyard-{name}" for name in names}))

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE_S)

    async def _begin(self) -> None:
        context = self._context
        tls = {"tls": ssl.create_default_context(cafile=context["ca"])} if "ca" in context else {}
        who: dict[str, Any] = {name: context[name] for name in ("user", "password", "inbox_prefix")}
        self._client = await nats.connect(context["url"], **who, **tls)
        await self._client.subscribe("local.>", cb=self._hear)
        await self._client.flush()

    async def _hear(self, message: Msg) -> None:
        self.heard.append((message.subject, message.headers or {}, message.data))

    async def _discover(self, names: set[str]) -> None:
        inbox = self._client.new_inbox()
        answers = await self._client.subscribe(inbox)
        await self._client.publish("$SRV.INFO", b"", reply=inbox)
        services: set[str] = set()
        while not names <= services:
            answer = json.loads((await answers.next_msg(DEADLINE_S)).data)
            services.add(answer["name"])
            self.served |= {each["subject"] for each in answer["endpoints"]}


@pytest.fixture(scope="module")
def heard() -> Iterator[tuple[Listener, dict[str, Any]]]:
    """A suite in which about everything happened that can happen to fake hardware, and its document."""
    with running_suite(environment={"STEELYARD_AUTOMATED_CLEAN": "true"}) as suite:
        context = json.loads(Path(suite.data / "bus" / "operator.json").read_text())
        operator = Operator(suite.url)
        with Listener(context) as listener:
            _live(operator)
            _keep_records(operator)
            _allocate(operator)
            _go_wrong(operator)
            listener.wait_for({"operation-finished", "call-refused", "allocation-failed"})
            document = operator.ask("GET", "/v1/asyncapi.json")
            requests = {name for name in document["operations"] if ".qry." in name or ".cmd." in name}
            listener.ask_services({name.split(".")[0] for name in requests})
            yield listener, document


def _go(operator: Operator, name: str, target: str, state: str, **more: Any) -> None:
    operator.ask("PUT", f"/v1/nodes/{name}/states/provision", {"target": target, **more})
    operator.wait(name, lambda node: node["provision_state"] == state and not node["reservation"])


def _live(operator: Operator) -> None:
    operator.enrol([{"name": "one", "driver": "fake-hardware", "resource_class": "a", **INTERFACES}])
    _go(operator, "one", "inspect", "manageable")
    _go(operator, "one", "clean", "manageable", clean_steps=[FACTORY_RESET])
    operator.set_power("one", "power on")
    operator.ask("PUT", "/v1/nodes/one/states/power", {"target": "rebooting"})
    operator.wait("one", lambda node: not node["target_power_state"])
    _go(operator, "one", "provide", "available")
    _go(operator, "one", "active", "active")
    hold = [{"interface": "deploy", "step": "hold"}]
    _go(operator, "one", "service", "service hold", service_steps=hold)
    _go(operator, "one", "unhold", "active")
    _go(operator, "one", "deleted", "available")


def _keep_records(operator: Operator) -> None:
    (name,) = operator.enrol([{"name": "two", "driver": "fake-hardware", "network_interface": "flat", **INTERFACES}])
    node = operator.node(name)["uuid"]
    operator.wait(name, lambda node: node["power_state"] == "power off")
    owned = {"node_uuid": node}
    steps = [{"interface": "bios", "step": "factory_reset", "args": {}}]
    records: dict[str, dict[str, Any]] = {
        "portgroups": owned | {"name": "pg"},
        "ports": owned | {"address": MAC.format(1), "local_link_connection": {}},
        "chassis": {"description": "row"},
        "volume/connectors": owned | {"type": "iqn", "connector_id": "iqn.x"},
        "volume/targets": owned | {"volume_type": "iscsi", "boot_index": 0, "volume_id": "v"},
        "deploy_templates": {"name": "CUSTOM_T", "steps": [steps[0] | {"priority": 1}]},
        "runbooks": {"name": "CUSTOM_R", "steps": [steps[0] | {"order": 1}]},
        "inspection_rules": {"actions": [{"op": "fail", "args": {"msg": "no"}}]},
    }
    for path, body in records.items():
        uuid = operator.ask("POST", f"/v1/{path}", body)["uuid"]
        field = "description" if path == "inspection_rules" else "extra"
        change = {"op": "add", "path": f"/{field}", "value": "x" if field == "description" else {"a": "b"}}
        operator.ask("PATCH", f"/v1/{path}/{uuid}", [change])
        if path == "ports":
            operator.ask("POST", f"/v1/nodes/{name}/vifs", {"id": "vif"})
            operator.ask("DELETE", f"/v1/nodes/{name}/vifs/vif")
        operator.ask("DELETE", f"/v1/{path}/{uuid}")
    operator.ask("PUT", f"/v1/nodes/{name}/maintenance", {"reason": "why"})
    operator.ask("DELETE", f"/v1/nodes/{name}")


def _allocate(operator: Operator) -> None:
    for name, resource_class in (("fits", "a"), ("not", "none")):
        made = operator.ask("POST", "/v1/allocations", {"name": name, "resource_class": resource_class})
        end = time.monotonic() + DEADLINE_S
        while operator.ask("GET", f"/v1/allocations/{made['uuid']}")["state"] == "allocating":
            assert time.monotonic() < end
            time.sleep(0.1)
        operator.ask("PATCH", f"/v1/allocations/{name}", [{"op": "add", "path": "/extra/a", "value": "b"}])
        operator.ask("DELETE", f"/v1/allocations/{name}")
    operator.ask("POST", "/v1/operations", {"verb": "power on", "nodes": ["one"]})


def _go_wrong(operator: Operator) -> None:
    told = {"fake_factory_reset_fail": "the BIOS is on fire"}
    (name,) = operator.enrol([{"name": "three", "driver": "fake-hardware", "driver_info": told, **INTERFACES}])
    operator.ask("PUT", f"/v1/nodes/{name}/management/boot_device", {"boot_device": "pxe"})
    nobody = {"redfish_address": "http://127.0.0.1:9", "redfish_username": "u", "redfish_password": "p"}
    operator.ask("POST", "/v1/nodes", {"name": "four", "driver": "redfish", "driver_info": nobody})
    operator.ask("PUT", "/v1/nodes/four/states/power", {"target": "power on"})
    operator.wait("four", lambda node: bool(node["last_error"]) and not node["reservation"])
    _go(operator, name, "clean", "clean failed", clean_steps=[FACTORY_RESET])
    status, _ = operator.call("PUT", f"/v1/nodes/{name}/states/provision", {"target": "active"})
    assert status == 400


class Document:
    """Finds the message of a subject, and judges bodies by it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._addresses = [
            (re.compile(re.sub(r"{\w+}", "[^.]+", channel["address"].replace(".", r"\."))), name)
            for name, channel in document["channels"].items()
            if channel["address"]
        ]

    def message(self, subject: str) -> str | None:
        """Its name; None for a subject that the document does not have."""
        return next((name for address, name in self._addresses if address.fullmatch(subject)), None)

    def errors(self, message: str, body: Any, headers: Mapping[str, str]) -> list[str]:
        said = self._document["components"]["messages"][message]
        found = []
        for schema, value in ((said["payload"], body), (said["headers"], dict(headers))):
            whole = schema | {"components": self._document["components"]}
            found += [error.message[:300] for error in Draft7Validator(whole).iter_errors(value)]
        return found


@pytest.mark.slow
def test_every_message_on_the_bus_is_one_of_the_document(heard: tuple[Listener, dict[str, Any]]) -> None:
    listener, loaded = heard
    document, wrong = Document(loaded), []

    for subject, headers, data in list(listener.heard):
        name = document.message(subject)
        if name is None:
            wrong.append(f"{subject}: no such channel")
        elif errors := document.errors(name, json.loads(data), headers):
            wrong.append(f"{subject}: {errors} {data[:300]!r}")

    assert len(listener.heard) > 200
    assert {"step", "result"} <= {document.message(subject) for subject, _, _ in list(listener.heard)}
    assert wrong == []


@pytest.mark.slow
def test_an_event_has_no_field_that_the_document_does_not_name(heard: tuple[Listener, dict[str, Any]]) -> None:
    listener, loaded = heard
    messages, found = loaded["components"]["messages"], set()

    for subject, _, data in list(listener.heard):
        if ".evt." in subject:
            known = messages[subject.partition(".")[2].rpartition(".")[0]]["payload"]["allOf"][1]["properties"]["data"]
            found |= {
                f"{subject.split('.')[3]}.{name}" for name in json.loads(data)["data"].keys() - known["properties"]
            }

    assert found == set()


@pytest.mark.slow
def test_every_declared_fact_was_told_but_those_of_real_hardware(heard: tuple[Listener, dict[str, Any]]) -> None:
    listener, loaded = heard
    declared = {name.split(".")[2] for name in loaded["components"]["messages"] if ".evt." in name}

    listener.wait_for(declared - NOT_HERE)


@pytest.mark.slow
def test_what_the_services_answer_is_what_the_document_lists(heard: tuple[Listener, dict[str, Any]]) -> None:
    listener, loaded = heard
    listed = {
        re.sub(r"{\w+}", "*", channel["address"]).replace("*", "local", 1)
        for name, channel in loaded["channels"].items()
        if ".qry." in name or ".cmd." in name
    }

    assert listed == {subject for subject in listener.served if subject.startswith("local.")}
