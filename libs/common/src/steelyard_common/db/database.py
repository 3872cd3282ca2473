"""The database of one service: a pool of psycopg connections under SQLAlchemy Core, one schema by search_path.

Foreign errors become ours here: no connection, a time-out, a deadlock → Unavailable (try again); a value that
PostgreSQL cannot hold → InvalidRequest; a commit that was sent and not answered → CommitUnknown.
"""

from __future__ import annotations

import contextlib
import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import orjson
import psycopg
import sqlalchemy as sa
from psycopg.pq import TransactionStatus
from psycopg.types.json import set_json_dumps, set_json_loads
from sqlalchemy import event, exc, pool

from ..bus.types import MAX_MESSAGE_BYTES, Message
from ..errors import CommitUnknown, InvalidRequest, SteelyardError, Unavailable
from ..telemetry import inject, is_on
from . import outbox

POOL_WAIT_S = 5
STATEMENT_TIMEOUT_MS = 30_000
IDLE_IN_TRANSACTION_MS = 60_000
IDLE_CHECK_S = 1.0  # a connection that lay so long in the pool is looked at before it is used
# The host of the database may vanish without a word. Who waits for an answer learns of it after 5 + 2 + 2 + 2 s, with
# something sent and not acknowledged after DEAD_AFTER_S (which Linux takes for the end of the probes, too).
DEAD_AFTER_S = 11
CONNECTING: dict[str, int] = {
    "connect_timeout": 5, "keepalives": 1, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3,
    "tcp_user_timeout": DEAD_AFTER_S * 1000,
}  # fmt: skip
HandOver = Callable[[Sequence[Message], Sequence[int]], None]


def _dumps(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)


def raw_json(column: sa.ColumnElement[Any], name: str | None = None) -> sa.Label[str]:
    """A JSONB column as its JSON text, never decoded: give it to ``orjson.Fragment``."""
    return sa.cast(column, sa.Text).label(name or getattr(column, "name", None))


class Transaction:
    """``connection`` for the store's functions; ``emit`` puts a message into the same transaction; ``gather`` is for
    messages that need something from the database first."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self.messages: list[Message] = []
        self._gathered: dict[Callable[[Transaction, list[Any]], None], list[Any]] = {}

    def gather(self, finish: Callable[[Transaction, list[Any]], None], item: Any) -> None:
        """``finish`` is called once, with all its items, when everything else of the transaction is written: one
        query for all of them instead of one each."""
        self._gathered.setdefault(finish, []).append(item)

    def finish(self) -> None:
        """Let those who gathered go to work."""
        while self._gathered:
            finish = next(iter(self._gathered))
            finish(self, self._gathered.pop(finish))

    def forget(self) -> None:
        """What was to be told is not: it was taken back."""
        self.messages.clear()
        self._gathered.clear()

    def emit(self, message: Message) -> None:
        """Errors: InvalidRequest when the message is larger than the bus can carry."""
        if len(message.body) > MAX_MESSAGE_BYTES:
            raise InvalidRequest(f"what is to be told is larger than {MAX_MESSAGE_BYTES} bytes")
        if is_on():  # published later and elsewhere: the trace has to go with it from here
            message = replace(message, headers=dict(message.headers))
            inject(message.headers)
        self.messages.append(message)


class Database:
    """``begin`` to change something, ``read`` to look. Connections are made when first needed."""

    def __init__(self, url: str, schema: str, *, pool_size: int = 10) -> None:
        self.schema = schema
        self.engine = _engine(url, schema, pool_size)
        self._published: list[int] = []  # outbox rows that are on the stream and not yet deleted
        self._lock = threading.Lock()
        self.hand_over: HandOver | None = None

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """One transaction, committed at the end; its messages are handed over right after the commit."""
        with _translated():
            connection = self.engine.connect()
        with connection:
            transaction = Transaction(connection)
            with _translated(), _real_transaction(connection):
                yield transaction
                ids = self._close_books(transaction)
            self._commit(connection, transaction, ids)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Queries only; each sees what is committed when it runs."""
        with _translated(), self.engine.connect() as connection:
            yield connection

    def is_alive(self) -> bool:
        """True when the database answers now."""
        try:
            with self.read() as connection:
                connection.exec_driver_sql("SELECT 1")
        except SteelyardError:
            return False
        return True

    def note_published(self, ids: Sequence[int]) -> None:
        """These outbox rows may go, with the next transaction."""
        with self._lock:
            self._published.extend(ids)

    def take_published(self) -> list[int]:
        with self._lock:
            ids, self._published = self._published, []
        return ids

    def close(self) -> None:
        self.engine.dispose()

    def _close_books(self, transaction: Transaction) -> list[int]:
        """Write this transaction's outbox rows; drop those of earlier ones. → the new rows' ids"""
        transaction.finish()
        published = self.take_published()
        try:
            if published:
                outbox.delete(transaction.connection, published)
            return outbox.insert(transaction.connection, transaction.messages) if transaction.messages else []
        except BaseException:
            self.note_published(published)
            raise

    def _commit(self, connection: sa.Connection, transaction: Transaction, ids: list[int]) -> None:
        raw = _raw(connection)
        try:
            raw.commit()
        except psycopg.Error as error:
            if raw.closed:
                connection.invalidate()
                raise CommitUnknown("the database went away while a change was being saved") from error
            raise _ours(error) from error
        if ids and self.hand_over is not None:
            self.hand_over(transaction.messages, ids)


