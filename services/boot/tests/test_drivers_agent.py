"""The client of the agent against an agent over real HTTPS."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from steelyard_boot.drivers.agent import KEPT_CONNECTIONS, AgentClient, Door
from steelyard_common.certificates import certificate_pem, new_key, self_signed
from steelyard_common.errors import (
    Busy,
    DeviceRefused,
    DeviceUnreachable,
    NotFound,
    OutcomeUnknown,
    SteelyardError,
)
from steelyard_rack.testing_agent import ScriptedAgent, scripted_agent

TOKEN = "t" * 43


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[ScriptedAgent]:
    with scripted_agent(TOKEN, tmp_path) as running:
        yield running


@pytest.fixture
def client() -> Iterator[AgentClient]:
    client = AgentClient(timeout_s=20)
    yield client
    client.close()


def door(agent: ScriptedAgent) -> Door:
    return Door(node_uuid="n", url=agent.url, token=TOKEN, verify=agent.verify_ca)


def test_a_command_is_begun_looked_at_and_ends(client: AgentClient, agent: ScriptedAgent) -> None:
    begun = client.run(door(agent), "image.install_bootloader", {"root_uuid": "r"})
    assert begun.is_running
    assert agent.received == [("image.install_bootloader", {"root_uuid": "r"})]

    agent.finish(result={"result": "done"})

    seen = client.command(door(agent), begun.id)
    assert (seen.status, seen.result, seen.name) == ("SUCCEEDED", "done", "install_bootloader")
    assert client.commands(door(agent)) == [seen]


def test_its_version_is_told_to_everybody(client: AgentClient, agent: ScriptedAgent) -> None:
    assert client.status(replace(door(agent), token="x"))["version"] == "13.0.0"


def test_what_the_agent_refuses_is_told_by_kind(client: AgentClient, agent: ScriptedAgent) -> None:
    with pytest.raises(DeviceRefused, match="another boot"):
        client.commands(replace(door(agent), token="x" * 43))
    with pytest.raises(NotFound):
        client.command(door(agent), "no-such")
    with pytest.raises(DeviceRefused, match="Invalid command"):
        client.run(door(agent), "image.no_such")
    client.run(door(agent), "standby.power_off")
    with pytest.raises(Busy, match="busy"):
        client.run(door(agent), "standby.sync", wait=True)


def test_an_error_of_a_command_is_told_in_its_words(client: AgentClient, agent: ScriptedAgent) -> None:
    begun = client.run(door(agent), "standby.prepare_image")
    agent.finish("FAILED", "No space left on /dev/vda")

    assert client.command(door(agent), begun.id).error == "No space left on /dev/vda"


def test_who_holds_another_certificate_is_told_nothing(client: AgentClient, agent: ScriptedAgent) -> None:
    other = certificate_pem(self_signed("agent", new_key())).decode()

    for verify in (other, True):
        with pytest.raises(DeviceRefused, match="certificate"):
            client.run(replace(door(agent), verify=verify), "standby.sync")

    assert agent.received == []


def test_a_certificate_is_not_looked_at_where_an_operator_says_so(client: AgentClient, agent: ScriptedAgent) -> None:
    assert client.commands(replace(door(agent), verify=False)) == []


def test_connections_are_kept_and_no_more_than_a_few(client: AgentClient, agent: ScriptedAgent) -> None:
    for number in range(KEPT_CONNECTIONS + 10):
        client.commands(replace(door(agent), node_uuid=f"n{number}"))
    assert len(client._kept) == KEPT_CONNECTIONS

    (first,) = [kept for place, kept, _ in client._kept.values() if place[3] == "n20"]
    client.commands(replace(door(agent), node_uuid="n20"))
    assert [kept for place, kept, _ in client._kept.values() if place[3] == "n20"] == [first]


def test_a_kept_connection_that_has_ended_is_not_used(client: AgentClient, tmp_path: Path) -> None:
    with scripted_agent(TOKEN, tmp_path) as agent:
        client.commands(door(agent))
        (sock,) = [kept.sock for _, kept, _ in client._kept.values()]
        sock.shutdown(socket.SHUT_RDWR)

        assert client.run(door(agent), "standby.sync", wait=True).status == "SUCCEEDED"


def test_a_lost_answer_of_a_command_leaves_its_outcome_unknown(client: AgentClient, agent: ScriptedAgent) -> None:
    agent.lose_answers = True

    with pytest.raises(OutcomeUnknown):
        client.run(door(agent), "standby.prepare_image")

    assert agent.names == ["standby.prepare_image"]
    assert [each.name for each in client.commands(door(agent))] == ["prepare_image"]


def test_nobody_there_means_that_nothing_was_done(client: AgentClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(DeviceUnreachable, match=str(port)):
        client.commands(Door(node_uuid="n", url=f"https://127.0.0.1:{port}", token=TOKEN))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_who_says_nothing_or_little_meets_the_deadline(scheme: str) -> None:
    """A byte now and then would keep a time-out of the socket away for ever."""
    over = threading.Event()

    def drip() -> None:
        try:
            peer, _ = server.accept()
        except OSError:  # nobody came before the deadline
            return
        with peer:
            while not over.wait(0.05):
                try:
                    peer.send(b"H" if scheme == "http" else b"\x16")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        url = f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
        client = AgentClient(timeout_s=0.5)
        with pytest.raises(SteelyardError) as caught:
            client.commands(Door(node_uuid="n", url=url, token=TOKEN, verify=False))
        over.set()
        server.shutdown(socket.SHUT_RDWR)
        thread.join()

    assert isinstance(caught.value, DeviceUnreachable)


def test_no_secret_stands_in_a_repr(agent: ScriptedAgent) -> None:
    assert TOKEN not in repr(door(agent))
