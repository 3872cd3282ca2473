"""Quotas: what a project has is counted, and what is too much is refused, also of many who come at once."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from steelyard_common.errors import Conflict, Forbidden, InvalidRequest, PreconditionFailed
from steelyard_inventory import settings
from steelyard_inventory.store.tables import nodes
from steelyard_inventory.testing import Desk

from .conftest import Stage


def add(desk: Desk, **columns: Any) -> str:
    values = {
        "uuid": str(uuid.uuid4()), "driver": "fake-hardware", "provision_state": "available",
        "power_state": "power off", "resource_class": "big",
    } | columns  # fmt: skip
    with desk.database.begin() as transaction:
        transaction.connection.execute(nodes.insert().values(values))
    return str(values["uuid"])


def allocate(desk: Desk, owner: str | None = "p", **more: Any) -> Any:
    return desk.tell("create-allocation", record={"resource_class": "big", "owner": owner, **more})


def test_a_project_gets_what_its_quota_allows_and_is_told_the_numbers(desk: Desk) -> None:
    desk.tell("set-quotas", project="p", quotas={"big": 2, "*": 0})
    for _ in range(2):
        allocate(desk)

    with pytest.raises(Forbidden, match="project p may have 2 nodes of resource class big, has 2 and asks for 1 more"):
        allocate(desk)
    with pytest.raises(Forbidden, match="may have 0 nodes of resource class small"):
        allocate(desk, resource_class="small")
    allocate(desk, owner="q")
    allocate(desk, owner=None)
    desk.tell("delete-quotas", project="p")
    allocate(desk)
    assert desk.ask("quotas", project="p") == {"project": "p", "quotas": {}, "defaults": {}}


@pytest.mark.parametrize("chosen", [{"uuid": "11111111-2222-3333-4444-555555555555"}, {"name": "mine"}])
def test_who_asks_again_for_what_fills_the_quota_is_told_that_it_is_there(desk: Desk, chosen: dict[str, str]) -> None:
    desk.tell("set-quotas", project="p", quotas={"big": 1})
    allocate(desk, **chosen)

    with pytest.raises(Conflict, match="already exists"):
        allocate(desk, **chosen)


def test_an_allocation_that_goes_or_fails_gives_its_room_back(desk: Desk) -> None:
    desk.tell("set-quotas", project="p", quotas={"big": 1})
    first = allocate(desk)
    desk.tell("delete-allocation", ident=first["uuid"])
    allocate(desk)
    assert desk.inventory.matcher.match_one(), "there is no node: it fails"

    assert allocate(desk)["state"] == "allocating"


def test_of_many_who_come_at_once_no_more_get_in_than_the_quota_says(desk: Desk) -> None:
    desk.tell("set-quotas", project="p", quotas={"big": 5})
    outcomes: list[bool] = []

    def come() -> None:
        try:
            allocate(desk)
            outcomes.append(True)
        except Forbidden:
            outcomes.append(False)

    threads = [threading.Thread(target=come) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert (outcomes.count(True), outcomes.count(False)) == (5, 15)


@pytest.mark.parametrize("quotas", [[], {"big": -1}, {"big": True}, {"big": "3"}, {"": 1}, {"big": 10**7}])
def test_what_is_no_quota_is_refused(desk: Desk, quotas: Any) -> None:
    with pytest.raises(InvalidRequest):
        desk.tell("set-quotas", project="p", quotas=quotas)


def test_a_lessee_deploys_within_its_quota_and_an_owner_needs_none(stage: Stage) -> None:
    stage.announce_all()
    stage.rules.quota["big"] = 1  # type: ignore[index]
    leased = [stage.add_fake("available", resource_class="big", lessee="p", owner="o") for _ in range(2)]
    own = stage.add_fake("available", resource_class="big", lessee="o", owner="o")

    stage.verb(leased[0], "active")
    with pytest.raises(Forbidden, match="may have 1 nodes of resource class big, has 1"):
        stage.verb(leased[1], "active")
    stage.verb(own, "active")

    assert stage.node(leased[1])["provision_state"] == "available"


def test_usage_says_what_there_is_and_how_many_more_there_may_be(desk: Desk) -> None:
    desk.tell("set-quotas", project="p", quotas={"big": 3})
    add(desk, owner="p")
    add(desk, owner="p", lessee="q")
    add(desk, owner="o", lessee="p", provision_state="active", instance_uuid=str(uuid.uuid4()))
    add(desk)
    allocate(desk)

    (row,) = desk.ask("usage", project="p")["usage"]

    assert row == {
        "project": "p", "resource_class": "big", "owned": 2, "leased": 1, "allocating": 1, "allocated": 0, "active": 1,
        "used": 2, "limit": 3, "available": 2, "may_create": 1,
    }  # fmt: skip
    everybody = desk.ask("usage")["usage"]
    assert [(each["project"], each["available"]) for each in everybody] == [(None, 1), ("o", 0), ("p", 2), ("q", 1)]
    assert everybody[2] == row


def test_what_projects_may_have_by_default_is_a_setting(database: Any, memory_bus: Any, clock: Any) -> None:
    desk = Desk(database, memory_bus, clock, default_quota={"*": 1}, default_traits=("CUSTOM_A",))
    desk.announce()
    allocate(desk)
    with pytest.raises(Forbidden, match="may have 1 nodes"):
        allocate(desk)

    assert desk.create(name="n1")["traits"] == ["CUSTOM_A"]


@pytest.mark.parametrize(
    ("parse", "value"),
    [
        (settings.class_limits, "big"), (settings.class_limits, "=3"), (settings.trait_names, "lower"),
        (settings.property_path, "a..b"),
    ],
)  # fmt: skip
def test_settings_of_tenancy_are_checked_at_the_start(parse: Callable[[str], object], value: str) -> None:
    with pytest.raises(ValueError, match=r"expected|neither"):
        parse(value)


def test_settings_of_tenancy_are_read() -> None:
    assert settings.class_limits("big=3, *=0") == {"big": 3, "*": 0}
    assert settings.trait_names("CUSTOM_B,CUSTOM_A") == ("CUSTOM_A", "CUSTOM_B")
    assert settings.property_path("properties.location.zone") == ("location", "zone")


def test_quotas_have_an_etag_and_a_change_meant_for_others_is_refused(desk: Desk) -> None:
    desk.tell("set-quotas", project="p", quotas={"big": 2, "*": 0})
    quotas = desk.inventory.quotas
    seen = quotas.show("p").tag.strip('"')

    assert quotas.set("p", {"*": 0, "big": 3}, [seen]).tag != seen
    for change in (lambda: quotas.set("p", {"big": 9}, [seen]), lambda: quotas.delete("p", ["x", seen])):
        with pytest.raises(PreconditionFailed, match="no longer those of the ETag"):
            change()

    assert desk.ask("quotas", project="p")["quotas"] == {"*": 0, "big": 3}
    quotas.delete("p", [quotas.show("p").tag.strip('"')])
    assert desk.ask("quotas", project="p")["quotas"] == {}