def _engine(url: str, schema: str, pool_size: int) -> sa.Engine:
    options = (
        f"-c search_path={schema} -c statement_timeout={STATEMENT_TIMEOUT_MS}"
        f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_MS}"
    )
    engine = sa.create_engine(
        sa.make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size, max_overflow=0, pool_timeout=POOL_WAIT_S, pool_use_lifo=True,
        # One setting for all connections: a read is one round trip, and changing the mode for each use costs 60 µs.
        # ``begin`` opens a real transaction itself.
        isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True, pool_reset_on_return=None,
        json_serializer=lambda value: _dumps(value).decode(), json_deserializer=orjson.loads,
        connect_args={**CONNECTING, "options": options, "application_name": f"steelyard-{schema}"},
    )  # fmt: skip
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "checkin", _on_checkin)
    event.listen(engine, "checkout", _on_checkout)
    return engine


def _on_connect(connection: psycopg.Connection[Any], record: pool.ConnectionPoolEntry) -> None:
    set_json_loads(orjson.loads, connection)
    set_json_dumps(_dumps, connection)
    record.info["idle_since"] = time.monotonic()


def _on_checkin(connection: psycopg.Connection[Any] | None, record: pool.ConnectionPoolEntry) -> None:
    record.info["idle_since"] = time.monotonic()
    if connection is not None and connection.info.transaction_status != TransactionStatus.IDLE:
        record.invalidate()  # nothing of ours leaves one open: whoever did must not be continued


def _raw(connection: sa.Connection) -> psycopg.Connection[Any]:
    raw: psycopg.Connection[Any] = connection.connection.dbapi_connection  # type: ignore[assignment]
    return raw


@contextmanager
def _real_transaction(connection: sa.Connection) -> Iterator[None]:
    """BEGIN on a connection in autocommit mode; ROLLBACK if anything is raised. The commit is the caller's."""
    raw = _raw(connection)
    try:
        raw.execute("BEGIN", prepare=False)
        yield
    except BaseException:
        with contextlib.suppress(psycopg.Error):
            raw.rollback()
        if raw.closed and not connection.invalidated:
            connection.invalidate()
        raise


def _on_checkout(connection: psycopg.Connection[Any], record: pool.ConnectionPoolEntry, _proxy: object) -> None:
    """A connection with something to read while it is idle was closed by the server: no round trip needed to know."""
    if time.monotonic() - record.info["idle_since"] < IDLE_CHECK_S:
        return
    if connection.closed or _has_input(connection.fileno()):
        raise exc.DisconnectionError


def _has_input(descriptor: int) -> bool:
    """Not by select(): that knows no descriptor beyond 1023, and a process that serves files has thousands."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(0))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (exc.SQLAlchemyError, psycopg.Error) as error:
        raise _ours(error) from error


def _ours(error: Exception) -> Exception:
    """The error of our tree for one of SQLAlchemy's or psycopg's; a bug stays what it is."""
    if isinstance(error, exc.TimeoutError):
        return Unavailable("all database connections are in use")
    original = getattr(error, "orig", error)
    if isinstance(original, (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable)):
        return Unavailable("the database took too long", detail=str(original))
    if isinstance(original, (psycopg.OperationalError, psycopg.InterfaceError)):
        return Unavailable("the database is away or busy", detail=str(original))
    if isinstance(original, psycopg.DataError):
        return InvalidRequest("a value cannot be stored as it is", detail=str(original))
    return error
