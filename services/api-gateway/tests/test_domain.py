"""Rules: versions, identifiers, query strings, patches, verbs, values. Tables of cases; no server, no bus."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from steelyard_api_gateway.domain import (
    configdrive,
    filters,
    identifiers,
    links,
    listings,
    network_data,
    patches,
    traits,
    values,
    verbs,
    versions,
)
from steelyard_api_gateway.domain.listings import CONDUCTORS, DRIVERS, NODES, PORTS
from steelyard_common.contracts.api import NODE_FIELDS, PORT_FIELDS
from steelyard_common.errors import Forbidden, InvalidRequest, NotAcceptable, NotFound

UUID = "8ac951e5-0800-43ec-be85-0af36c7d306c"


@pytest.mark.parametrize(
    ("generic", "own", "minor"),
    [
        (None, None, 1),
        (None, "", 1),
        ("", "1.5", 5),
        (None, "1.5", 5),
        (None, "1.115", 115),
        (None, "latest", 115),
        (None, "LATEST", 115),
        (None, " 1.5", 5),
        (None, "1.05", 5),
        ("baremetal 1.9", None, 9),
        ("compute 2.90, baremetal 1.10", None, 10),
        ("compute 2.90", None, 1),
        ("compute 2.90", "1.7", 7),
        ("baremetal 1.9", "1.3", 9),
        ("baremetal", None, 1),
        ("Baremetal latest", None, 115),
    ],
)
def test_a_version_is_read_from_either_header(generic: str | None, own: str | None, minor: int) -> None:
    assert versions.negotiate(generic, own) == minor


@pytest.mark.parametrize("own", ["abc", "1", "2.1", "1.0", "1.116", "1.5.6", "-1.5", " ", "1.", f"1.{'9' * 5000}"])
def test_a_version_that_is_not_spoken_is_refused_with_the_range(own: str) -> None:
    with pytest.raises(versions.VersionRefused, match=r"\[1\.1, 1\.115\]"):
        versions.negotiate(None, own)


@pytest.mark.parametrize("word", ["true", "TRUE", "t", "yes", "Y", "on", "1", True, 1])
def test_words_for_true_are_true(word: Any) -> None:
    assert values.boolean("x", word) is True


@pytest.mark.parametrize("word", ["false", "False", "f", "no", "n", "OFF", "0", False, 0])
def test_words_for_false_are_false(word: Any) -> None:
    assert values.boolean("x", word) is False


@pytest.mark.parametrize("word", ["", "2", "maybe", None, 2, 1.0, [], {}])
def test_other_words_are_no_booleans(word: Any) -> None:
    with pytest.raises(InvalidRequest, match="Invalid x: Unrecognized value"):
        values.boolean("x", word)


@pytest.mark.parametrize("bad", ["", "aa:bb", "aa-bb-cc-dd-ee-ff", "aa:bb:cc:dd:ee:fg", None, 5, "aa:bb:cc:dd:ee:ff\n"])
def test_only_six_pairs_are_a_mac_address(bad: Any) -> None:
    assert values.mac_address("address", "AA:BB:CC:DD:EE:0F") == "aa:bb:cc:dd:ee:0f"
    with pytest.raises(InvalidRequest, match="MAC address for address"):
        values.mac_address("address", bad)


def test_depth_counts_objects_and_lists_together() -> None:
    samples: list[Any] = [1, "[[", [], {"a": [1, {"b": {}}]}]

    assert [values.depth(sample) for sample in samples] == [0, 0, 1, 4]


def test_a_nul_is_found_in_keys_and_at_any_depth() -> None:
    assert values.has_nul({"a": [{"b\x00": 1}]})
    assert values.has_nul(["\x00"])
    assert not values.has_nul({"a": ["\\u0000", 1, None]})


@pytest.mark.parametrize("spelling", [UUID, UUID.upper(), UUID.replace("-", ""), f"{{{UUID}}}", f"urn:uuid:{UUID}"])
def test_every_spelling_of_a_uuid_becomes_one(spelling: str) -> None:
    assert identifiers.uuid_or_none(spelling) == UUID
    assert identifiers.from_path("node", spelling, 1) == UUID


@pytest.mark.parametrize("ident", ["a b", "", "x" * 256, "a/b", "é", "\x00", "n1\n"])
def test_what_is_neither_uuid_nor_name_is_a_bad_identifier(ident: str) -> None:
    with pytest.raises(identifiers.BadIdentifier):
        identifiers.from_path("node", ident, 115)


def test_names_have_the_rules_of_their_version() -> None:
    assert identifiers.from_path("node", "Rack_1~a", 10) == "Rack_1~a"
    assert identifiers.from_path("node", "a.b-c", 5) == "a.b-c"
    with pytest.raises(InvalidRequest, match="logical name"):
        identifiers.from_path("node", "Rack_1", 9)
    with pytest.raises(NotFound):
        identifiers.from_path("node", "n1", 4)


@pytest.mark.parametrize("name", ["detail", "states", "validate", "management", "a b", "", 5, UUID, UUID.upper()])
def test_reserved_and_malformed_names_are_refused_for_nodes(name: Any) -> None:
    with pytest.raises(InvalidRequest):
        identifiers.check_node_name(name, 115)


def parse(listing: listings.Listing = NODES, minor: int = 115, /, **query: str) -> dict[str, Any]:
    return listings.parse_list(listing, {name: [value] for name, value in query.items()}, minor)


def test_an_empty_query_asks_for_the_first_thousand_in_order_of_creation() -> None:
    assert parse() == {
        "filters": {}, "fields": None, "detail": False, "limit": 1000, "marker": None, "sort_key": "id",
        "sort_dir": "asc", "query": {},
    }  # fmt: skip


def test_filters_are_typed_and_echoed_for_the_next_page() -> None:
    asked = parse(associated="no", maintenance="1", shard="A, b,A", driver="ipmi", chassis_uuid=UUID.upper())

    assert asked["filters"] == {
        "associated": False, "maintenance": True, "shard": ["A", "b"], "driver": "ipmi", "chassis_uuid": UUID,
    }  # fmt: skip
    assert asked["query"]["associated"] == "False"
    assert asked["query"]["shard"] == "A,b"


@pytest.mark.parametrize("name", [name for name, rule in filters.NODE_FILTERS.items() if rule.since > 1])
def test_a_filter_is_not_acceptable_below_its_version(name: str) -> None:
    samples = {"provision_state": "active", "fault": "power failure", "sharded": "1", "include_children": "1"}
    since = filters.NODE_FILTERS[name].since
    value = samples.get(name, UUID)

    assert name in parse(NODES, since, **{name: value})["filters"]
    with pytest.raises(NotAcceptable, match=f"1.{since}"):
        parse(NODES, since - 1, **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"), ("limit", "-1"), ("limit", "x"), ("limit", "1.5"), ("limit", ""), ("marker", "x"),
        ("sort_dir", "up"), ("sort_dir", "ASC"), ("sort_key", "bogus"), ("sort_key", "properties"),
        ("sort_key", "conductor"), ("provision_state", "bogus"), ("fault", ""), ("instance_uuid", "x"),
        ("associated", ""), ("driver", "a\x00"), ("bogus", "1"), ("detail", "zz"),
        ("fields", "bogus"), ("fields", "name,ports"),
    ],
)  # fmt: skip
def test_a_malformed_parameter_is_an_invalid_request(name: str, value: str) -> None:
    with pytest.raises(InvalidRequest):
        parse(**{name: value})


def test_a_limit_above_the_most_is_cut_to_it() -> None:
    assert parse(limit="5000")["limit"] == 1000


def test_fields_are_lower_cased_trimmed_and_each_taken_once() -> None:
    assert parse(fields="NAME, uuid,name,")["fields"] == ["name", "uuid"]


def test_fields_and_sort_keys_newer_than_the_request_are_not_acceptable() -> None:
    for query in ({"fields": "uuid,health"}, {"sort_key": "health"}):
        with pytest.raises(NotAcceptable):
            parse(NODES, 108, **query)
        parse(NODES, 109, **query)
    with pytest.raises(NotAcceptable):
        parse(NODES, 7, fields="uuid")


def test_fields_and_detail_exclude_one_another() -> None:
    with pytest.raises(InvalidRequest, match="detail=True and fields"):
        parse(fields="name", detail="True")
    assert parse(fields="name", detail="False")["fields"] == ["name"]


def test_detail_is_unknown_to_old_versions() -> None:
    with pytest.raises(InvalidRequest, match="detail=True"):
        parse(NODES, 42, detail="True")
    with pytest.raises(NotAcceptable):
        parse(DRIVERS, 29, detail="True")


def test_a_parameter_given_twice_is_refused_but_fields_add_up() -> None:
    with pytest.raises(InvalidRequest, match="give it once"):
        listings.parse_list(NODES, {"driver": ["a", "b"]}, 115)
    assert listings.parse_list(NODES, {"fields": ["name", "uuid"]}, 115)["fields"] == ["name", "uuid"]


def test_all_unknown_parameters_are_named() -> None:
    with pytest.raises(InvalidRequest, match="Unexpected arguments: bogus, zog"):
        parse(zog="1", bogus="2")


def test_conductors_are_marked_by_host_name_and_drivers_have_no_pages() -> None:
    assert parse(CONDUCTORS, marker="power-7.rack")["marker"] == "power-7.rack"
    with pytest.raises(InvalidRequest, match="Unexpected arguments: limit"):
        parse(DRIVERS, limit="1")


def test_port_filters_that_exclude_one_another_are_refused() -> None:
    with pytest.raises(Forbidden):
        filters.check_port_filters(["node", "shard"])
    with pytest.raises(InvalidRequest):
        filters.check_port_filters(["conductor_groups", "address"])
    filters.check_port_filters(["node", "address"])


def test_a_name_in_the_node_filter_needs_the_version_of_names() -> None:
    assert parse(PORTS, 4, node=UUID)["filters"] == {"node": UUID}
    with pytest.raises(NotAcceptable):
        parse(PORTS, 4, node="n1")


def patch(*operations: Any, minor: int = 115) -> list[patches.Operation]:
    return patches.parse(list(operations), NODE_FIELDS, minor, mandatory=("driver",))


@pytest.mark.parametrize(
    "operation",
    [
        1,
        {},
        {"op": "add"},
        {"op": "test", "path": "/extra/a", "value": 1},
        {"op": "ADD", "path": "/extra", "value": {}},
        {"op": [], "path": "/extra"},
        {"op": "add", "path": "/extra/a"},
        {"op": "add", "path": "/extra/q", "value": 1, "from": "/extra/r"},
        {"op": "add", "path": "/name/x", "value": 1},
        {"op": "remove", "path": "/uuid"},
        {"op": "remove", "path": "/traits"},
        {"op": "remove", "path": "/driver"},
        *(
            {"op": "add", "path": path, "value": 1}
            for path in ("extra/a", "/", "", 5, "/extra/a.b", "/extra/", "/bogus", "/extra/~2", "/extra/a\n")
        ),
    ],
)
def test_a_malformed_operation_is_an_invalid_request(operation: Any) -> None:
    with pytest.raises(InvalidRequest):
        patch(operation)


def test_a_patch_is_a_list() -> None:
    bodies: list[Any] = [{}, None, "x", 1]

    for body in bodies:
        with pytest.raises(InvalidRequest, match="list of operations"):
            patches.parse(body, NODE_FIELDS, 115, mandatory=("driver",))
    assert patch() == []


def test_escaped_keys_may_be_patched_from_their_version_on() -> None:
    operation = {"op": "add", "path": "/extra/a~1b~0", "value": 1}

    assert patch(operation)[0].segments == ("extra", "a/b~")
    with pytest.raises(InvalidRequest):
        patch(operation, minor=97)


def test_a_root_newer_than_the_request_is_not_acceptable_but_may_be_removed() -> None:
    with pytest.raises(NotAcceptable):
        patch({"op": "replace", "path": "/name", "value": "x"}, minor=4)
    assert patch({"op": "remove", "path": "/name"}, minor=4)[0].to_dict() == {"op": "remove", "path": "/name"}


def test_the_value_of_a_removal_is_dropped() -> None:
    assert "value" not in patch({"op": "remove", "path": "/extra/a", "value": 1})[0].to_dict()


@pytest.mark.parametrize("target", verbs.PROVISION_VERBS)
def test_a_verb_is_not_acceptable_below_its_version(target: str) -> None:
    since = verbs.PROVISION_VERBS[target]
    required: dict[str, dict[str, Any]] = {
        "clean": {"clean_steps": [_STEP]},
        "service": {"service_steps": [_STEP]},
        "rescue": {"rescue_password": "x"},
    }
    given = required.get(target, {})

    verbs.check_provision(target, given, since)
    if since > 1:
        with pytest.raises(NotAcceptable):
            verbs.check_provision(target, given, since - 1)


_STEP = {"interface": "bios", "step": "reset"}
_DEPLOY_STEP = _STEP | {"args": {}, "priority": 10}


@pytest.mark.parametrize("parameter", verbs.PARAMETERS)
@pytest.mark.parametrize("target", verbs.PROVISION_VERBS)
def test_a_parameter_goes_only_with_its_verbs(parameter: str, target: str) -> None:
    samples: dict[str, Any] = {
        "configdrive": "http://x/y", "runbook": "r1", "disable_ramdisk": True, "clean_steps": [_STEP],
        "service_steps": [_STEP], "deploy_steps": [_DEPLOY_STEP], "rescue_password": "x",
    }  # fmt: skip
    needed = {"clean": "clean_steps", "service": "service_steps", "rescue": "rescue_password"}.get(target)
    given = {parameter: samples[parameter]}
    if needed and parameter != "runbook":
        given[needed] = samples[needed]

    if target in verbs.PARAMETERS[parameter]:
        verbs.check_provision(target, given, 115)
    else:
        with pytest.raises(InvalidRequest):
            verbs.check_provision(target, given, 115)


def test_a_verb_without_what_it_needs_is_refused() -> None:
    for target, given in (
        ("clean", {}),
        ("clean", {"clean_steps": []}),
        ("service", {}),
        ("rescue", {}),
        ("rescue", {"rescue_password": " "}),
        ("clean", {"clean_steps": [_STEP], "runbook": "r1"}),
        ("bogus", {}),
    ):
        with pytest.raises(InvalidRequest):
            verbs.check_provision(target, given, 115)


@pytest.mark.parametrize(
    "step",
    [
        1, {}, {"interface": "bios"}, {"interface": "z.z", "step": "x"}, {"interface": "network", "step": "x"},
        _STEP | {"args": []}, _STEP | {"order": -1},
        _STEP | {"order": True}, _STEP | {"bogus": 1}, _STEP | {"execute_on_child_nodes": "yes"}, _STEP | {"step": ""},
        _STEP | {"priority": 1}, _STEP | {"interface": []},
    ],
)  # fmt: skip
def test_a_malformed_step_is_refused_by_its_place(step: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"clean_steps\[1\]"):
        verbs.check_provision("clean", {"clean_steps": [_STEP, step]}, 115)


def test_a_step_of_a_users_own_interface_is_left_to_inventory_to_judge() -> None:
    verbs.check_provision("clean", {"clean_steps": [{"interface": "burn-in", "step": "stress"}]}, 115)


@pytest.mark.parametrize(
    ("value", "minor", "error"),
    [
        ("http://x/y", 1, None),
        (base64.b64encode(b"iso").decode(), 1, None),
        ("not base64!", 1, InvalidRequest),
        (5, 115, InvalidRequest),
        ({"meta_data": {}}, 55, NotAcceptable),
        ({"meta_data": {}, "user_data": None}, 56, None),
        ({"vendor_data": {"a": 1}}, 58, NotAcceptable),
        ({"vendor_data": {"a": 1}}, 59, None),
        ({"meta_data": []}, 115, InvalidRequest),
        ({"bogus": 1}, 115, InvalidRequest),
    ],
)
def test_a_config_drive_has_one_of_its_forms(value: Any, minor: int, error: type[Exception] | None) -> None:
    if error is None:
        configdrive.check("configdrive", value, minor)
        return
    with pytest.raises(error):
        configdrive.check("configdrive", value, minor)


@pytest.mark.parametrize(
    ("target", "timeout_s", "minor", "error"),
    [
        ("power on", None, 1, None),
        ("soft power off", None, 26, NotAcceptable),
        ("soft power off", 5, 27, None),
        ("power on", 5, 26, NotAcceptable),
        ("power on", 0, 27, InvalidRequest),
        ("POWER ON", None, 115, InvalidRequest),
        ("None", None, 115, InvalidRequest),
    ],
)
def test_power_targets_and_time_outs(target: str, timeout_s: int | None, minor: int, error: Any) -> None:
    if error is None:
        verbs.check_power(target, timeout_s, minor)
        return
    with pytest.raises(error):
        verbs.check_power(target, timeout_s, minor)


@pytest.mark.parametrize("good", ["CUSTOM_A", "HW_CPU_X86_VMX", "CUSTOM_" + "A" * 248])
def test_a_trait_has_the_form_of_one(good: str) -> None:
    assert traits.check_one("trait", good) == good


@pytest.mark.parametrize("bad", ["", "x", "CUSTOM_", "CUSTOM_b", "CUSTOM_" + "A" * 249, 5, None, "CUSTOM_A\n"])
def test_what_has_not_the_form_of_a_trait_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidRequest):
        traits.check_one("trait", bad)


def test_a_node_takes_fifty_traits_each_counted_once() -> None:
    names = [f"CUSTOM_{number}" for number in range(50)]

    assert traits.check_list("traits", names + names) == names
    with pytest.raises(InvalidRequest, match="at most 50"):
        traits.check_list("traits", [*names, "CUSTOM_50"])


@pytest.mark.parametrize(
    ("value", "is_good"),
    [
        ({}, True),
        ({"port_id": "a", "switch_id": "aa:bb:cc:dd:ee:ff"}, True),
        ({"port_id": "a", "switch_id": "00000000000000aa"}, True),
        ({"port_id": "a", "hostname": "h"}, True),
        ({"network_type": "unmanaged"}, True),
        ({"network_type": "managed"}, False),
        ({"network_type": "zz", "port_id": "a", "hostname": "h"}, False),
        ({"port_id": "a"}, False),
        ({"port_id": "a", "switch_id": "zz"}, False),
        ({"port_id": 5, "switch_id": "aa:bb:cc:dd:ee:ff"}, False),
        ({"x": "1"}, False),
        ([], False),
    ],
)
def test_a_link_is_empty_or_complete(value: Any, is_good: bool) -> None:
    if is_good:
        assert links.check("local_link_connection", value) == value
        return
    with pytest.raises(InvalidRequest):
        links.check("local_link_connection", value)


_NETWORK = {
    "links": [{"id": "l1", "type": "phy"}],
    "networks": [{"id": "n1", "type": "ipv4", "link": "l1"}],
    "services": [{"type": "dns", "address": "192.0.2.1"}],
}


@pytest.mark.parametrize(
    "change",
    [
        {"links": None}, {"bogus": []}, {"links": [{"id": "l1"}]}, {"links": [1]}, {"networks": [{"type": "ipv4"}]},
        {"links": [{"id": "b", "type": "bond"}]}, {"services": [{"type": "ntp", "address": "x"}]},
        {"links": [{"id": "l1", "type": []}]},
    ],
)  # fmt: skip
def test_network_data_is_complete_or_empty(change: dict[str, Any]) -> None:
    assert network_data.check("network_data", {}) == {}
    assert network_data.check("network_data", _NETWORK) == _NETWORK
    with pytest.raises(InvalidRequest, match="network_data"):
        network_data.check("network_data", _NETWORK | change)


def test_every_field_of_the_contract_can_be_asked_for() -> None:
    for listing, fields in ((NODES, NODE_FIELDS), (PORTS, PORT_FIELDS)):
        names = ",".join(fields)
        assert parse(listing, fields=f"{names},links")["fields"] == [*fields, "links"]
