"""Rules: versions, identifiers, values, traits, links, network data. Tables of cases; no server, no bus."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_api_gateway.domain import (
    identifiers,
    links,
    network_data,
    traits,
    values,
    versions,
)
from steelyard_common.errors import InvalidRequest, NotFound

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
