"""Ports that stay open while the processes behind them change."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from steelyard_common.embedded import process
from steelyard_common.errors import Unavailable
from steelyard_local.doors import Door, door_of_boot
from steelyard_local.layout import Layout


def test_boot_keeps_its_port_from_one_start_to_the_next(tmp_path: Path) -> None:
    first = door_of_boot(Layout(tmp_path), "127.0.0.1", 0)
    first.close()
    second = door_of_boot(Layout(tmp_path), "127.0.0.1", 0)
    second.close()

    assert second.port == first.port > 0
    assert second.url == f"http://127.0.0.1:{first.port}"


def test_boots_port_is_none_that_somebody_may_be_given_by_chance_while_boot_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_first_given", lambda: 2400)  # the kernel gives this one and higher ones
    door = door_of_boot(Layout(tmp_path), "127.0.0.1", 0)
    door.close()

    assert door.port < 2400


def test_boot_takes_another_port_when_somebody_has_the_old_one(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        (tmp_path / "boot-port").write_text(str(other.getsockname()[1]))
        door = door_of_boot(Layout(tmp_path), "127.0.0.1", 0)
        door.close()

        assert door.port != other.getsockname()[1]
    assert (tmp_path / "boot-port").read_text() == str(door.port)


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        door = Door("127.0.0.1", other.getsockname()[1])
        with pytest.raises(Unavailable, match="the API cannot listen"):
            door.open("the API")
        door.close()
