"""Reverse mode: boot calls the agent; and what the node must have for that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from steelyard_boot.domain.media import CONFIG, Own, files_of, label_of
from steelyard_boot.domain.node_for_boot import Identity
from steelyard_boot.domain.reverse import Called, called
from steelyard_boot.drivers.agent import AgentClient
from steelyard_boot.service.polling import MET_S, MISSED_S, Polling
from steelyard_common.bus import MemoryBus
from steelyard_common.contracts.steps import Again, Done, Failed
from steelyard_common.db import Database
from steelyard_common.errors import InvalidRequest
from steelyard_common.testing import SetClock

from services.boot.tests.agent_stage import NODE, SEALER, Stage, stage

TOKEN = "t" * 43
STATIC = {"networks": [{"type": "ipv4_dhcp"}, {"type": "ipv4", "ip_address": "192.0.2.9/24"}]}


@pytest.fixture
def ground(database: Database, memory_bus: MemoryBus, clock: SetClock, tmp_path: Path) -> Iterator[Stage]:
    with stage(database, memory_bus, clock, tmp_path) as made:
        made.agent.token = TOKEN
        yield made


@pytest.fixture
def polling(ground: Stage) -> Iterator[Polling]:
    client = AgentClient(timeout_s=20)
    polling = Polling(ground.agents, client)
    yield polling
    client.close()


@pytest.mark.parametrize(
    ("told", "url"),
    [
        ({"agent_address": "192.0.2.7"}, "https://192.0.2.7:9999"),
        ({"agent_address": "2001:db8::1"}, "https://[2001:db8::1]:9999"),
        ({"agent_address": "ramdisk.example"}, "https://ramdisk.example:9999"),
        ({"agent_address": "http://192.0.2.7:80/"}, "http://192.0.2.7:80"), ({}, "https://192.0.2.9:9999"),
    ],
)  # fmt: skip
def test_where_the_agent_is_called_is_told_or_is_its_static_address(told: dict[str, Any], url: str) -> None:
    node = {"driver_info": {"agent_direction": "reverse", **told}, "network_data": STATIC}
    assert called(node) == Called(url=url)


def test_agents_call_home_unless_the_node_says_otherwise() -> None:
    assert called({"driver_info": {}, "network_data": STATIC}) is None
    for info in ({"agent_direction": "odd"}, {"agent_direction": "reverse"}):
        with pytest.raises(InvalidRequest):
            called({"driver_info": info})


def test_the_medium_makes_the_agent_serve_by_the_certificate_of_this_boot_and_call_nobody() -> None:
    own = Own(node_uuid=NODE, token=TOKEN, identity=Identity(certificate="CERT", key="KEY"))

    files = files_of(own)

    folder = "etc/ironic-python-agent.d"
    assert (files[f"{folder}/agent.pem"], files[f"{folder}/agent.key"]) == (b"CERT", b"KEY")
    options = files[f"{folder}/steelyard.conf"].decode()
    assert f"agent_token = {TOKEN}" in options
    assert "listen_tls = True" in options
    assert "api_url" not in options
    assert label_of(own) == CONFIG
    assert "KEY" not in repr(own)


def reverse(ground: Stage, url: str | None = None) -> None:
    ground.node["driver_info"] |= {"agent_direction": "reverse", "agent_address": url or ground.agent.url}


def test_by_network_the_ramdisk_must_have_a_token_of_its_own(ground: Stage) -> None:
    reverse(ground)
    refused = ground.run("deploy", "prepare_cleaning")
    assert isinstance(refused, Failed)
    assert "redfish-virtual-media" in refused.error.message
    assert "agent_token" in refused.error.message

    ground.node["sealed"] = {"/agent_token": SEALER.seal(TOKEN)}
    assert ground.fetched("deploy", "prepare_cleaning") == Done()
    assert ground.boots() == "clean"


def test_an_address_without_tls_is_refused(ground: Stage) -> None:
    reverse(ground, "http://192.0.2.7:9999")
    ground.node["sealed"] = {"/agent_token": SEALER.seal(TOKEN)}
    ground.node["interfaces"] = {**ground.node["interfaces"], "boot": "fake"}

    refused = ground.run("deploy", "prepare_cleaning")

    assert isinstance(refused, Failed)
    assert "TLS" in refused.error.message


def test_an_agent_is_called_till_it_answers_and_its_answer_is_a_heartbeat(ground: Stage, polling: Polling) -> None:
    ground.agent.token = "somebody else's"
    place = Called(url=ground.agent.url, certificate=ground.agent.verify_ca)
    ground.agents.expect(NODE, SEALER.seal(TOKEN), place)

    assert polling.look() == 1
    assert polling.look() == 0
    assert ground.inventory.observed == []

    ground.agent.token = TOKEN
    ground.clock.advance(MISSED_S)
    assert polling.look() == 1

    (told,) = ground.inventory.observed
    assert told["notes"]["agent_url"] == ground.agent.url
    assert told["notes"]["agent_version"] == "13.0.0"
    ground.clock.advance(MET_S)
    assert polling.look() == 1
    assert len(ground.inventory.observed) == 2


def test_work_in_reverse_mode_is_asked_after_and_not_waited_for(ground: Stage, polling: Polling) -> None:
    place = Called(url=ground.agent.url, certificate=ground.agent.verify_ca)
    ground.agents.expect(NODE, SEALER.seal(TOKEN), place)
    polling.look()
    step = {"interface": "deploy", "step": "erase_devices", "args": {}}
    args: dict[str, Any] = {"kind": "clean", "step": step}

    begun = ground.slice("deploy", "execute_in_band", **args)
    assert isinstance(begun, Again)
    ground.agent.finish()

    assert ground.slice("deploy", "execute_in_band", **args) == Done()


def test_a_session_that_ended_while_it_was_called_stays_ended(ground: Stage) -> None:
    ground.agents.expect(NODE, SEALER.seal(TOKEN), Called(url=ground.agent.url))
    (session,) = ground.agents.due(10, 60)
    ground.agents.forget(NODE)

    ground.agents.met(session, "13.0.0", 10)
    ground.agents.missed(session, 10)

    assert ground.agents.session(NODE) is None
    assert ground.inventory.observed == []
