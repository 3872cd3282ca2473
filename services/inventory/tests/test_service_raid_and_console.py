"""PUT states/raid and states/console, as inventory does them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from steelyard_common.contracts.steps import Done, Failed
from steelyard_common.errors import Busy, DeviceRefused, InvalidRequest, NotFound, Unavailable
from steelyard_inventory.service.lifecycle import Caller
from steelyard_inventory.store.tables import nodes
from steelyard_inventory.testing import Desk

if TYPE_CHECKING:
    from .conftest import Stage

MIRROR = {"logical_disks": [{"raid_level": "1", "size_gb": 100}]}
ANYONE = Caller()


def test_the_wanted_raid_is_kept_told_and_shown_and_reaches_the_steps(desk: Desk) -> None:
    uuid = desk.create(name="n1")["uuid"]

    desk.tell("set-target-raid", ident="n1", config=MIRROR)

    assert desk.ask("node-states", ident="n1")["target_raid_config"] == MIRROR
    assert desk.ask("node", ident="n1")["target_raid_config"] == MIRROR
    assert desk.ask("node-for-provider", ident="n1")["node"]["target_raid_config"] == MIRROR
    name, data = desk.events(uuid)[-1]
    assert (name, data["changed_objects"]) == ("node-updated", ["target_raid_config"])


def test_the_wanted_raid_is_cleared_by_an_empty_one(desk: Desk) -> None:
    desk.create(name="n1")
    desk.tell("set-target-raid", ident="n1", config=MIRROR)

    desk.tell("set-target-raid", ident="n1", config={})

    assert desk.ask("node-states", ident="n1")["target_raid_config"] == {}


def test_a_wrong_raid_is_refused_and_a_node_without_raid_has_none(desk: Desk) -> None:
    desk.create(name="n1")
    desk.create(name="n2", raid_interface="no-raid")

    with pytest.raises(InvalidRequest, match="size_gb"):
        desk.tell("set-target-raid", ident="n1", config={"logical_disks": [{"raid_level": "1"}]})
    with pytest.raises(NotFound, match="does not support raid"):
        desk.tell("set-target-raid", ident="n2", config=MIRROR)
    with pytest.raises(NotFound, match="nobody"):
        desk.tell("set-target-raid", ident="nobody", config=MIRROR)

    assert desk.ask("node-states", ident="n1")["target_raid_config"] == {}
    desk.tell("set-target-raid", ident="n2", config={})


def test_the_wanted_raid_of_a_locked_node_cannot_be_changed(desk: Desk) -> None:
    desk.create(name="n1")
    desk.tell("take-lease", ident="n1", purpose="a test", ttl_s=60)

    with pytest.raises(Busy, match="a test"):
        desk.tell("set-target-raid", ident="n1", config=MIRROR)


def test_a_console_is_started_and_stopped_by_its_steps(stage: Stage) -> None:
    provider, node = stage.announce_all(), stage.add_fake("active")

    stage.lifecycle.set_console(node, True, ANYONE)
    [message] = provider.receive()
    assert [f"{step.interface}.{step.name}" for step in message.steps] == ["console.start"]
    with pytest.raises(Busy, match="console: on"):
        stage.lifecycle.set_console(node, False, ANYONE)
    stage.answer(message, Done(facts={"console_enabled": True}))
    assert (stage.node(node)["console_enabled"], stage.node(node)["reservation"]) == (True, None)

    stage.lifecycle.set_console(node, True, ANYONE)
    assert provider.receive() == []

    stage.lifecycle.set_console(node, False, ANYONE)
    [message] = provider.receive()
    assert message.steps[0].name == "stop"
    stage.answer(message, Done(facts={"console_enabled": False}))
    assert stage.node(node)["console_enabled"] is False


def test_a_console_that_does_not_start_says_why(stage: Stage) -> None:
    provider, node = stage.announce_all(), stage.add_fake()
    stage.lifecycle.set_console(node, True, ANYONE)
    [message] = provider.receive()

    stage.answer(message, Failed(error=DeviceRefused("no seat is free")))

    shown = stage.node(node)
    assert shown["last_error"] == "Switching the console on failed: no seat is free"
    assert (shown["console_enabled"], shown["reservation"]) == (False, None)


def test_a_console_needs_a_node_that_has_one_and_somebody_who_serves_it(stage: Stage) -> None:
    lonely = stage.add_fake()
    with pytest.raises(Unavailable, match=r"console\.start"):
        stage.lifecycle.set_console(lonely, True, ANYONE)

    stage.announce_all()
    without = stage.add_fake(console_interface="no-console")
    with pytest.raises(InvalidRequest, match="has no console"):
        stage.lifecycle.set_console(without, True, ANYONE)


def test_undeploying_a_node_stops_its_console(stage: Stage) -> None:
    provider, node = stage.announce_all(), stage.add_fake("active", console_enabled=True)

    stage.verb(node, "deleted")
    provider.run()

    assert "console.stop" in {f"{step.interface}.{step.name}" for message in provider.seen for step in message.steps}
    assert stage.node(node)["console_enabled"] is False


def test_where_a_console_is_is_told_while_it_is_on(desk: Desk) -> None:
    desk.create(name="n1")
    desk.create(name="n2", console_interface="no-console")

    assert desk.ask("node-console", ident="n1") == {"console_enabled": False, "console_info": None}
    with desk.database.begin() as transaction:
        transaction.connection.execute(sa.update(nodes).where(nodes.c.name == "n1").values(console_enabled=True))
    assert desk.ask("node-console", ident="n1") == {"console_enabled": True, "console_info": {}}
    assert desk.ask("node-console", ident="n2") == {"console_enabled": False, "console_info": None}
