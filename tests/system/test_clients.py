"""The `baremetal` command as it comes from PyPI, with the clouds.yaml that the suite writes, does all that it can."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from steelyard_local.testing import RunningSuite
from steelyard_rack.testing import RunningRack, running_rack

from .operator import Operator
from .shared import clear_away
from .warm_baremetal import WarmClient, warm_baremetal

pytestmark = pytest.mark.slow


class Client:
    """``run`` succeeds or fails the test; ``ask`` reads its JSON; ``fail`` is what it says when it is refused."""

    def __init__(self, warm: WarmClient) -> None:
        self._warm = warm

    def run(self, *words: str) -> str:
        said = self._warm.call(list(words))
        assert said.status == 0, f"{' '.join(words)}: {said.err}{said.out}"
        return said.out

    def ask(self, *words: str) -> Any:
        return json.loads(self.run(*words, "-f", "json"))

    def fail(self, *words: str) -> str:
        said = self._warm.call(list(words))
        assert said.status != 0, f"{' '.join(words)} succeeded: {said.out}"
        return said.err

    def names(self, *options: str) -> list[str]:
        return [each["name"] for each in self.ask("node", "list", *options)]


@pytest.fixture(scope="module")
def rack() -> Iterator[RunningRack]:
    """A Redfish machine and an IPMI machine."""
    with running_rack(machines=2) as rack:
        yield rack


@pytest.fixture(scope="module")
def client(shared_suite: RunningSuite) -> Iterator[Client]:
    with warm_baremetal(shared_suite) as warm:
        yield Client(warm)
    clear_away(Operator(shared_suite.url))


@pytest.fixture(scope="module")
def operator(shared_suite: RunningSuite) -> Operator:
    return Operator(shared_suite.url)


@pytest.fixture(scope="module")
def three(client: Client, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Nodes one, two and three of fake hardware with a port each, made from one file."""
    file = tmp_path_factory.mktemp("nodes") / "nodes.json"
    file.write_text(json.dumps({"nodes": [
        {"name": "one", "driver": "fake-hardware", "resource_class": "small", "owner": "ann",
         "ports": [{"address": "02:00:00:00:00:01"}]},
        {"name": "two", "driver": "fake-hardware", "resource_class": "large", "description": "the second rack",
         "ports": [{"address": "02:00:00:00:00:02"}]},
        {"name": "three", "driver": "fake-hardware", "resource_class": "large", "lessee": "bob",
         "ports": [{"address": "02:00:00:00:00:03"}]},
    ]}))  # fmt: skip
    client.run("create", str(file))
    return ["one", "two", "three"]


def test_a_node_is_created_changed_validated_and_deleted(client: Client) -> None:
    made = client.ask(
        "node", "create", "--driver", "fake-hardware", "--name", "web", "--property", "cpus=8", "--extra", "rack=r1",
        "--driver-info", "note=x", "--resource-class", "small", "--owner", "ann", "--description", "front",
        "--boot-interface", "fake", "--no-automated-clean",
    )  # fmt: skip
    assert (made["provision_state"], made["boot_interface"], made["automated_clean"]) == ("enroll", "fake", False)

    client.run("node", "set", "web", "--property", "cpus=16", "--extra", "row=3", "--lessee", "bob", "--name", "www")
    client.run("node", "unset", "www", "--owner", "--description", "--extra", "rack", "--boot-interface")
    fields = ("name", "properties", "extra", "owner", "lessee", "description", "boot_interface")
    assert client.ask("node", "show", "www", "--fields", *fields) == {
        "name": "www", "properties": {"cpus": 16}, "extra": {"row": 3}, "owner": None, "lessee": "bob",
        "description": None, "boot_interface": "fake",
    }  # fmt: skip

    validated = {each["Interface"]: each["Result"] for each in client.ask("node", "validate", "www")}
    assert validated["power"] is validated["management"] is True

    client.run("node", "delete", "www")
    assert "Node www could not be found" in client.fail("node", "show", "www")


def test_nodes_are_filtered_sorted_paged_and_shown_in_part(client: Client, three: list[str]) -> None:
    assert client.names("--sort", "name:desc", "--driver", "fake-hardware") == ["two", "three", "one"]
    assert client.names("--resource-class", "large", "--sort", "name") == ["three", "two"]
    assert client.names("--owner", "ann", "--unassociated", "--no-maintenance", "--provision-state", "enroll") == [
        "one"
    ]
    assert client.names("--description-contains", "second") == ["two"]

    rows = client.ask("node", "list", "--fields", "uuid", "name", "--limit", "2")
    assert [row["name"] for row in rows] == ["one", "two"]
    assert client.names("--marker", rows[-1]["uuid"]) == ["three"]
    assert client.names("--limit", "0", "--sort", "name") == ["one", "three", "two"]

    (whole,) = client.ask("node", "list", "--long", "--lessee", "bob")
    assert (whole["name"], whole["driver"], whole["resource_class"]) == ("three", "fake-hardware", "large")


