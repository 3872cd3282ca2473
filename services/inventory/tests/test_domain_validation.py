"""What `validate` says of each interface."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_inventory.domain.validation import Validated, validate

BOOTABLE = {"deploy_kernel": "http://k", "deploy_ramdisk": "http://r"}
ALL = dict.fromkeys(("boot", "deploy", "inspect", "rescue", "raid", "power", "management"), "fake")


def said(interface: str, *, has_port: bool = True, live: bool = True, **more: Any) -> str | bool:
    """The reason, or True."""
    chosen = {name: value for name, value in more.items() if name in ALL}
    node = Validated(
        uuid="u", interfaces={**ALL, **chosen}, driver_info=more.get("driver_info", BOOTABLE),
        instance_info=more.get("instance_info", {}), properties=more.get("properties", {}), has_port=has_port,
        provides=lambda interface, name: live and (interface, name) not in more.get("unserved", ()),
        supplied=frozenset(more.get("supplied", ())), arch=more.get("arch", ""),
    )  # fmt: skip
    result = validate(node)[interface]
    assert result["result"] is not False or result["reason"]
    return result["result"] or str(result["reason"])


def test_fake_interfaces_lack_nothing_even_without_ports() -> None:
    assert all(said(interface, has_port=False, driver_info={}) is True for interface in ALL)


@pytest.mark.parametrize("boot", ["ipxe", "pxe", "http", "http-ipxe"])
def test_a_network_boot_needs_a_port_and_a_ramdisk(boot: str) -> None:
    assert "does not have any port" in str(said("boot", boot=boot, has_port=False))
    assert "driver_info.deploy_kernel, driver_info.deploy_ramdisk" in str(said("boot", boot=boot, driver_info={}))
    assert said("boot", boot=boot) is True


def test_virtual_media_needs_no_port_and_takes_an_iso_instead_of_a_ramdisk() -> None:
    boot = "redfish-virtual-media"
    assert "port" not in str(said("boot", boot=boot, has_port=False))
    assert "missing" not in str(said("boot", boot=boot, driver_info={"deploy_iso": "http://i"}))
    assert "driver_info.deploy_kernel" in str(said("boot", boot=boot, driver_info={}))


@pytest.mark.parametrize(
    ("interface", "name"), [("deploy", "direct"), ("deploy", "custom-agent"), ("inspect", "agent"), ("rescue", "agent")]
)  # fmt: skip
def test_what_needs_the_agent_needs_no_more_than_a_ramdisk_that_boots(interface: str, name: str) -> None:
    chosen: dict[str, Any] = {interface: name, "boot": "ipxe"}
    image = {"image_source": "http://i"}

    assert said(interface, **chosen, instance_info=image) is True
    assert "driver_info.deploy_kernel" in str(said(interface, **chosen, instance_info=image, driver_info={}))


def test_an_installer_needs_its_stages_and_something_to_install_from_the_instance_or_the_node() -> None:
    def missing(info: dict[str, Any], **chosen: Any) -> str:
        return str(said("deploy", deploy="anaconda", boot="ipxe", instance_info=info, **chosen))

    all_of = "instance_info.kernel, instance_info.ramdisk, instance_info.stage2, instance_info.image_source"
    stages = {"kernel": "http://k", "ramdisk": "http://r"}
    assert all_of in missing({})
    assert "instance_info.stage2." in missing(stages | {"image_source": "http://i/os.tgz"})
    assert missing(stages | {"image_source": "http://mirror/os/"}) == "True"
    assert missing(stages | {"image_source": "http://i/os.tgz", "stage2": "http://s"}) == "True"
    with_node = {"deploy_kernel": "http://k", "deploy_ramdisk": "http://r", "stage2": "http://s", **stages}
    assert missing({"image_source": "http://i/os.tgz", "kernel": ""}, driver_info=with_node) == "True"
    assert "over the network" in str(said("deploy", deploy="anaconda", boot="redfish-virtual-media"))


def test_all_that_is_missing_is_told_at_once() -> None:
    reason = str(said("deploy", deploy="direct", boot="ipxe", has_port=False, driver_info={}))

    assert "does not have any port" in reason
    assert "driver_info.deploy_ramdisk" in reason
    assert "instance_info.image_source" in reason
    assert "boots a ramdisk" in str(said("inspect", inspect="agent"))


def test_a_deployment_from_memory_needs_its_image() -> None:
    image = {"kernel": "http://k", "ramdisk": "http://r"}
    assert said("deploy", deploy="ramdisk", instance_info=image) is True
    assert said("deploy", deploy="ramdisk", instance_info={"boot_iso": "http://i"}) is True
    assert "instance_info.kernel" in str(said("deploy", deploy="ramdisk"))
    assert said("deploy", deploy="ramdisk", boot="ipxe", instance_info=image) is True


def test_a_start_by_kexec_that_cannot_be_is_told() -> None:
    asked = {"image_source": "http://i", "capabilities": {"kexec": "true"}}
    assert said("deploy", deploy="direct", boot="ipxe", instance_info=asked) is True
    assert "kexec is 'yes'" in str(said("deploy", deploy="direct", properties={"capabilities": "kexec:yes"}))
    assert "deploy_interface direct or custom-agent" in str(said("deploy", deploy="ramdisk", instance_info=asked))


def test_an_interface_that_nobody_serves_is_not_valid() -> None:
    assert said("power", power="fake", live=False) == "No live worker provides the power interface 'fake'."
    assert "No live worker provides the raid interface 'redfish'." in str(said("raid", raid="redfish", live=False))


def test_raid_by_the_agent_is_served_by_whoever_serves_the_nodes_deployments() -> None:
    assert said("raid", raid="agent", deploy="direct", unserved=[("raid", "agent")]) is True
    reason = said("raid", raid="agent", deploy="direct", unserved=[("deploy", "direct")])
    assert reason == "No live worker provides the raid interface 'agent'."


@pytest.mark.parametrize(
    ("boot", "supplied", "arch", "is_enough"),
    [
        ("ipxe", ["deploy_kernel", "deploy_ramdisk"], "aarch64", True),
        ("ipxe", ["deploy_kernel_x86_64", "deploy_ramdisk_x86_64"], "", True),
        ("ipxe", ["deploy_kernel_x86_64", "deploy_ramdisk_x86_64"], "amd64", True),
        ("ipxe", ["deploy_kernel_x86_64", "deploy_ramdisk_x86_64"], "arm64", False),
        ("ipxe", ["deploy_kernel"], "", False),
        ("ipxe", ["deploy_iso"], "", False),
        ("redfish-virtual-media", ["deploy_iso"], "", True),
        ("ipxe", [], "", False),
    ],
)
def test_a_ramdisk_that_the_boot_service_supplies_need_not_be_named(
    boot: str, supplied: list[str], arch: str, is_enough: bool
) -> None:
    given = said("boot", boot=boot, driver_info={}, supplied=supplied, arch=arch)
    assert (given is True) == is_enough
    half = said("boot", boot=boot, driver_info={"deploy_kernel": "k"}, supplied=supplied, arch=arch)
    assert "deploy_ramdisk" in str(half)  # half of a node's own is not completed
