"""Use cases: sealing, schemas, and what is asked of the other services on the bus."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_api_gateway.domain import patches
from steelyard_api_gateway.drivers.over_bus import OverBus
from steelyard_api_gateway.service import schemas
from steelyard_api_gateway.service.access import Gate
from steelyard_api_gateway.service.call import Call
from steelyard_api_gateway.service.nodes import Nodes
from steelyard_api_gateway.service.policy import Policy
from steelyard_api_gateway.service.ports import Ports
from steelyard_api_gateway.service.root import KEPT, Root
from steelyard_api_gateway.service.sealing import seal, seal_document, seal_operation
from steelyard_api_gateway.testing import Others
from steelyard_common.bus import MemoryBus
from steelyard_common.contracts.api import NODE_FIELDS
from steelyard_common.errors import InvalidRequest, NotAcceptable, NotFound, Unavailable
from steelyard_common.secrets import MASK, Sealer

UUID = "8ac951e5-0800-43ec-be85-0af36c7d306c"
SECRET = "c4nary-s3cret"


def call(minor: int = 115, **more: Any) -> Call:
    return Call(minor=minor, base_url="http://api", request_id="req-1", **more)


@pytest.fixture
def inventory(bus: MemoryBus, others: Others) -> OverBus:
    return OverBus(bus, "local", "inventory", query_timeout_s=5, command_timeout_s=5)


@pytest.fixture
def gate(inventory: OverBus) -> Gate:
    return Gate(Policy(), inventory)


@pytest.fixture
def nodes(inventory: OverBus, sealer: Sealer, gate: Gate) -> Nodes:
    return Nodes(inventory, sealer, gate)


@pytest.fixture
def ports(inventory: OverBus, sealer: Sealer, gate: Gate) -> Ports:
    return Ports(inventory, sealer, gate)


# Sealing


def test_every_value_below_a_secret_name_is_sealed_and_nothing_else(sealer: Sealer) -> None:
    given = {
        "redfish_password": SECRET,
        "address": "https://bmc",
        "nested": {"api_token": 1234, "list": [{"secret": SECRET}], "plain": 1},
        "secrets": {"a": SECRET, "b": [SECRET]},
        "use_token": True,
        "old_password": "",
        "kept_password": MASK,
        "no_password": None,
    }

    sealed = seal(given, sealer)

    assert SECRET not in repr(sealed)
    assert sealer.open(sealed["redfish_password"]) == SECRET
    assert sealer.open(sealed["nested"]["api_token"]) == "1234"
    assert sealer.open(sealed["nested"]["list"][0]["secret"]) == SECRET
    assert sealer.open(sealed["secrets"]["b"][0]) == SECRET
    assert sealed["address"] == "https://bmc"
    assert sealed["nested"]["plain"] == 1
    assert (sealed["use_token"], sealed["old_password"], sealed["kept_password"]) == (True, "", MASK)
    assert sealed["no_password"] is None


def test_config_drives_and_image_urls_are_sealed_though_their_names_say_nothing(sealer: Sealer) -> None:
    document = {"instance_info": {"configdrive": SECRET, "image_url": SECRET, "image_source": "x"}, "extra": {"a": 1}}

    sealed = seal_document(document, sealer)

    assert SECRET not in repr(sealed)
    assert sealed["instance_info"]["image_source"] == "x"
    assert sealed["extra"] == {"a": 1}


def test_a_value_that_looks_sealed_is_refused(sealer: Sealer) -> None:
    with pytest.raises(InvalidRequest, match="sealed"):
        seal({"address": "sealed:k1:abc"}, sealer)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/driver_info/redfish_password", SECRET),
        ("/driver_info", {"redfish_password": SECRET}),
        ("/driver_info/secrets/a", SECRET),
        ("/driver_info/secrets", [SECRET]),
        ("/driver_info/x~1password", SECRET),
        ("/driver_info/nested", {"deep": {"token": SECRET}}),
        ("/instance_info/configdrive", SECRET),
        ("/instance_info/configdrive", {"user_data": SECRET}),
        ("/instance_info", {"configdrive": SECRET}),
    ],
)
def test_a_secret_in_a_patch_is_sealed_wherever_its_name_stands(sealer: Sealer, path: str, value: Any) -> None:
    operations = patches.parse([{"op": "add", "path": path, "value": value}], NODE_FIELDS, 115, mandatory=("driver",))

    body = seal_operation(operations[0], sealer)

    assert SECRET not in repr(body)
    assert "sealed:" in repr(body)


# Schemas


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "must be a JSON object"),
        (None, "must be a JSON object"),
        ({}, "'driver' is a required property"),
        ({"driver": None}, "'driver' must not be null"),
        ({"driver": 5}, "'driver' must be a string"),
        ({"driver": "x", "bogus": SECRET}, "'bogus' cannot be set here; remove it"),
        ({"driver": "x", "protected": True}, "'protected' cannot be set here"),
        ({"driver": "x", "driver_info": SECRET}, "'driver_info' must be an object"),
        ({"driver": "x", "uuid": SECRET}, "Expected UUID for uuid"),
        ({"driver": "x", "resource_class": "x" * 81}, "between 0 and 80 characters"),
        ({"driver": "x", "description": "x" * 4097}, "'description'"),
        ({"driver": "x", "instance_name": ""}, "'instance_name'"),
        ({"driver": "x", "maintenance": "maybe"}, "Invalid maintenance"),
        ({"driver": "x", "network_data": {"a": 1}}, "network_data"),
        ({"driver": "x", **{f"bogus{number}": 1 for number in range(9)}}, "and 4 more"),
    ],
)
def test_a_message_names_the_field_and_the_remedy(body: Any, said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        schemas.load(schemas.NODE, "node", body)

    assert said in refused.value.message
    if said != "Expected UUID for uuid":
        assert SECRET not in refused.value.message


def test_null_means_the_default_and_is_left_out(nodes: Nodes, others: Others) -> None:
    nodes.create(call(4), {"driver": "ipmi", "name": None, "extra": None, "conductor_group": "", "maintenance": "no"})

    _, body = others.last
    assert body["node"].keys() == {"driver", "maintenance", "uuid"}


@pytest.mark.parametrize("name", [name for name, field in NODE_FIELDS.items() if field.create and field.since > 1])
def test_a_field_newer_than_the_request_is_not_acceptable_on_create(nodes: Nodes, others: Others, name: str) -> None:
    kinds: dict[str, Any] = {"bool": False, "object": {}, "string": "x1"}
    field = NODE_FIELDS[name]
    body = {"driver": "ipmi", name: kinds[field.kind]}

    with pytest.raises(NotAcceptable, match=f"1.{field.since}"):
        nodes.create(call(field.since - 1), body)
    nodes.create(call(field.since), body)
    assert others.last[1]["node"][name] == kinds[field.kind]


# What goes on the bus


def test_a_new_node_has_a_uuid_before_it_leaves_the_gateway(nodes: Nodes, others: Others) -> None:
    uuid, _ = nodes.create(call(), {"driver": "ipmi"})
    given, _ = nodes.create(call(), {"driver": "ipmi", "uuid": UUID.upper()})

    assert others.asked[0][1]["node"]["uuid"] == uuid
    assert given == UUID


def test_a_secret_leaves_only_sealed(nodes: Nodes, others: Others) -> None:
    nodes.create(call(), {"driver": "redfish", "driver_info": {"redfish_password": SECRET}})
    nodes.update(call(), "n1", [{"op": "add", "path": "/driver_info/redfish_password", "value": SECRET}], {})

    assert SECRET not in repr(others.asked)


def test_the_value_of_a_root_field_is_brought_into_its_form(nodes: Nodes, others: Others) -> None:
    operations = [
        {"op": "replace", "path": "/maintenance", "value": "YES"},
        {"op": "add", "path": "/instance_uuid", "value": UUID.upper()},
        {"op": "replace", "path": "/protected", "value": "0"},
        {"op": "replace", "path": "/name", "value": None},
    ]

    nodes.update(call(), "n1", operations, {})

    assert [each["value"] for each in others.last[1]["patch"]] == [True, UUID, False, None]


@pytest.mark.parametrize(
    ("name", "value"),
    [("name", "a b"), ("name", 5), ("extra", []), ("driver", None), ("chassis_uuid", "x"), ("maintenance", "zz")],
)
def test_a_value_that_does_not_fit_its_field_is_refused_in_a_patch(nodes: Nodes, name: str, value: Any) -> None:
    with pytest.raises(InvalidRequest):
        nodes.update(call(), "n1", [{"op": "replace", "path": f"/{name}", "value": value}], {})


def test_interfaces_are_reset_only_with_a_new_driver(nodes: Nodes, others: Others) -> None:
    change = [{"op": "replace", "path": "/driver", "value": "ipmi"}]

    nodes.update(call(), "n1", change, {"reset_interfaces": ["True"]})

    assert others.last[1]["reset_interfaces"] is True
    with pytest.raises(InvalidRequest, match="changing the node's driver"):
        nodes.update(call(), "n1", [], {"reset_interfaces": ["True"]})
    with pytest.raises(NotAcceptable):
        nodes.update(call(44), "n1", change, {"reset_interfaces": ["False"]})


def test_a_cut_json_suffix_is_tried_as_part_of_the_name(nodes: Nodes, others: Others) -> None:
    others.nodes = frozenset({"web.json"})

    nodes.show(call(90, dropped_json=True), "web", {})

    assert [body["ident"] for _, body, _ in others.asked] == ["web", "web.json"]
    with pytest.raises(NotFound):
        nodes.show(call(91), "web", {})


def test_the_caller_travels_in_a_header(nodes: Nodes, others: Others) -> None:
    nodes.show(call(global_request_id="req-2"), "n1", {})

    header = others.last_headers["Steelyard-Caller"]
    assert '"request_id":"req-1"' in header
    assert '"global_request_id":"req-2"' in header
    assert '"roles":["admin"]' in header
    assert '"domain":null,"system":true' in header


def test_a_service_that_is_away_is_unavailable(sealer: Sealer) -> None:
    alone = OverBus(MemoryBus(), "local", "inventory", query_timeout_s=1, command_timeout_s=1)

    with pytest.raises(Unavailable):
        Nodes(alone, sealer, Gate(Policy(), alone)).show(call(), "n1", {})


@pytest.mark.parametrize(
    "change",
    [
        {"node_uuid": None}, {"node_ident": "n1"}, {"address": None}, {"address": "zz"}, {"name": ""},
        {"name": "detail"}, {"name": UUID}, {"physical_network": ""}, {"physical_network": "x" * 65},
        {"internal_info": {}}, {"local_link_connection": {"x": "1"}}, {"vendor": "x" * 33}, {"is_smartnic": "zz"},
    ],
)  # fmt: skip
def test_a_port_that_does_not_fit_is_refused(ports: Ports, change: dict[str, Any]) -> None:
    good = {"address": "AA:BB:CC:DD:EE:FF", "node_uuid": UUID}

    with pytest.raises(InvalidRequest):
        ports.create(call(), good | change)


def test_a_port_names_its_node_by_uuid_or_from_v94_by_name(ports: Ports, others: Others) -> None:
    ports.create(call(94), {"address": "AA:BB:CC:DD:EE:FF", "node_ident": "n1"})

    assert others.last[1]["port"]["node_ident"] == "n1"
    assert others.last[1]["port"]["address"] == "aa:bb:cc:dd:ee:ff"
    with pytest.raises(NotAcceptable):
        ports.create(call(93), {"address": "AA:BB:CC:DD:EE:FF", "node_ident": "n1"})


def test_the_network_type_of_a_link_has_a_version_of_its_own(ports: Ports) -> None:
    link = {"network_type": "unmanaged"}
    body = {"address": "AA:BB:CC:DD:EE:FF", "node_uuid": UUID, "local_link_connection": link}
    whole = {"op": "add", "path": "/local_link_connection", "value": link}
    single = {"op": "add", "path": "/local_link_connection/network_type", "value": "unmanaged"}

    ports.create(call(64), body)
    ports.update(call(64), UUID, [whole, single])
    with pytest.raises(NotAcceptable):
        ports.create(call(63), body)
    for operation in (whole, single):
        with pytest.raises(NotAcceptable):
            ports.update(call(63), UUID, [operation])


def test_root_documents_are_kept_for_a_bounded_number_of_hosts() -> None:
    root = Root()

    first = root.v1("http://h0", 115)

    assert root.v1("http://h0", 115) is first
    assert b"conductors" in first
    assert b"conductors" not in root.v1("http://h0", 48)
    for number in range(2 * KEPT):
        root.versions(f"http://h{number}")
    assert root.v1("http://h0", 115) == first
