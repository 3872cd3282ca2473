"""Transactions, their messages and the relay, on a real PostgreSQL; a process is really killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from steelyard_common.bus import MemoryBus, Message, NatsBus
from steelyard_common.contracts import subjects
from steelyard_common.db import Database, Relay, Transaction, migrate, outbox_table, raw_json
from steelyard_common.embedded import EmbeddedNats, EmbeddedPostgres
from steelyard_common.errors import InvalidRequest, OutcomeUnknown, Unavailable
from steelyard_common.testing import eventually

metadata = sa.MetaData()
outbox_table(metadata)
things = sa.Table("things", metadata, sa.Column("name", sa.Text, primary_key=True), sa.Column("info", JSONB))


def _create(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SCHEMA demo")
    database = Database(url, "demo")
    metadata.create_all(database.engine)
    database.close()


@pytest.fixture(scope="session")
def migrate_template() -> Callable[[str], None]:
    return _create


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, "demo", pool_size=4)
    yield database
    database.close()


@pytest.fixture
def relay(database: Database, memory_bus: MemoryBus) -> Iterator[Relay]:
    relay = Relay(database, memory_bus).start()
    yield relay
    relay.stop()


def _message(number: int = 0, msg_id: str = "") -> Message:
    return Message(
        subject=subjects.event("local", "power", "changed", "n1"),
        body=orjson.dumps({"number": number}),
        msg_id=msg_id or str(uuid.uuid4()),
        headers={"traceparent": "00-1"},
    )


def _names(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(sa.select(things.c.name).order_by(things.c.name)))


def _outbox_size(database: Database) -> int:
    with database.read() as connection:
        return int(connection.scalar(sa.text("SELECT count(*) FROM outbox")) or 0)


def _add(transaction: Transaction, name: str, info: object = None) -> None:
    transaction.connection.execute(things.insert().values(name=name, info=info))


def _within(database: Database, work: Callable[[Transaction], object]) -> None:
    with database.begin() as transaction:
        work(transaction)


def test_a_transaction_is_saved_whole_or_not_at_all(database: Database) -> None:
    with database.begin() as transaction:
        _add(transaction, "kept")

    def break_off(transaction: Transaction) -> None:
        _add(transaction, "dropped")
        transaction.emit(_message())
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        _within(database, break_off)

    assert _names(database) == ["kept"]
    assert _outbox_size(database) == 0


def test_messages_follow_their_commit_and_leave_the_outbox(
    database: Database, relay: Relay, memory_bus: MemoryBus
) -> None:
    with database.begin() as transaction:
        _add(transaction, "a")
        transaction.emit(_message(1))
        transaction.emit(_message(2))

    published = eventually(lambda: memory_bus.published if len(memory_bus.published) == 2 else [])
    assert [orjson.loads(message.body)["number"] for message in published] == [1, 2]
    assert published[0].headers == {"traceparent": "00-1"}
    eventually(lambda: _outbox_size(database) == 0)


def test_facts_are_told_before_what_follows_from_them(database: Database, relay: Relay, memory_bus: MemoryBus) -> None:
    with database.begin() as transaction:
        for subject in ("local.step.power.n1", "local.inventory.evt.one.n1", "local.inventory.evt.two.n1"):
            transaction.emit(Message(subject=subject, body=b"{}", msg_id=subject))

    published = eventually(lambda: memory_bus.published if len(memory_bus.published) == 3 else [])
    facts = [message.subject.split(".")[3] for message in published[:2]]
    assert (facts, published[2].subject) == (["one", "two"], "local.step.power.n1")


def test_what_is_gathered_is_finished_once_with_what_the_transaction_wrote(database: Database) -> None:
    finished: list[tuple[list[Any], int]] = []

    def finish(transaction: Transaction, items: list[Any]) -> None:
        count = transaction.connection.execute(sa.select(sa.func.count()).select_from(things)).scalar_one()
        finished.append((items, count))
        transaction.emit(_message(len(items)))

    with database.begin() as transaction:
        transaction.gather(finish, "a")
        transaction.connection.execute(things.insert().values(name="x"))
        transaction.gather(finish, "b")
    with database.begin() as transaction:
        transaction.gather(finish, "taken back")
        transaction.forget()

    assert finished == [(["a", "b"], 1)]
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM outbox")).scalar_one() == 1


def test_messages_wait_in_the_outbox_while_the_bus_is_away(
    database: Database, relay: Relay, memory_bus: MemoryBus
) -> None:
    memory_bus.available = False
    with database.begin() as transaction:
        transaction.emit(_message(1, "m1"))
    assert _outbox_size(database) == 1

    memory_bus.available = True

    eventually(lambda: [message.msg_id for message in memory_bus.published] == ["m1"])
    eventually(lambda: _outbox_size(database) == 0)


def test_what_a_dead_replica_left_is_sent_by_another(database: Database, memory_bus: MemoryBus) -> None:
    with database.begin() as transaction:  # no relay: as if the process died right after the commit
        for number in range(600):
            transaction.emit(_message(number))

    relay = Relay(database, memory_bus).start()

    eventually(lambda: len(memory_bus.published) == 600)
    assert [orjson.loads(message.body)["number"] for message in memory_bus.published] == list(range(600))
    relay.stop()
    assert _outbox_size(database) == 0


def test_a_message_too_large_for_the_bus_stops_its_transaction(database: Database) -> None:
    huge = Message(subject="local.power.evt.x.y", body=b"x" * 1_000_001, msg_id="h")

    def tell_too_much(transaction: Transaction) -> None:
        _add(transaction, "a")
        transaction.emit(huge)

    with pytest.raises(InvalidRequest, match="larger than"):
        _within(database, tell_too_much)

    assert _names(database) == []


_VICTIM = """
    import os, sys
    from steelyard_common.bus import Message, connect
    from steelyard_common.db import Database, Relay
    database = Database(sys.argv[1], "demo")
    bus = connect(sys.argv[2], "local", "victim", wait_s=60)
    real = bus.publish
    def publish(messages, *, timeout_s=5):
        if sys.argv[3] == "before":
            os.kill(os.getpid(), 9)
        real(messages, timeout_s=timeout_s)
        os.kill(os.getpid(), 9)
    bus.publish = publish
    Relay(database, bus).start()
    with database.begin() as transaction:
        for number in range(5):
            transaction.emit(Message(subject="local.power.evt.x.y", body=b'{"n":%d}' % number, msg_id=f"m{number}"))
    import threading
    threading.Event().wait(60)
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_killed_around_its_publish_loses_and_doubles_nothing(
    database: Database, database_url: str, own_nats: EmbeddedNats, nats_bus: NatsBus, moment: str
) -> None:
    command = [sys.executable, "-c", textwrap.dedent(_VICTIM), database_url, own_nats.url, moment]
    assert subprocess.run(command, timeout=120, check=False).returncode == -signal.SIGKILL
    assert _outbox_size(database) == 5
    got: list[int] = []
    nats_bus.consume("EVENTS", "watch", ["local.power.evt.>"], lambda d: got.append(d.body["n"]), workers=1)

    relay = Relay(database, nats_bus).start()

    eventually(lambda: _outbox_size(database) == 0)
    eventually(lambda: len(got) >= 5)
    nats_bus.publish([Message(subject="local.power.evt.x.y", body=b'{"n":99}', msg_id="last")])
    eventually(lambda: 99 in got)
    assert sorted(got) == [0, 1, 2, 3, 4, 99]
    relay.stop()


