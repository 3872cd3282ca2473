"""Boot from volume: what iPXE is told of a node's connectors and targets, and the step that prepares it."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_boot.domain import volumes
from steelyard_boot.domain.boot_model import Purpose
from steelyard_boot.domain.node_for_boot import BootOf, NodeForBoot
from steelyard_boot.service.boots import Prepared
from steelyard_boot.service.inventory import Inventory
from steelyard_boot.service.steps import look_at_image
from steelyard_boot.service.volume_boots import VolumeBoots
from steelyard_boot.testing_inventory import InventoryTwin
from steelyard_common.bus import MemoryBus
from steelyard_common.contracts.steps import Done, Step, StepResult
from steelyard_common.errors import InvalidRequest, Unsupported
from steelyard_common.provider import Slice
from steelyard_common.provider.testing import node

IQN, ME = "iqn.2026-01.example:disk", "iqn.2026-01.example:me"


def target(index: int = 0, **properties: Any) -> dict[str, Any]:
    given = {"target_portal": "192.0.2.9:3261", "target_iqn": IQN, "target_lun": 1} | properties
    return {"volume_type": "iscsi", "boot_index": index, "volume_id": f"v{index}", "properties": given, "sealed": {}}


@pytest.mark.parametrize(
    ("properties", "urls"),
    [
        ({}, (f"iscsi:192.0.2.9::3261:1:{IQN}",)),
        ({"target_portal": "192.0.2.9", "target_lun": 31}, (f"iscsi:192.0.2.9::3260:1f:{IQN}",)),
        ({"target_portal": "san.example:3260", "target_lun": None}, (f"iscsi:san.example::3260:0:{IQN}",)),
        ({"target_portal": "[2001:db8::9]:3260"}, (f"iscsi:[2001:db8::9]::3260:1:{IQN}",)),
        ({"target_portal": "2001:db8::9"}, (f"iscsi:[2001:db8::9]::3260:1:{IQN}",)),
        ({"target_portals": ["192.0.2.8", "192.0.2.9"], "target_iqns": ["iqn.a", "iqn.b"], "target_luns": [1, 2]},
         ("iscsi:192.0.2.8::3260:1:iqn.a", "iscsi:192.0.2.9::3260:2:iqn.b")),
        ({"target_portals": ["192.0.2.8", "192.0.2.9"]},
         (f"iscsi:192.0.2.8::3260:1:{IQN}", f"iscsi:192.0.2.9::3260:1:{IQN}")),
    ],
)  # fmt: skip
def test_a_target_becomes_an_address_for_each_way_to_it(properties: dict[str, Any], urls: tuple[str, ...]) -> None:
    found = volumes.of([], [target(**properties)])

    assert found is not None
    assert found.drives[0].urls == urls


@pytest.mark.parametrize(
    "properties",
    [
        {"target_portal": None}, {"target_iqn": ""}, {"target_portal": "h:99999"}, {"target_portal": "h:x"},
        {"target_lun": "1; reboot"}, {"target_iqn": "iqn x"}, {"target_iqn": "iqn.${mac}"}, {"target_portal": "a b"},
        {"target_portals": ["a", "b", "c"], "target_luns": [1, 2]}, {"auth_username": "u"},
    ],
)  # fmt: skip
def test_a_target_that_makes_no_sense_is_refused(properties: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        volumes.of([], [target(**properties)])


def test_drives_stand_in_order_with_the_nodes_own_names_and_the_password_sealed() -> None:
    first = target(auth_username="u", auth_method="CHAP") | {"sealed": {"properties": {"/auth_password": "sealed:x"}}}
    connectors = [{"type": "iqn", "connector_id": ME}, {"type": "mac", "connector_id": "52-54-00-00-00-02"}]

    found = volumes.of(connectors, [target(1, target_lun=2), first])

    assert found is not None
    assert [drive.urls[0].split(":")[4] for drive in found.drives] == ["1", "2"]
    assert (found.initiator, found.username, found.password) == (ME, "u", "sealed:x")
    assert found.storage_macs == ("52:54:00:00:00:02",)
    assert "sealed:x" not in repr(found)


def test_a_node_without_a_volume_to_boot_from_has_none_and_fibre_channel_is_the_machines_own() -> None:
    assert volumes.of([], []) is None
    assert volumes.of([], [target(1)]) is None
    with pytest.raises(Unsupported, match="adapter"):
        volumes.of([], [target() | {"volume_type": "fibre_channel"}])


class Told:
    """What was prepared."""

    def __init__(self) -> None:
        self.what: list[BootOf] = []

    def prepare(self, node: NodeForBoot, what: BootOf) -> Prepared:
        self.what.append(what)
        return Prepared(boot_id="b")

    def local(self, node: NodeForBoot) -> None: ...
    def clear(self, node: NodeForBoot) -> None: ...


@pytest.mark.parametrize(("storage", "targets", "boots"), [("external", 1, 1), ("external", 0, 0), ("noop", 1, 0)])
@pytest.mark.parametrize("writes", [False, True])
def test_the_volume_is_booted_where_the_storage_is_external_and_the_image_elsewhere(
    memory_bus: MemoryBus, storage: str, targets: int, boots: int, writes: bool
) -> None:
    on = node(interfaces={"boot": "ipxe", "storage": storage}, instance_info={"kernel": "k", "ramdisk": "r"})
    InventoryTwin(memory_bus, nodes={on["uuid"]: {"targets": [target()] * targets}})
    told, otherwise = Told(), list[Slice]()

    def image(piece: Slice) -> StepResult:
        otherwise.append(piece)
        return Done()

    step = VolumeBoots(Inventory(memory_bus, "local"), told).instead_of(image, writes=writes)

    piece = Slice(
        workflow="w", node=on, step=Step(index=0, interface="deploy", name="prepare", args={}, attempt=1, memo={})
    )

    assert step(piece) == Done()
    assert [what.purpose for what in told.what] == [Purpose.VOLUME] * boots
    assert len(otherwise) == 1 - boots


def test_an_image_that_is_to_be_written_goes_before_a_volume(memory_bus: MemoryBus) -> None:
    on = node(interfaces={"boot": "ipxe", "storage": "external"}, instance_info={"image_source": "https://a.example/i"})
    InventoryTwin(memory_bus, nodes={on["uuid"]: {"targets": [target()]}})
    told = Told()
    piece = Slice(
        workflow="w", node=on, step=Step(index=0, interface="deploy", name="prepare", args={}, attempt=1, memo={})
    )

    step = VolumeBoots(Inventory(memory_bus, "local"), told).instead_of(lambda piece: Done(), writes=True)

    assert step(piece) == Done()
    assert told.what == []


def test_without_a_volume_the_image_must_be_told_whole() -> None:
    piece = Slice(
        workflow="w", node=node(interfaces={"storage": "external"}),
        step=Step(index=0, interface="deploy", name="prepare", args={}, attempt=1, memo={}),
    )  # fmt: skip

    with pytest.raises(InvalidRequest, match="boot_iso"):
        look_at_image(piece)
