"""openstacksdk as it comes from PyPI, signed in by the clouds.yaml that the suite writes; and who is not signed in."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest
from openstack.utils import iterate_timeout
from steelyard_local.testing import RunningSuite, running_suite
from steelyard_rack.testing import RunningRack, running_rack

# The SDK warns of its own plans at every connection and object.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::PendingDeprecationWarning:openstack")]
WITHIN_S = 60


@pytest.fixture(scope="module")
def suite() -> Iterator[RunningSuite]:
    with running_suite("--auth", "http_basic") as suite:
        yield suite


@pytest.fixture(scope="module")
def rack() -> Iterator[RunningRack]:
    with running_rack(machines=2) as rack:
        yield rack


@pytest.fixture(scope="module")
def baremetal(suite: RunningSuite) -> Iterator[Any]:
    connection = _connect(suite)
    yield connection.baremetal
    connection.close()


def _connect(suite: RunningSuite) -> Any:
    with pytest.MonkeyPatch.context() as environ:
        for name in [each for each in os.environ if each.startswith("OS_")]:
            environ.delenv(name)
        environ.setenv("OS_CLIENT_CONFIG_FILE", str(suite.data / "clouds.yaml"))
        environ.setenv("OS_CLOUD", "steelyard")
        return openstack.connect()


def test_nodes_and_ports_are_kept(baremetal: Any) -> None:
    made = baremetal.create_node(driver="fake-hardware", name="sdk", properties={"cpus": 4}, resource_class="small")
    assert (made.provision_state, made.power_interface) == ("enroll", "fake")
    assert baremetal.find_node("sdk").id == made.id
    assert [node.name for node in baremetal.nodes(details=True, resource_class="small")] == ["sdk"]

    changed = baremetal.update_node(made, extra={"row": 3}, description="front")
    assert (changed.extra, changed.description) == ({"row": 3}, "front")
    patched = baremetal.patch_node("sdk", [{"op": "remove", "path": "/description"}])
    assert patched.description is None
    assert baremetal.validate_node("sdk", required=["power", "management"])["power"].result is True

    port = baremetal.create_port(node_id=made.id, address="02:00:00:00:bb:01")
    assert [each.address for each in baremetal.ports(details=True, node="sdk")] == ["02:00:00:00:bb:01"]
    assert baremetal.update_port(port, extra={"slot": 1}).extra == {"slot": 1}
    baremetal.delete_port(port)
    baremetal.delete_node("sdk")
    assert baremetal.find_node("sdk") is None


def test_pages_are_followed(baremetal: Any) -> None:
    names = [f"page-{place}" for place in range(5)]
    for name in names:
        baremetal.create_node(driver="fake-hardware", name=name, resource_class="pages")

    assert [node.name for node in baremetal.nodes(limit=2, resource_class="pages")] == names

    for name in names:
        baremetal.delete_node(name)


def test_drivers_conductors_traits_and_maintenance(baremetal: Any) -> None:
    assert {driver.name for driver in baremetal.drivers()} == {"fake-hardware", "ipmi", "redfish"}
    assert baremetal.get_driver("redfish").default_power_interface == "redfish"
    conductors = list(baremetal.conductors())
    assert {"power-1", "boot-1"} <= {each.hostname.partition(".")[0] for each in conductors}
    assert all(each.alive for each in conductors)

    baremetal.create_node(driver="fake-hardware", name="traits")
    baremetal.set_node_traits("traits", ["CUSTOM_B", "CUSTOM_A"])
    baremetal.add_node_trait("traits", "CUSTOM_C")
    baremetal.remove_node_trait("traits", "CUSTOM_B")
    assert baremetal.get_node("traits").traits == ["CUSTOM_A", "CUSTOM_C"]
    baremetal.set_node_maintenance("traits", reason="new fan")
    assert baremetal.get_node("traits").maintenance_reason == "new fan"
    baremetal.unset_node_maintenance("traits")
    assert not baremetal.get_node("traits").is_maintenance
    baremetal.delete_node("traits")


@pytest.mark.parametrize("which", [0, 1], ids=["redfish", "ipmi"])
def test_a_machine_is_managed_and_its_power_follows(baremetal: Any, rack: RunningRack, which: int) -> None:
    body = rack.nodes()[which]
    name = body["name"]
    baremetal.create_node(**{key: value for key, value in body.items() if key != "ports"})
    baremetal.set_node_provision_state(name, "manage", wait=True, timeout=WITHIN_S)

    for target, truth in (("power on", "On"), ("soft power off", "Off"), ("power on", "On"), ("rebooting", "On")):
        baremetal.set_node_power_state(name, target, wait=True, timeout=WITHIN_S)
        assert _settled(baremetal, name).last_error is None
        assert rack.power_of(name) == truth
    assert "pxe" in baremetal.get_node_supported_boot_devices(name)["supported_boot_devices"]
    baremetal.set_node_boot_device(name, "pxe", persistent=False)
    assert baremetal.get_node_boot_device(name)["boot_device"] == "pxe"
    baremetal.inject_nmi_to_node(name)
    baremetal.update_node(name, is_automated_clean_enabled=False)  # nothing here boots the agent
    baremetal.set_node_provision_state(name, "provide", wait=True, timeout=WITHIN_S)
    assert baremetal.get_node(name).provision_state == "available"
    baremetal.delete_node(name)


def test_a_redfish_machine_takes_boot_mode_and_secure_boot(baremetal: Any, rack: RunningRack) -> None:
    body = rack.nodes()[0] | {"name": "modes"}
    node = baremetal.create_node(**{key: value for key, value in body.items() if key != "ports"})
    baremetal.set_node_provision_state(node, "manage", wait=True, timeout=WITHIN_S)

    baremetal.set_node_boot_mode(node, "bios")
    assert _settled(baremetal, "modes").boot_mode == "bios"
    baremetal.set_node_boot_mode(node, "uefi")
    assert _settled(baremetal, "modes").boot_mode == "uefi"
    baremetal.set_node_secure_boot(node, True)
    assert _settled(baremetal, "modes").is_secure_boot is True
    baremetal.delete_node(node)


def _settled(baremetal: Any, name: str) -> Any:
    """The node once nothing holds it. The SDK's own wait sees a reboot as done before it has begun."""
    for _ in iterate_timeout(WITHIN_S, f"{name} does not come to rest", wait=0.2):
        node = baremetal.get_node(name)
        if node.reservation is None and node.target_power_state is None:
            return node
    return None


def test_the_command_signs_in_and_a_stranger_does_not(suite: RunningSuite) -> None:
    environ = os.environ | {"OS_CLIENT_CONFIG_FILE": str(suite.data / "clouds.yaml"), "OS_CLOUD": "steelyard"}
    listed = subprocess.run(
        [Path(sys.executable).parent / "baremetal", "driver", "list", "-f", "json"],
        env=environ, capture_output=True, check=True,
    )  # fmt: skip
    assert len(json.loads(listed.stdout)) == 3

    for word in (b"admin:wrong", b"nobody:x", b"admin"):
        request = urllib.request.Request(
            f"{suite.url}/v1/nodes", headers={"Authorization": f"Basic {base64.b64encode(word).decode()}"}
        )
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(request)
    with urllib.request.urlopen(f"{suite.url}/v1") as root:
        assert json.load(root)["id"] == "v1"


def test_it_needs_no_sign_in_where_none_is_asked_for(shared: RunningSuite) -> None:
    connection = _connect(shared)
    assert {driver.name for driver in connection.baremetal.drivers()} == {"fake-hardware", "ipmi", "redfish"}
    connection.close()
