"""Which ramdisk is believed: lookup, heartbeat, findings of an inspection, up to where the agent service comes in."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_common.errors import InvalidRequest, NotFound, Unavailable
from steelyard_inventory.domain import ramdisks
from steelyard_inventory.domain.transitions import State
from steelyard_inventory.store.tables import nodes
from steelyard_inventory.testing import Desk

MAC, MAC2, UNKNOWN = "aa:bb:cc:dd:ee:01", "aa:bb:cc:dd:ee:02", "aa:bb:cc:dd:ee:99"
NOBODY = "5c217000-0000-4000-8000-0000000000ff"
URL = "http://192.0.2.7:9999"


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


@pytest.mark.parametrize("state", State)
def test_a_node_is_found_in_states_that_may_have_a_ramdisk(desk: Desk, uuid: str, state: State) -> None:
    put(desk, uuid, provision_state=state)
    expected = Unavailable if state in ramdisks.LOOKUP else NotFound

    for asked in ({"addresses": [UNKNOWN, MAC]}, {"node_uuid": uuid}, {"node_uuid": uuid, "addresses": [UNKNOWN]}):
        with pytest.raises(expected):
            desk.ask("ramdisk-node", **asked)


def test_nobody_and_two_nodes_are_refused_in_the_same_words(desk: Desk, uuid: str) -> None:
    put(desk, uuid, provision_state=State.CLEAN_WAIT)
    said = set()

    for asked in ({"addresses": [UNKNOWN]}, {"addresses": [MAC, MAC2]}, {"node_uuid": NOBODY}, {"addresses": [MAC2]}):
        with pytest.raises(NotFound) as caught:
            desk.ask("ramdisk-node", **asked)
        said.add(caught.value.message)

    assert len(said) == 1


def test_a_heartbeat_needs_the_token_of_the_node_and_the_url_it_began_with(desk: Desk, uuid: str) -> None:
    def beat(token: str, url: str = URL) -> None:
        desk.tell("take-heartbeat", ident="n1", callback_url=url, token=token)

    with pytest.raises(InvalidRequest, match="agent token"):
        beat("guess")
    put(desk, uuid, driver_internal_info={ramdisks.TOKEN: "right", ramdisks.URL: URL})

    with pytest.raises(InvalidRequest, match="agent token"):
        beat("wrong")
    with pytest.raises(InvalidRequest, match="callback_url"):
        beat("right", "http://192.0.2.66:9999")
    with pytest.raises(Unavailable):
        beat("right")
    with pytest.raises(NotFound):
        desk.tell("take-heartbeat", ident="nobody", callback_url=URL, token="right")


@pytest.mark.parametrize("state", [State.INSPECTING, State.ENROLL, State.CLEAN_WAIT])
def test_findings_are_taken_only_of_a_node_that_waits_for_them(desk: Desk, uuid: str, state: State) -> None:
    put(desk, uuid, provision_state=state)
    with pytest.raises(NotFound):
        desk.tell("take-inspection", addresses=[MAC])

    put(desk, uuid, provision_state=State.INSPECT_WAIT)
    with pytest.raises(Unavailable):
        desk.tell("take-inspection", addresses=[MAC], bmc_addresses=["192.0.2.99"])


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

    with pytest.raises(Unavailable if is_found else NotFound):
        desk.tell("take-inspection", **told)


@pytest.mark.parametrize(
    ("written", "address"),
    [("192.0.2.1", "192.0.2.1"), ("https://[2001:db8::1]:443/redfish", "2001:db8::1"), ("2001:db8::1", "2001:db8::1")],
)
def test_the_address_of_a_bmc_is_read_from_urls_too(written: str, address: str) -> None:
    for name in ramdisks.BMC_ADDRESSES:
        assert ramdisks.has_bmc_at({"driver_info": {name: written}}, [address])
    assert not ramdisks.has_bmc_at({"driver_info": {"redfish_address": "https://[bad"}}, [address])
