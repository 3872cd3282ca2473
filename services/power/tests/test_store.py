"""Queries, leases and migrations on a real PostgreSQL."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from steelyard_common.db import Database
from steelyard_power.domain.observation import Observation
from steelyard_power.store import journal, observations, shards
from steelyard_power.store.journal import StepKey
from steelyard_power.store.shards import Turn
from steelyard_power.store.tables import metadata

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AT = NOW.timestamp()
NODE = str(uuid.uuid4())


@pytest.fixture
def key() -> StepKey:
    return StepKey(workflow=str(uuid.uuid4()), index=0)


def begin(
    database: Database,
    key: StepKey,
    *,
    attempt: int = 1,
    phase: int = 0,
    again_after: float | None = None,
    now: float = AT,
) -> bool:
    with database.begin() as transaction:
        return journal.begin(
            transaction.connection,
            key,
            NODE,
            attempt,
            phase=phase,
            action="power off",
            again_after=again_after,
            now=now,
        )


def end(database: Database, key: StepKey, attempt: int, outcome: str) -> None:
    with database.begin() as transaction:
        journal.end(transaction.connection, key, attempt, {"outcome": outcome, "index": 0, "attempt": attempt})


def entry(database: Database, key: StepKey) -> journal.Entry:
    with database.read() as connection:
        found = journal.find(connection, key)
    assert found is not None
    return found


def test_the_migrations_make_the_tables_that_the_code_uses(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_name": lambda name, *_: name != "alembic_version"}
        )
        assert compare_metadata(context, metadata) == []


def test_a_step_is_marked_once(database: Database, key: StepKey) -> None:
    assert begin(database, key)
    assert not begin(database, key)
    assert not begin(database, key, attempt=2)
    assert (entry(database, key).mark.sends, entry(database, key).mark.begun_at) == (1, AT)


def test_a_later_phase_replaces_the_mark_and_an_earlier_one_does_not(database: Database, key: StepKey) -> None:
    begin(database, key)

    assert begin(database, key, phase=1, now=AT + 5)
    assert not begin(database, key, phase=0, now=AT + 6)
    assert (entry(database, key).mark.phase, entry(database, key).mark.begun_at) == (1, AT + 5)


def test_only_one_of_those_who_read_a_mark_may_send_again(database: Database, key: StepKey) -> None:
    begin(database, key)

    assert begin(database, key, again_after=AT, now=AT + 10)
    assert not begin(database, key, again_after=AT, now=AT + 10)
    assert entry(database, key).mark.sends == 2


def test_an_answer_is_remembered_and_forgotten_with_the_next_sending(database: Database, key: StepKey) -> None:
    begin(database, key)
    with database.begin() as transaction:
        journal.answered(transaction.connection, key, phase=0, now=AT + 1)

    assert entry(database, key).mark.answered_at == AT + 1
    begin(database, key, phase=1)
    assert entry(database, key).mark.answered_at is None


def test_a_step_that_is_done_is_never_marked_again_but_a_failed_one_is_by_a_new_attempt(
    database: Database, key: StepKey
) -> None:
    begin(database, key)
    end(database, key, 1, "failed")

    assert not begin(database, key, attempt=1)
    assert begin(database, key, attempt=2)
    assert entry(database, key).outcome is None
    end(database, key, 2, "done")
    assert not begin(database, key, attempt=3, phase=1)


def test_the_end_of_an_old_attempt_does_not_overwrite_a_newer_one(database: Database, key: StepKey) -> None:
    begin(database, key, attempt=5)

    end(database, key, 4, "failed")

    assert entry(database, key).outcome is None


def test_old_marks_are_swept(database: Database, key: StepKey) -> None:
    begin(database, key)

    with database.begin() as transaction:
        assert journal.sweep(transaction.connection, NOW) == 0
        assert journal.sweep(transaction.connection, NOW + timedelta(seconds=1)) == 1


def seed(database: Database, count: int = 4) -> None:
    with database.begin() as transaction:
        turns = [Turn(purpose="power", shard=shard, due_at=NOW + timedelta(seconds=shard)) for shard in range(count)]
        shards.seed(transaction.connection, turns, NOW + timedelta(days=1))


def claim(database: Database, holder: str, now: datetime, limit: int = 2) -> list[int]:
    with database.begin() as transaction:
        turns = shards.claim(transaction.connection, "power", holder, now=now, lease_s=20, limit=limit)
    return [turn.shard for turn in turns]


def test_seeding_again_keeps_what_is_due_soon_and_calls_in_what_is_due_too_late(database: Database) -> None:
    seed(database)
    with database.begin() as transaction:
        turns = [Turn(purpose="power", shard=shard, due_at=NOW - timedelta(seconds=1)) for shard in range(4)]
        shards.seed(transaction.connection, turns, NOW + timedelta(seconds=2))

    assert claim(database, "a", NOW - timedelta(seconds=1)) == [3]
    assert claim(database, "a", NOW + timedelta(seconds=9), limit=4) == [0, 1, 2]


def test_due_shards_go_to_one_holder_each_the_most_overdue_first(database: Database) -> None:
    seed(database)
    late = NOW + timedelta(seconds=10)

    assert claim(database, "a", late) == [0, 1]
    assert claim(database, "b", late) == [2, 3]
    assert claim(database, "c", late) == []
    assert claim(database, "a", NOW - timedelta(seconds=1)) == []


def test_rows_that_another_transaction_claims_are_skipped_not_waited_for(database: Database) -> None:
    seed(database)
    late = NOW + timedelta(seconds=10)

    with database.begin() as first:
        shards.claim(first.connection, "power", "a", now=late, lease_s=20, limit=2)
        assert claim(database, "b", late) == [2, 3]


def test_the_shards_of_a_dead_replica_are_taken_when_its_lease_ends(database: Database) -> None:
    seed(database)
    late = NOW + timedelta(seconds=10)
    claim(database, "dead", late, limit=4)

    assert claim(database, "b", late + timedelta(seconds=20)) == []
    assert claim(database, "b", late + timedelta(seconds=20.1), limit=4) == [0, 1, 2, 3]


def test_a_lease_is_renewed_and_given_back_by_its_holder_alone(database: Database) -> None:
    seed(database)
    claim(database, "a", NOW + timedelta(seconds=10), limit=4)
    turn = Turn(purpose="power", shard=0, due_at=NOW)
    until = NOW + timedelta(seconds=60)

    with database.begin() as transaction:
        assert shards.renew(transaction.connection, "power", [0, 1], "a", until) == {0, 1}
        assert shards.renew(transaction.connection, "power", [0, 1], "b", until) == set()
        shards.finish(transaction.connection, turn, "b", NOW)
    assert claim(database, "b", NOW + timedelta(seconds=50)) == [2, 3]
    with database.begin() as transaction:
        shards.finish(transaction.connection, turn, "a", NOW + timedelta(seconds=45))
    assert claim(database, "b", NOW + timedelta(seconds=50)) == [0]


def test_what_is_due_next_counts_leases(database: Database) -> None:
    with database.begin() as transaction:
        assert shards.next_due_at(transaction.connection, "power") is None
    seed(database, 1)
    with database.begin() as transaction:
        assert shards.next_due_at(transaction.connection, "power") == NOW
    claim(database, "a", NOW)
    with database.begin() as transaction:
        assert shards.next_due_at(transaction.connection, "power") == NOW + timedelta(seconds=20)


def test_observations_are_written_read_overwritten_and_forgotten(database: Database) -> None:
    first = Observation(
        node_uuid=str(uuid.uuid4()), power_state="power on", seen_at=NOW, health="OK", health_seen_at=NOW
    )
    second = Observation(node_uuid=str(uuid.uuid4()), failures=3, error="no answer")

    with database.begin() as transaction:
        observations.save(transaction.connection, [(7, first), (7, second)])
        observations.save(transaction.connection, [(7, Observation(node_uuid=second.node_uuid, failures=4))])
    with database.read() as connection:
        assert observations.of_shard(connection, 7) == {
            first.node_uuid: first,
            second.node_uuid: Observation(node_uuid=second.node_uuid, failures=4),
        }
        assert observations.of_shard(connection, 8) == {}

    with database.begin() as transaction:
        observations.forget(transaction.connection, 7, [first.node_uuid])
    with database.read() as connection:
        assert list(observations.of_shard(connection, 7)) == [second.node_uuid]


def test_no_index_lies_on_what_every_sync_writes(database: Database) -> None:
    with database.read() as connection:
        rows = connection.execute(sa.text("SELECT indexdef FROM pg_indexes WHERE tablename = 'observations'"))
        assert sorted(line[line.rindex("(") :] for line in rows.scalars()) == ["(node_uuid)", "(shard)"]