def test_json_is_decoded_unless_asked_for_raw(database: Database) -> None:
    with database.begin() as transaction:
        _add(transaction, "a", {"é": [1, None]})

    with database.read() as connection:
        row = connection.execute(sa.select(things.c.info, raw_json(things.c.info, "raw"))).one()

    assert row.info == {"é": [1, None]}
    assert orjson.loads(orjson.dumps({"info": orjson.Fragment(row.raw)})) == {"info": {"é": [1, None]}}


@pytest.mark.parametrize("bad", ["nul\x00", {"deep": "nul\x00"}])
def test_a_value_that_cannot_be_stored_is_the_callers_fault(database: Database, bad: object) -> None:
    with pytest.raises(InvalidRequest, match="cannot be stored"), database.begin() as transaction:
        _add(transaction, bad if isinstance(bad, str) else "ok", bad if isinstance(bad, dict) else None)


def test_waiting_for_a_connection_has_an_end(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from steelyard_common.db import database as room

    monkeypatch.setattr(room, "POOL_WAIT_S", 0.1)
    small = Database(database_url, "demo", pool_size=1)

    with small.read(), pytest.raises(Unavailable, match="all database connections are in use"), small.read():
        pass
    small.close()


def test_a_connection_to_a_host_that_vanished_is_given_up(database: Database) -> None:
    """What the kernel is told to do: nobody here may take a host away."""
    with database.read() as connection, socket.socket(fileno=os.dup(_fileno(connection))) as wire:
        asked = [
            wire.getsockopt(*option)
            for option in (
                (socket.SOL_SOCKET, socket.SO_KEEPALIVE), (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL), (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
                (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
            )
        ]  # fmt: skip
        limits = connection.exec_driver_sql(
            "SELECT current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout')"
        ).one()

    assert asked == [1, 5, 2, 3, 11_000]
    assert tuple(limits) == ("30s", "1min")


def _fileno(connection: sa.Connection) -> int:
    wire: Any = connection.connection.dbapi_connection
    return int(wire.fileno())


def test_a_query_that_takes_too_long_is_unavailable(database: Database) -> None:
    slow = sa.text("SET LOCAL statement_timeout = 50; SELECT pg_sleep(5)")

    with pytest.raises(Unavailable, match="took too long"):
        _within(database, lambda transaction: transaction.connection.execute(slow))


def test_the_pool_recovers_when_the_server_ended_its_connections(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from steelyard_common.db import database as room

    monkeypatch.setattr(room, "IDLE_CHECK_S", 0.0)
    assert _names(database) == []
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity"
            " WHERE application_name = 'steelyard-demo' AND datname = current_database()"
        )

    assert _names(database) == []  # the dead connection is noticed before it is used


def test_a_database_that_is_away_is_unavailable_and_comes_back(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "pg", durable=False)
    url = server.start()
    _create(url)
    database = Database(url, "demo")
    assert database.is_alive()

    server.stop()
    assert not database.is_alive()
    with pytest.raises(Unavailable), database.begin() as transaction:
        _add(transaction, "lost")
    server.start()

    eventually(database.is_alive)
    with database.begin() as transaction:
        _add(transaction, "kept")
    assert _names(database) == ["kept"]
    database.close()
    server.stop()


def test_a_commit_without_an_answer_says_that_its_outcome_is_unknown(database: Database, database_url: str) -> None:
    original = database._close_books

    def lose_the_connection(transaction: Transaction) -> list[int]:
        pid = transaction.connection.scalar(sa.text("SELECT pg_backend_pid()"))
        ids = original(transaction)
        with psycopg.connect(database_url, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(%s, 30000)", (pid,))
        return ids

    database._close_books = lose_the_connection  # type: ignore[method-assign]

    with pytest.raises(OutcomeUnknown):
        _within(database, lambda transaction: _add(transaction, "maybe"))


_ENV = "from steelyard_common.db import run_migrations\nimport sqlalchemy as sa\nrun_migrations(sa.MetaData())\n"
_FIRST = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0001", None

def upgrade():
    op.create_table("made", sa.Column("id", sa.Integer, primary_key=True))
"""


def test_migrations_run_once_however_many_start_at_once(tmp_path: Path, database_url: str) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(_ENV)
    (tmp_path / "script.py.mako").write_text("")
    (tmp_path / "versions" / "0001_first.py").write_text(_FIRST)
    script = "import sys; from steelyard_common.db import migrate; migrate('t', sys.argv[1], 'fresh', sys.argv[2])"
    command = [sys.executable, "-c", script, database_url, str(tmp_path)]

    started = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    migrate("t", database_url, "fresh", str(tmp_path))  # and again: nothing to do

    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT version_num FROM fresh.alembic_version").fetchall() == [("0001",)]
        assert connection.execute("SELECT count(*) FROM fresh.made").fetchone() == (0,)


def test_transactions_of_many_threads_lose_no_message(database: Database, relay: Relay, memory_bus: MemoryBus) -> None:
    def work(thread: int) -> None:
        for number in range(25):
            with database.begin() as transaction:
                transaction.emit(_message(thread * 100 + number))

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    eventually(lambda: len(memory_bus.published) == 100)
    eventually(lambda: _outbox_size(database) == 0)