def test_ports_are_created_listed_changed_and_deleted(client: Client, three: list[str]) -> None:
    uuid = client.ask("node", "show", "one", "--fields", "uuid")["uuid"]
    made = client.ask(
        "port", "create", "02:00:00:00:AA:01", "--node", uuid, "--physical-network", "left", "--name", "eth9",
        "--local-link-connection", "switch_id=0a:1b:2c:3d:4e:5f", "--local-link-connection", "port_id=Ethernet7",
    )  # fmt: skip
    assert (made["address"], made["node_uuid"], made["pxe_enabled"]) == ("02:00:00:00:aa:01", uuid, True)

    listed = client.ask("port", "list", "--node", "one", "--long")
    assert [row["address"] for row in listed] == ["02:00:00:00:00:01", "02:00:00:00:aa:01"]
    assert [row["uuid"] for row in client.ask("port", "list", "--address", "02:00:00:00:aa:01")] == [made["uuid"]]

    client.run("port", "set", made["uuid"], "--pxe-disabled", "--extra", "slot=2", "--description", "left one")
    client.run("port", "unset", made["uuid"], "--physical-network", "--name")
    shown = client.ask("port", "show", "--address", "02:00:00:00:aa:01")
    assert (shown["pxe_enabled"], shown["extra"], shown["description"]) == (False, {"slot": 2}, "left one")
    assert (shown["physical_network"], shown["name"]) == (None, None)

    client.run("port", "delete", made["uuid"])
    assert "could not be found" in client.fail("port", "show", made["uuid"])


def test_drivers_and_conductors_are_listed_and_shown(client: Client) -> None:
    drivers = client.ask("driver", "list")
    assert {each["name"] for each in drivers} == {"fake-hardware", "ipmi", "redfish"}
    assert client.ask("driver", "show", "redfish")["default_power_interface"] == "redfish"
    described = {each["property"] for each in client.ask("driver", "property", "list", "ipmi")}
    assert {"ipmi_address", "ipmi_username", "ipmi_password"} <= described

    conductors = {each["hostname"].partition("-")[0]: each for each in client.ask("conductor", "list")}
    assert {"power", "boot"} <= set(conductors)
    assert all(each["alive"] is True for each in conductors.values())
    shown = client.ask("conductor", "show", conductors["power"]["hostname"])
    assert shown["drivers"] == ["fake-hardware", "ipmi", "redfish"]


def test_maintenance_and_traits_are_set_and_taken_back(client: Client, three: list[str]) -> None:
    client.run("node", "maintenance", "set", "three", "--reason", "new fan")
    shown = client.ask("node", "show", "three", "--fields", "maintenance", "maintenance_reason")
    assert shown == {"maintenance": True, "maintenance_reason": "new fan"}
    client.run("node", "maintenance", "unset", "three")
    assert client.names("--maintenance") == []

    client.run("node", "add", "trait", "three", "CUSTOM_GOLD", "HW_CPU_X86_VMX")
    assert [each["traits"] for each in client.ask("node", "trait", "list", "three")] == [
        "CUSTOM_GOLD",
        "HW_CPU_X86_VMX",
    ]
    client.run("node", "remove", "trait", "three", "CUSTOM_GOLD")
    client.run("node", "remove", "trait", "three", "--all")
    assert client.ask("node", "trait", "list", "three") == []
    assert "is not a trait" in client.fail("node", "add", "trait", "three", "shiny")


@pytest.mark.parametrize("machine", ["rack-0001", "rack-0002"], ids=["redfish", "ipmi"])
def test_a_machine_is_managed_and_its_power_follows(
    client: Client, operator: Operator, rack: RunningRack, machine: str
) -> None:
    body = next(each for each in rack.nodes() if each["name"] == machine)
    info = [word for key, value in body["driver_info"].items() for word in ("--driver-info", f"{key}={value}")]
    client.run("node", "create", "--driver", body["driver"], "--name", machine, *info)
    client.run("node", "manage", machine, "--wait", "60")

    def power(*words: str, becomes: str) -> None:
        client.run("node", *words, machine)
        operator.wait(machine, lambda node: node["power_state"] == becomes and not node["target_power_state"])
        assert operator.node(machine)["last_error"] is None
        assert rack.power_of(machine) == ("On" if becomes == "power on" else "Off")

    power("power", "on", becomes="power on")
    power("reboot", becomes="power on")
    power("reboot", "--soft", "--power-timeout", "20", becomes="power on")
    power("power", "off", "--soft", "--power-timeout", "20", becomes="power off")
    power("power", "on", becomes="power on")
    client.run("node", "inject", "nmi", machine)
    assert rack.machine(machine)["nmis"] == 1
    power("power", "off", becomes="power off")
    assert "wanboot" in client.fail("node", "boot", "device", "set", machine, "wanboot")


def test_boot_settings_reach_a_redfish_machine(client: Client, operator: Operator, rack: RunningRack) -> None:
    body = rack.nodes()[0] | {"name": "booting"}
    operator.enrol([body | {"ports": []}])
    machine = rack.nodes()[0]["name"]

    supported = client.ask("node", "boot", "device", "show", "booting", "--supported")["supported_boot_devices"]
    assert {"pxe", "disk"} <= set(supported.split(", "))
    client.run("node", "boot", "device", "set", "booting", "pxe", "--persistent")
    assert client.ask("node", "boot", "device", "show", "booting") == {"boot_device": "pxe", "persistent": True}
    assert rack.machine(machine)["boot"] == {"target": "Pxe", "enabled": "Continuous", "mode": "UEFI"}

    client.run("node", "boot", "mode", "set", "booting", "bios")
    operator.wait("booting", lambda node: node["boot_mode"] == "bios" and not node["reservation"])
    client.run("node", "boot", "mode", "set", "booting", "uefi")
    operator.wait("booting", lambda node: node["boot_mode"] == "uefi" and not node["reservation"])
    client.run("node", "secure", "boot", "on", "booting")
    operator.wait("booting", lambda node: node["secure_boot"] is True and not node["reservation"])
    client.run("node", "secure", "boot", "off", "booting")
    operator.wait("booting", lambda node: node["secure_boot"] is False and not node["reservation"])
