"""Which ramdisk is believed: lookup, heartbeats as boot tells them, findings of an inspection."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from steelyard_common.errors import NotFound
from steelyard_inventory.domain import ramdisks
from steelyard_inventory.domain.inspection_data import InspectionData
from steelyard_inventory.domain.ramdisks import Taken
from steelyard_inventory.domain.runs import StepRun
from steelyard_inventory.domain.transitions import State
from steelyard_inventory.store import inventories
from steelyard_inventory.store.tables import nodes
from steelyard_inventory.testing import Desk

MAC, MAC2, UNKNOWN = "aa:bb:cc:dd:ee:01", "aa:bb:cc:dd:ee:02", "aa:bb:cc:dd:ee:99"
NOBODY = "5c217000-0000-4000-8000-0000000000ff"
URL = "https://192.0.2.7:9999"
NOTES = {"agent_url": URL, "agent_version": "13.0.0", "agent_secret_token": "******"}


@pytest.fixture
def uuid(desk: Desk) -> str:
    """n1 has one port and a BMC; n2 has another port."""
    made: str = desk.create(name="n1", driver_info={"redfish_address": "https://192.0.2.1:443"})["uuid"]
    desk.create(name="n2")
    for name, address in (("n1", MAC), ("n2", MAC2)):
        desk.tell("create-port", port={"address": address, "node_ident": name})
    return made


def put(desk: Desk, uuid: str, **columns: Any) -> None:
    with desk.database.begin() as transaction:
        transaction.connection.execute(nodes.update().where(nodes.c.uuid == uuid).values(**columns))


def lookup(desk: Desk, **asked: Any) -> Any:
    """What inventory tells boot of a lookup."""
    api = {"minor": 115, "base_url": "http://api.example:6385"}
    (found,) = desk.ask("ramdisk-nodes", asked=[{"api": api, **asked}])["found"]
    return found


def beat(desk: Desk, uuid: str, boot: str | None = None) -> str:
    (told,) = desk.tell("observe-agents", agents=[{"node": uuid, "boot": boot, "notes": NOTES}])["agents"]
    assert told["node"] == uuid
    taken: str = told["taken"]
    return taken


def internal(desk: Desk, uuid: str) -> dict[str, Any]:
    shown: dict[str, Any] = desk.ask("node", ident=uuid)["driver_internal_info"]
    return shown


@pytest.mark.parametrize("state", State)
def test_a_node_is_found_in_states_that_may_have_a_ramdisk(desk: Desk, uuid: str, state: State) -> None:
    put(desk, uuid, provision_state=state)

    for asked in ({"addresses": [UNKNOWN, MAC]}, {"node_uuid": uuid}, {"node_uuid": uuid, "addresses": [UNKNOWN]}):
        found = lookup(desk, **asked)
        if state in ramdisks.LOOKUP:
            assert found["node"]["uuid"] == uuid
            assert {*found["node"]} == {"uuid", "properties", "instance_info", "driver_internal_info", "links"}
        else:
            assert found is None


@pytest.mark.parametrize("state", sorted(ramdisks.FAST_TRACK))
def test_a_node_on_the_fast_track_is_found_between_its_works_too(desk: Desk, uuid: str, state: State) -> None:
    put(desk, uuid, provision_state=state, driver_info={"fast_track": True})
    assert lookup(desk, addresses=[MAC])["node"]["uuid"] == uuid

    put(desk, uuid, driver_info={"fast_track": "false"})
    assert lookup(desk, addresses=[MAC]) is None


def test_nobody_and_two_nodes_are_the_same_to_who_asks(desk: Desk, uuid: str) -> None:
    put(desk, uuid, provision_state=State.CLEAN_WAIT)

    for asked in ({"addresses": [UNKNOWN]}, {"addresses": [MAC, MAC2]}, {"node_uuid": NOBODY}, {"addresses": [MAC2]}):
        assert lookup(desk, **asked) is None


def test_boot_alone_is_told_that_a_ramdisk_has_addresses_of_several_nodes(desk: Desk, uuid: str) -> None:
    other = desk.ask("node", ident="n2")["uuid"]
    api = {"minor": 115, "base_url": "http://api.example:6385"}

    told = desk.ask("ramdisk-nodes", asked=[{"api": api, "addresses": each} for each in ([MAC], [UNKNOWN, MAC2, MAC])])

    assert [sorted(each) for each in told["several"]] == [[], sorted([uuid, other])]


@pytest.mark.parametrize("state", State)
def test_a_heartbeat_counts_in_few_states_and_is_dropped_without_a_word_in_all_others(
    desk: Desk, uuid: str, state: State
) -> None:
    put(desk, uuid, provision_state=state)
    before = desk.ask("node", ident=uuid)["updated_at"]

    taken = beat(desk, uuid)

    assert taken == (Taken.TAKEN if state in ramdisks.HEARTBEAT else Taken.IGNORED)
    assert (internal(desk, uuid).get("agent_url") == URL) is (state in ramdisks.HEARTBEAT)
    assert desk.ask("node", ident=uuid)["updated_at"] == before


def test_only_the_first_heartbeat_must_come_again_while_the_node_is_locked(desk: Desk, uuid: str) -> None:
    put(desk, uuid, provision_state=State.CLEANING)
    lease = desk.tell("take-lease", ident=uuid, purpose="looking", ttl_s=60.0, holder="somebody")

    assert beat(desk, uuid) == Taken.BUSY
    assert "agent_url" not in internal(desk, uuid)

    desk.tell("release-lease", node=uuid, fence=lease["fence"])
    assert beat(desk, uuid) == Taken.TAKEN
    desk.tell("take-lease", ident=uuid, purpose="looking", ttl_s=60.0, holder="somebody")
    assert beat(desk, uuid) == Taken.TAKEN


def test_an_agent_of_an_earlier_boot_is_told_apart(desk: Desk, uuid: str) -> None:
    put(desk, uuid, provision_state=State.CLEAN_WAIT, driver_internal_info={"agent_boot": "7.1"})

    assert beat(desk, uuid, boot="6.0") == Taken.STALE
    assert beat(desk, uuid, boot="7.1") == Taken.TAKEN
    assert beat(desk, uuid, boot=None) == Taken.TAKEN
    assert beat(desk, NOBODY) == Taken.UNKNOWN


def test_boot_tells_of_refused_agents_by_the_bus_beside_heartbeats(desk: Desk, uuid: str) -> None:
    assert desk.tell("observe-agents", agents=[], refused=[{"node": uuid, "words": "who"}])["agents"] == []


def test_what_does_not_travel_with_steps_is_told_to_boot(desk: Desk, uuid: str) -> None:
    put(desk, uuid, sealed={"instance_info": {"/configdrive": "sealed:x"}}, lessee="p1", owner="p2")

    assert desk.ask("instance-of-node", ident=uuid) == {"configdrive": "sealed:x", "project": "p1", "disks": []}


@pytest.mark.parametrize(
    ("columns", "inventory", "is_told"),
    [
        ({}, {"disks": [{"name": "/dev/sda", "size": 1}]}, True),
        ({"raid_config": {"logical_disks": []}}, {"disks": [{"name": "/dev/sda", "size": 1}]}, False),
        ({"target_raid_config": {"logical_disks": []}}, {"disks": [{"name": "/dev/sda", "size": 1}]}, False),
        ({"properties": {"skip_block_devices": [{"name": "x"}]}}, {"disks": [{"name": "/dev/sda"}]}, False),
        ({}, {"disks": [{"name": "Disk.Bay.1", "size": 1}]}, False),
        ({}, {"disks": "many"}, False),
        ({}, {}, False),
    ],
)
def test_the_disks_of_a_node_are_told_when_an_agent_will_find_them_again(
    desk: Desk, uuid: str, columns: dict[str, Any], inventory: dict[str, Any], *, is_told: bool
) -> None:
    put(desk, uuid, extra={}, **columns)
    with desk.database.begin() as transaction:
        found = InspectionData(inventory=orjson.dumps(inventory).decode(), plugin_data="{}")
        inventories.keep(transaction.connection, uuid, found, datetime.now(UTC))

    assert desk.ask("instance-of-node", ident=uuid)["disks"] == (inventory["disks"] if is_told else [])


def test_a_name_leads_to_its_node(desk: Desk, uuid: str) -> None:
    assert desk.ask("node-uuid", ident="n1") == {"uuid": uuid}
    with pytest.raises(NotFound):
        desk.ask("node-uuid", ident="nobody")


@pytest.mark.parametrize(
    ("target", "more", "is_forgotten"),
    [
        ("power off", {}, True), ("rebooting", {}, True), ("soft power off", {}, True), ("soft rebooting", {}, True),
        ("power on", {}, False), ("rebooting", {"attempt": 2}, False), ("power off", {"attempt": 2}, True),
        ("rebooting", {"attempt": 2, "failures": 1}, True), ("power on", {"attempt": 2, "failures": 1}, False),
        ("rebooting", {"attempt": 3, "failures": 1, "memo": {"answered_at": 1.0}}, False),
        ("soft rebooting", {"attempt": 3, "failures": 1, "memo": {"phase": 1}}, False),
    ],
)  # fmt: skip
def test_an_agent_is_forgotten_when_its_machine_is_told_to_go_off_and_told_again(
    target: str, more: dict[str, Any], *, is_forgotten: bool
) -> None:
    told: dict[str, Any] = {"attempt": 1, **more}
    step = StepRun(index=0, interface="power", name="set_power", args={"target": target}, timeout_s=1.0, **told)

    patch = ramdisks.forgotten([step], "8.0")

    assert patch.get("agent_boot") == ("8.0" if is_forgotten else None)
    assert ("agent_url" in patch) is is_forgotten


def test_a_power_off_through_the_api_forgets_the_agent(desk: Desk, uuid: str) -> None:
    put(desk, uuid, provision_state=State.MANAGEABLE, power_state="power on", power_changed_at=datetime.now(UTC))
    desk.announce()
    assert beat(desk, uuid) == Taken.TAKEN

    desk.tell("set-power", ident=uuid, target="power off")

    left = internal(desk, uuid)
    assert "agent_url" not in left
    assert "agent_secret_token" not in left
    assert beat(desk, uuid, boot="") == Taken.STALE


@pytest.mark.parametrize("state", [State.INSPECTING, State.ENROLL, State.CLEAN_WAIT])
def test_findings_are_taken_only_of_a_node_that_waits_for_them(desk: Desk, uuid: str, state: State) -> None:
    put(desk, uuid, provision_state=state)
    with pytest.raises(NotFound):
        desk.ask("inspection-node", addresses=[MAC])

    put(desk, uuid, provision_state=State.INSPECT_WAIT)
    assert desk.ask("inspection-node", addresses=[MAC], bmc_addresses=["192.0.2.99"]) == {"uuid": uuid}


@pytest.mark.parametrize(
    ("told", "is_found"),
    [
        ({"bmc_addresses": ["192.0.2.1"]}, True), ({"bmc_addresses": ["192.0.2.2"]}, False),
        ({"addresses": [UNKNOWN], "bmc_addresses": ["192.0.2.1", "2001:db8::1"]}, True),
        ({"addresses": [MAC2], "bmc_addresses": ["192.0.2.1"]}, False), ({"node_uuid": NOBODY}, False),
        ({"addresses": [MAC, MAC2]}, False),
    ],
)  # fmt: skip
def test_findings_name_their_node_by_ports_else_by_its_bmc(
    desk: Desk, uuid: str, told: dict[str, Any], *, is_found: bool
) -> None:
    put(desk, uuid, provision_state=State.INSPECT_WAIT)

    if is_found:
        assert desk.ask("inspection-node", **told) == {"uuid": uuid}
        return
    with pytest.raises(NotFound):
        desk.ask("inspection-node", **told)


@pytest.mark.parametrize(
    ("written", "address"),
    [("192.0.2.1", "192.0.2.1"), ("https://[2001:db8::1]:443/redfish", "2001:db8::1"), ("2001:db8::1", "2001:db8::1")],
)
def test_the_address_of_a_bmc_is_read_from_urls_too(written: str, address: str) -> None:
    for name in ramdisks.BMC_ADDRESSES:
        assert ramdisks.has_bmc_at({"driver_info": {name: written}}, [address])
    assert not ramdisks.has_bmc_at({"driver_info": {"redfish_address": "https://[bad"}}, [address])
