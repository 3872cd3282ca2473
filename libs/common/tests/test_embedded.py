"""The embedded servers: real, private, safe to stop and start again."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from steelyard_common.bus import connect
from steelyard_common.embedded import EmbeddedNats, EmbeddedPostgres, process
from steelyard_common.embedded.process import tail
from steelyard_common.errors import Unavailable
from steelyard_common.testing import eventually
from steelyard_common.testing.guarded import refusal


def test_postgres_keeps_its_data_over_a_restart(tmp_path: Path) -> None:
    first = EmbeddedPostgres(tmp_path / "pg", durable=False)
    with psycopg.connect(first.start()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    first.stop()

    second = EmbeddedPostgres(tmp_path / "pg", durable=False)
    try:
        with psycopg.connect(second.start()) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
            assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
    finally:
        second.stop()


def test_postgres_asks_for_the_password(postgres_server: str) -> None:
    without = postgres_server.replace(postgres_server.split(":")[2].split("@")[0], "wrong")

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(without)


def test_a_folder_that_nobody_else_may_enter_serves_postgres(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "pg", durable=False)
    try:
        psycopg.connect(server.start()).close()
        assert stat.S_IMODE((closed / "pg").stat().st_mode) == 0o700
        assert stat.S_IMODE((closed / "pg" / "password").stat().st_mode) == 0o600
    finally:
        server.stop()


def test_postgres_that_cannot_start_says_why(tmp_path: Path) -> None:
    cluster = tmp_path / "pg" / "cluster"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("9.6\n")

    with pytest.raises(Unavailable, match="PostgreSQL ended with status"):
        EmbeddedPostgres(tmp_path / "pg").start()


def test_a_stopped_server_leaves_no_process(tmp_path: Path) -> None:
    server = EmbeddedNats(tmp_path / "nats", durable=False)
    server.start()
    assert server.process is not None
    pid = server.process.pid

    server.stop()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_nats_keeps_credentials_out_of_other_users_reach(tmp_path: Path) -> None:
    server = EmbeddedNats(tmp_path / "nats", durable=False)
    try:
        url = server.start()
        assert stat.S_IMODE((tmp_path / "nats" / "nats.conf").stat().st_mode) == 0o600
        eventually(lambda: "does not take this user and password" in refusal(url.replace("steelyard:", "stranger:")))
        known = connect(url, "t", "known", wait_s=10)
        eventually(lambda: known.is_connected)
        known.close()
    finally:
        server.stop()


def test_the_last_words_of_a_log_are_for_people(tmp_path: Path) -> None:
    log = tmp_path / "power.log"
    waits = '{"level":"warning","logger":"x","event":"migration waits","reason":"the database is away","detail":""}'
    log.write_text(f'{waits}\nplain\n{waits}\n{{"logger":"gunicorn.error","event":"Shutting down: Master"}}\n')

    assert tail(log) == "migration waits: the database is away | plain"


def test_a_port_is_given_once_though_nobody_has_bound_it_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few to choose from, so that those who do not know of each other would meet."""
    monkeypatch.setattr(process, "_first_given", lambda: 2400)
    other = "process._first_given = lambda: 2400; print(*(process.free_port() for _ in range(60)))"
    command = [sys.executable, "-c", f"from steelyard_common.embedded import process; {other}"]

    ours = {process.free_port() for _ in range(60)}
    theirs = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert len(ours | {int(port) for port in theirs}) == 120
