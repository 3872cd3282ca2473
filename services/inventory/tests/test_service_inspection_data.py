"""What an inspection finds is kept with its node, the newest only, and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from steelyard_common.contracts.steps import Done
from steelyard_common.errors import NotFound
from steelyard_inventory.service.node_parts import NodeParts

if TYPE_CHECKING:
    from .conftest import Stage

FOUND = {"memory": {"physical_mb": 8192}, "disks": [], "cpu": {"count": 4}}


def inspect(stage: Stage, node: str, **facts: Any) -> None:
    provider = stage.announce_all()
    provider.receive()
    provider.behaviour = {"inspect.inspect_hardware": [Done(facts=facts)]}
    stage.verb(node, "inspect")
    provider.run()
    assert stage.node(node)["provision_state"] == "manageable"


def shown(stage: Stage, node: str) -> Any:
    return orjson.loads(NodeParts(stage.database).inventory(node))


def test_what_an_inspection_finds_is_shown_with_what_the_plugins_add(stage: Stage) -> None:
    node = stage.add_fake(name="one")

    inspect(stage, node, inventory=FOUND, plugin_data={"root_disk": {"name": "/dev/sda"}}, properties={"cpus": 4})

    assert shown(stage, "one") == {"inventory": FOUND, "plugin_data": {"root_disk": {"name": "/dev/sda"}}}
    assert stage.node(node)["properties"] == {"cpus": 4}


def test_nics_that_were_found_become_ports_unless_somebody_has_them(stage: Stage) -> None:
    node, other = stage.add_fake(), stage.add_fake()
    taken = {"address": "52:54:00:00:00:02", "pxe_enabled": True}
    inspect(stage, other, inventory=FOUND, ports=[taken])
    new = {"address": "52:54:00:00:00:01", "pxe_enabled": False}

    for _ in range(2):
        inspect(stage, node, inventory=FOUND, ports=[new, taken, {"address": "odd"}, 5])

    rows = stage.rows("SELECT node_uuid::text, address, pxe_enabled FROM ports ORDER BY address")
    assert rows == [{"node_uuid": node, **new}, {"node_uuid": other, **taken}]
    told = [each for each in stage.bus.published if ".evt.port-created." in each.subject]
    assert len(told) == 2


def test_the_newest_inspection_takes_the_place_of_the_one_before(stage: Stage) -> None:
    node = stage.add_fake()
    inspect(stage, node, inventory=FOUND, plugin_data={"old": True})

    inspect(stage, node, inventory={"cpu": {"count": 8}})

    assert shown(stage, node) == {"inventory": {"cpu": {"count": 8}}, "plugin_data": {}}
    assert stage.rows("SELECT count(*) AS rows FROM node_inventories") == [{"rows": 1}]


@pytest.mark.parametrize("facts", [{}, {"inventory": None}, {"inventory": ["x"]}, {"inventory": {}, "plugin_data": 1}])
def test_an_inspection_that_brings_no_usable_inventory_leaves_what_was_known(
    stage: Stage, facts: dict[str, Any]
) -> None:
    node = stage.add_fake()
    inspect(stage, node, inventory=FOUND)

    inspect(stage, node, **facts)

    assert shown(stage, node)["inventory"] == FOUND


def test_no_other_step_than_an_inspections_writes_an_inventory(stage: Stage) -> None:
    node = stage.add_fake(power_state="power off")
    provider = stage.announce_all()
    provider.behaviour = {"deploy.deploy": [Done(facts={"inventory": FOUND})]}
    with stage.database.begin() as transaction:
        transaction.connection.exec_driver_sql("UPDATE nodes SET provision_state = 'available'")

    stage.verb(node, "active")
    provider.run()

    assert stage.node(node)["provision_state"] == "active"
    with pytest.raises(NotFound, match=f"Node inventory record for node {node} could not be found"):
        shown(stage, node)


def test_strings_padded_with_nul_by_firmware_are_kept_without_the_nuls(stage: Stage) -> None:
    node = stage.add_fake()

    inspect(stage, node, inventory={"hostname": "a\0\0b\\u0000", "serial": "\\\0"})

    assert shown(stage, node)["inventory"] == {"hostname": "ab\\u0000", "serial": "\\"}


def test_the_inventory_goes_with_its_node(stage: Stage) -> None:
    node = stage.add_fake()
    inspect(stage, node, inventory=FOUND)

    with stage.database.begin() as transaction:
        transaction.connection.exec_driver_sql("DELETE FROM nodes")

    assert stage.rows("SELECT * FROM node_inventories") == []
    with pytest.raises(NotFound, match="could not be found"):
        NodeParts(stage.database).inventory(node)
