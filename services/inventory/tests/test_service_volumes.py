"""Volume connectors and targets, and what goes with a node."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from steelyard_common.contracts.records import (
    CONNECTOR_FIELDS,
    TARGET_FIELDS,
)
from steelyard_common.errors import Conflict, InvalidRequest
from steelyard_common.secrets import MASK
from steelyard_inventory.store.tables import volume_targets
from steelyard_inventory.testing import BASE_URL, Desk

from .recording import add, add_port, listed, patch, set_columns

TOKEN = "sealed:k1:abc"
OTHER_TOKEN = "sealed:k1:def"
CONNECTOR: dict[str, Any] = {"type": "iqn", "connector_id": "iqn.2020-01.org:n1"}
TARGET: dict[str, Any] = {"volume_type": "iscsi", "boot_index": 0, "volume_id": "v1"}


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """With two nodes."""
    desk.create(name="n1", shard="s1", network_interface="flat")
    desk.create(name="n2", network_interface="noop")
    return desk


def test_volumes_are_answered_whole_listed_and_told(desk: Desk) -> None:
    connector = add(desk, "volume-connector", **CONNECTOR)
    target = add(desk, "volume-target", **TARGET)
    add(desk, "volume-target", "n2", **TARGET)

    assert connector.keys() == CONNECTOR_FIELDS.keys() | {"links"}
    assert target.keys() == TARGET_FIELDS.keys() | {"links"}
    assert target["links"][0]["href"] == f"{BASE_URL}/v1/volume/targets/{target['uuid']}"
    of_n1 = listed(desk, "volume-targets", "targets", filters={"node": "n1"}, sort_key="boot_index")
    assert [each["uuid"] for each in of_n1] == [target["uuid"]]
    assert of_n1[0].keys() == {"uuid", "node_uuid", "volume_type", "boot_index", "volume_id", "links"}
    assert len(listed(desk, "volume-targets", "targets")) == 2
    assert listed(desk, "volume-connectors", "connectors", detail=True) == [connector]
    facts = [fact for fact, _ in desk.events(connector["node_uuid"])]
    assert facts[-2:] == ["volume-connector-created", "volume-target-created"]


@pytest.mark.parametrize(
    ("one", "record", "error", "words"),
    [
        ("volume-connector", CONNECTOR, Conflict, "A volume connector with type iqn"),
        ("volume-target", TARGET, Conflict, "A volume target with boot index '0' for the same node"),
        ("volume-target", {**TARGET, "boot_index": None}, InvalidRequest, "'boot_index' is a required property"),
        ("volume-target", {**TARGET, "boot_index": True}, InvalidRequest, "not of type 'integer'"),
        ("volume-target", {**TARGET, "boot_index": 2**40}, InvalidRequest, "must be between"),
        ("volume-connector", {"type": "iqn"}, InvalidRequest, "'connector_id' is a required property"),
    ],
)
def test_a_volume_that_cannot_be_is_refused(
    desk: Desk, one: str, record: dict[str, Any], error: type[Exception], words: str
) -> None:
    add(desk, "volume-connector", **CONNECTOR)
    add(desk, "volume-target", **TARGET)
    with pytest.raises(error, match=words):
        add(desk, one, **record)


def test_volumes_change_only_while_the_node_is_off(desk: Desk) -> None:
    target = add(desk, "volume-target", **TARGET)
    change = ("replace", "/volume_id", "v2")

    with pytest.raises(InvalidRequest, match='"volume target update" can not be performed'):
        patch(desk, "volume-target", target["uuid"], change)
    set_columns(desk, "n1", power_state="power off")
    assert patch(desk, "volume-target", target["uuid"], change)["volume_id"] == "v2"
    set_columns(desk, "n1", power_state="power on", provision_state="active")
    with pytest.raises(InvalidRequest, match='"volume target deletion" can not be performed'):
        desk.tell("delete-volume-target", ident=target["uuid"])
    set_columns(desk, "n1", provision_state="manageable")
    desk.tell("delete-volume-target", ident=target["uuid"])
    assert listed(desk, "volume-targets", "targets") == []


def test_secrets_of_a_target_are_kept_apart_and_masks_keep_them(desk: Desk) -> None:
    target = add(desk, "volume-target", **TARGET, properties={"auth_password": TOKEN, "target_lun": 1})
    set_columns(desk, "n1", power_state="power off")

    def sealed() -> Any:
        with desk.database.read() as connection:
            return connection.execute(sa.select(volume_targets.c.sealed)).scalar_one()

    assert target["properties"] == {"auth_password": MASK, "target_lun": 1}
    assert sealed() == {"properties": {"/auth_password": TOKEN}}
    kept = {"auth_password": MASK, "target_lun": 2}
    assert patch(desk, "volume-target", target["uuid"], ("replace", "/properties", kept))["properties"] == kept
    assert sealed() == {"properties": {"/auth_password": TOKEN}}
    patch(desk, "volume-target", target["uuid"], ("replace", "/properties/auth_password", OTHER_TOKEN))
    assert sealed() == {"properties": {"/auth_password": OTHER_TOKEN}}
    patch(desk, "volume-target", target["uuid"], ("remove", "/properties"))
    assert sealed() == {}
    assert not any(TOKEN.encode() in message.body for message in desk.bus.published)


def test_what_hangs_on_a_node_goes_with_it_and_is_told(desk: Desk) -> None:
    group = add(desk, "portgroup")
    add_port(desk, 1, portgroup_uuid=group["uuid"])
    add(desk, "volume-connector", **CONNECTOR)
    add(desk, "volume-target", **TARGET)

    desk.tell("delete-node", ident="n1")

    facts = [fact for fact, _ in desk.events(group["node_uuid"])][-5:]
    assert facts == [
        "port-deleted", "portgroup-deleted", "volume-connector-deleted", "volume-target-deleted", "node-deleted",
    ]  # fmt: skip
    assert listed(desk, "portgroups", "portgroups") == listed(desk, "volume-targets", "targets") == []


def test_whoever_boots_a_node_is_told_its_volumes_with_what_is_secret_sealed(desk: Desk) -> None:
    add(desk, "volume-connector", **CONNECTOR)
    add(desk, "volume-target", **TARGET, properties={"auth_username": "u", "auth_password": TOKEN})
    add(desk, "volume-target", "n2", **TARGET)

    told = desk.ask("node-volumes", ident="n1")

    assert told["connectors"] == [CONNECTOR]
    (target,) = told["targets"]
    assert {name: target[name] for name in TARGET} == TARGET
    assert target["properties"] == {"auth_username": "u", "auth_password": MASK}
    assert target["sealed"] == {"properties": {"/auth_password": TOKEN}}


def test_a_machine_is_known_by_a_port_or_by_the_nodes_own_uuid(desk: Desk) -> None:
    add_port(desk, 1)
    node = desk.ask("node", ident="n2")["uuid"]

    def known(macs: tuple[str, ...] = (), uuids: tuple[str, ...] = ()) -> bool:
        return bool(desk.ask("knows-machine", macs=list(macs), system_uuids=list(uuids))["known"])

    assert known(macs=("52:54:00:00:00:09", "aa:bb:cc:dd:ee:01"))
    assert known(uuids=(node,))
    assert not known(macs=("52:54:00:00:00:09",), uuids=("00000000-0000-4000-8000-000000000000", "x"))
    assert not known()
