"""Every public method of openstacksdk's bare-metal proxy, as it comes from PyPI, against fake hardware."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from typing import Any

import openstack
import pytest
from openstack import exceptions
from openstack.baremetal.v1._proxy import Proxy
from openstack.proxy import Proxy as AnyProxy
from openstack.utils import iterate_timeout
from steelyard_local.testing import RunningSuite

# The SDK warns of its own plans at every connection and object.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::PendingDeprecationWarning:openstack")]
WITHIN_S = 60
FAKES = {f"{name}_interface": "fake" for name in ("bios", "boot", "deploy", "inspect", "raid", "rescue", "vendor")}
STEP = {"interface": "bios", "step": "factory_reset"}


class Recorder:
    """The proxy; ``used``: the methods that were asked of it."""

    def __init__(self, proxy: Any) -> None:
        self._proxy = proxy
        self.used: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.used.add(name)
        return getattr(self._proxy, name)


@pytest.fixture
def baremetal(shared: RunningSuite) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as environ:
        for name in [each for each in os.environ if each.startswith("OS_")]:
            environ.delenv(name)
        environ.setenv("OS_CLIENT_CONFIG_FILE", str(shared.data / "clouds.yaml"))
        environ.setenv("OS_CLOUD", "steelyard")
        connection = openstack.connect()
        yield Recorder(connection.baremetal)
        connection.close()


def _nodes(on: Any) -> None:
    node = on.create_node(driver="fake-hardware", name="n1", **FAKES)
    assert [each.name for each in on.nodes()] == ["n1"]
    assert on.get_node("n1", fields=["driver"]).driver == "fake-hardware"
    assert on.find_node("n1").id == node.id
    assert on.update_node(node, extra={"a": "b"}).extra == {"a": "b"}
    assert on.patch_node("n1", [{"op": "remove", "path": "/extra/a"}]).extra == {}
    assert on.validate_node("n1", required=["power"])["power"].result is True
    assert on.set_node_maintenance("n1", reason="why").maintenance_reason == "why"
    assert on.unset_node_maintenance("n1").is_maintenance is False
    on.set_node_traits("n1", ["CUSTOM_A"])
    on.add_node_trait("n1", "CUSTOM_B")
    assert on.remove_node_trait("n1", "CUSTOM_A") is True
    assert on.get_node("n1").traits == ["CUSTOM_B"]
    on.delete_node("n1")
    on.wait_for_delete(node, interval=1, wait=WITHIN_S)


def _hardware(on: Any) -> None:
    on.create_node(driver="fake-hardware", name="h1", **FAKES)
    on.set_node_provision_state("h1", "manage")
    (node,) = on.wait_for_nodes_provision_state(["h1"], "manageable", timeout=WITHIN_S)
    on.set_node_power_state("h1", "power on", wait=True, timeout=WITHIN_S)
    assert on.wait_for_node_power_state("h1", "power on", timeout=WITHIN_S).power_state == "power on"
    assert on.wait_for_status(node, "manageable", attribute="provision_state", wait=WITHIN_S).id == node.id
    on.set_node_boot_device("h1", "pxe")
    assert on.get_node_boot_device("h1")["boot_device"] == "pxe"
    assert on.get_node_supported_boot_devices("h1") == {"supported_boot_devices": ["pxe"]}
    on.set_node_boot_mode("h1", "uefi")
    on.wait_for_node_reservation("h1", timeout=WITHIN_S)
    on.set_node_secure_boot("h1", True)
    on.wait_for_node_reservation("h1", timeout=WITHIN_S)
    assert on.get_node_console("h1") == {"console_enabled": False, "console_info": None}
    on.enable_node_console("h1")
    _until(lambda: on.get_node("h1").is_console_enabled)
    on.disable_node_console("h1")
    _until(lambda: not on.get_node("h1").is_console_enabled)
    _is_refused(lambda: on.inject_nmi_to_node("h1"), "does not inject NMIs")  # as Ironic's fake
    on.attach_vif_to_node("h1", "vif-1")
    assert on.list_node_vifs("h1") == []  # the noop network keeps none
    assert on.detach_vif_from_node("h1", "vif-1") is True
    assert on.list_node_firmware("h1") == {"firmware": []}
    assert "second_method" in on.list_node_vendor_passthru("h1")
    assert on.call_node_vendor_passthru("h1", "post", "third_method_sync", {"bar": "meow"}).json() is True
    on.delete_node("h1")


def _refused(on: Any) -> None:
    """What fake hardware has none of."""
    on.create_node(driver="fake-hardware", name="r1", **FAKES)
    _is_refused(lambda: on.get_node_inventory("r1"), "could not be found")  # until it is inspected
    _is_refused(lambda: on.attach_vmedia_to_node("r1", "cdrom", "http://images/x.iso"), "media")
    _is_refused(lambda: on.detach_vmedia_from_node("r1", ["cdrom"]), "media")
    _is_refused(lambda: on.call_driver_vendor_passthru("fake-hardware", "get", "bogus"), "bogus")
    on.delete_node("r1")


def _until(done: Callable[[], Any]) -> None:
    for _ in iterate_timeout(WITHIN_S, "it does not come to that", wait=0.2):
        if done():
            return


def _is_refused(call: Callable[[], Any], why: str) -> None:
    with pytest.raises(exceptions.HttpException, match=why):
        call()


def _ports(on: Any) -> None:
    node = on.create_node(driver="fake-hardware", name="p1")
    group = on.create_port_group(node_id=node.id, name="pg1")
    assert [each.name for each in on.port_groups()] == ["pg1"]
    assert on.find_port_group("pg1").id == on.get_port_group("pg1").id == group.id
    assert on.update_port_group(group, extra={"a": "b"}).extra == {"a": "b"}
    assert on.patch_port_group(group, [{"op": "remove", "path": "/extra/a"}]).extra == {}

    port = on.create_port(node_id=node.id, address="02:00:00:00:dd:01", port_group_id=group.id)
    assert [each.address for each in on.ports()] == ["02:00:00:00:dd:01"]
    assert on.find_port(port.id).id == on.get_port(port.id).id == port.id
    assert on.update_port(port, extra={"a": "b"}).extra == {"a": "b"}
    assert on.patch_port(port, [{"op": "remove", "path": "/extra/a"}]).extra == {}
    on.delete_port(port)
    on.delete_port_group(group)
    assert on.find_port_group("pg1") is None
    on.delete_node(node)


def _volumes(on: Any) -> None:
    node = on.create_node(driver="fake-hardware", name="v1")
    on.set_node_provision_state("v1", "manage", wait=True, timeout=WITHIN_S)  # its power is known to be off now
    connector = on.create_volume_connector(node_id=node.id, type="iqn", connector_id="iqn.2026-01.x:y")
    assert [each.connector_id for each in on.volume_connectors()] == ["iqn.2026-01.x:y"]
    assert on.find_volume_connector(connector.id).id == on.get_volume_connector(connector.id).id == connector.id
    assert on.update_volume_connector(connector, extra={"a": "b"}).extra == {"a": "b"}
    assert on.patch_volume_connector(connector, [{"op": "remove", "path": "/extra/a"}]).extra == {}
    on.delete_volume_connector(connector)

    target = on.create_volume_target(node_id=node.id, volume_type="iscsi", boot_index=0, volume_id="v")
    assert [each.volume_id for each in on.volume_targets()] == ["v"]
    assert on.find_volume_target(target.id).id == on.get_volume_target(target.id).id == target.id
    assert on.update_volume_target(target, boot_index=1).boot_index == 1
    assert on.patch_volume_target(target, [{"op": "add", "path": "/extra/a", "value": 1}]).extra == {"a": 1}
    on.delete_volume_target(target)
    on.delete_node(node)


def _chassis(on: Any) -> None:
    chassis = on.create_chassis(description="row 1")
    assert [each.description for each in on.chassis()] == ["row 1"]
    assert on.find_chassis(chassis.id).id == on.get_chassis(chassis.id).id == chassis.id
    assert on.update_chassis(chassis, description="row 2").description == "row 2"
    assert on.patch_chassis(chassis, [{"op": "remove", "path": "/description"}]).description is None
    on.delete_chassis(chassis)
    assert list(on.chassis()) == []


def _templates(on: Any) -> None:
    template = on.create_deploy_template(name="CUSTOM_T", steps=[{**STEP, "args": {}, "priority": 10}])
    assert [each.name for each in on.deploy_templates(details=True)] == ["CUSTOM_T"]
    assert on.find_deploy_template("CUSTOM_T").id == on.get_deploy_template("CUSTOM_T").id == template.id
    assert on.update_deploy_template(template, extra={"a": "b"}).extra == {"a": "b"}
    assert on.patch_deploy_template(template, [{"op": "remove", "path": "/extra/a"}]).extra == {}
    on.delete_deploy_template(template)
    assert list(on.deploy_templates()) == []


def _runbooks(on: Any) -> None:
    book = on.create_runbook(name="CUSTOM_R", steps=[{**STEP, "order": 1}])
    assert [each.name for each in on.runbooks()] == ["CUSTOM_R"]
    assert on.get_runbook("CUSTOM_R").id == book.id
    assert on.update_runbook(book, extra={"a": "b"}).extra == {"a": "b"}
    assert on.patch_runbook(book, [{"op": "remove", "path": "/extra/a"}]).extra == {}
    on.set_runbook_traits(book, ["CUSTOM_A"])
    on.add_runbook_trait(book, "CUSTOM_B")
    on.remove_runbook_trait(book, "CUSTOM_A")
    assert on.get_runbook(book.id).traits == ["CUSTOM_B"]
    on.delete_runbook(book)
    assert list(on.runbooks()) == []


def _rules(on: Any) -> None:
    rule = on.create_inspection_rule(description="d", actions=[{"op": "fail", "args": {"msg": "no"}}])
    assert [each.description for each in on.inspection_rules()] == ["d"]
    assert on.get_inspection_rule(rule.id).priority == 0
    assert on.update_inspection_rule(rule, priority=7).priority == 7
    assert on.patch_inspection_rule(rule, [{"op": "remove", "path": "/description"}]).description is None
    on.delete_inspection_rule(rule)
    assert list(on.inspection_rules()) == []


def _allocations(on: Any) -> None:
    node = on.create_node(driver="fake-hardware", name="a1", resource_class="chosen")
    on.set_node_provision_state(node, "manage", wait=True, timeout=WITHIN_S)
    on.set_node_provision_state(node, "provide", wait=True, timeout=WITHIN_S)
    allocation = on.create_allocation(resource_class="chosen", name="al")
    allocation = on.wait_for_allocation(allocation, timeout=WITHIN_S)
    assert (allocation.state, allocation.node_id) == ("active", node.id)
    assert [each.id for each in on.allocations()] == [on.get_allocation("al").id]
    assert on.update_allocation(allocation, extra={"a": "b"}).extra == {"a": "b"}
    assert on.patch_allocation(allocation, [{"op": "remove", "path": "/extra/a"}]).extra == {}
    on.delete_allocation(allocation)
    assert list(on.allocations()) == []
    on.delete_node(node)


def _service(on: Any) -> None:
    assert {each.name for each in on.drivers()} == {"fake-hardware", "ipmi", "redfish"}
    assert on.get_driver("fake-hardware").default_power_interface == "fake"
    assert on.list_driver_vendor_passthru("fake-hardware") == {}
    conductors = list(on.conductors())
    assert {each.hostname.partition("-")[0] for each in conductors} >= {"power", "boot"}
    assert all(on.get_conductor(each.hostname).alive for each in conductors)


SCENARIOS = (
    _nodes, _hardware, _refused, _ports, _volumes, _chassis, _templates, _runbooks, _rules, _allocations, _service,
)  # fmt: skip


def test_every_public_method_does_what_it_says(baremetal: Any) -> None:
    for scenario in SCENARIOS:
        scenario(baremetal)

    generic = {name for name, _ in inspect.getmembers(AnyProxy)}
    methods = {name for name, _ in inspect.getmembers(Proxy, inspect.isfunction) if not name.startswith("_")} - generic
    assert len(methods) > 100
    assert methods <= baremetal.used
