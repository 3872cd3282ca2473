"""What lists may be asked for: filters, fields, pages, each with its version. No server, no bus."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_api_gateway.domain import (
    filters,
    listings,
)
from steelyard_api_gateway.domain.listings import CONDUCTORS, DRIVERS, NODES, PORTS
from steelyard_common.contracts.api import NODE_FIELDS, PORT_FIELDS
from steelyard_common.errors import Forbidden, InvalidRequest, NotAcceptable

UUID = "8ac951e5-0800-43ec-be85-0af36c7d306c"


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


def test_every_field_of_the_contract_can_be_asked_for() -> None:
    for listing, fields in ((NODES, NODE_FIELDS), (PORTS, PORT_FIELDS)):
        names = ",".join(fields)
        assert parse(listing, fields=f"{names},links")["fields"] == [*fields, "links"]
