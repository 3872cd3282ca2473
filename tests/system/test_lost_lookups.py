"""A boot service that dies between an agent's token and its answer: the agent hears of nothing but its token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
import pytest
from steelyard_common.testing import eventually
from steelyard_local.testing import RunningSuite

from .operator import Operator
from .processes import kill_all, processes_of

MAC = "52:54:00:00:78:01"
NAMES = ("bios", "boot", "deploy", "inspect", "raid", "rescue", "vendor")
NODE = {
    "driver": "fake-hardware",
    "driver_info": {"fast_track": True},
    **{f"{name}_interface": "fake" for name in NAMES},
}
HELD = 5217
# Whoever commits a change of a session waits in the middle of its COMMIT, as long as somebody has that lock.
HOLD = f"""
CREATE FUNCTION boot.hold() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock_shared({HELD}); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER held AFTER INSERT OR UPDATE ON boot.agents DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION boot.hold();
"""
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"
ISSUED = "SELECT count(*) FROM boot.agents WHERE token IS NOT NULL"


@pytest.fixture
def settings() -> dict[str, str]:
    return {"STEELYARD_COMMAND_TIMEOUT_S": "60"}  # boot may need long to start on a busy machine


@contextmanager
def database(suite: RunningSuite) -> Iterator[psycopg.Connection[Any]]:
    state = json.loads((suite.data / "state.json").read_text())
    (url,) = (child["url"] for child in state["children"] if child["name"] == "postgres")
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def count(connection: psycopg.Connection[Any], question: LiteralString, *values: int) -> int:
    row = connection.execute(question, values).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.slow
def test_an_agent_gets_its_token_although_boot_dies_after_issuing_and_before_telling_it(
    suite: RunningSuite, operator: Operator
) -> None:
    (name,) = operator.enrol([{"name": "worker", **NODE}])
    operator.ask("POST", "/v1/ports", {"node_uuid": operator.node(name)["uuid"], "address": MAC})
    lookup = f"/v1/lookup?addresses={MAC}"

    with database(suite) as held, ThreadPoolExecutor(1) as pool:
        held.execute(HOLD)
        held.execute("SELECT pg_advisory_lock(%s)", [HELD])
        first = pool.submit(operator.call, "GET", lookup)
        eventually(lambda: count(held, WAITING, HELD) > 0, timeout_s=60)
        victims = processes_of(suite.pid, "boot")
        for victim in victims:
            victim.suspend()
        held.execute("SELECT pg_advisory_unlock(%s)", [HELD])
        eventually(lambda: count(held, ISSUED) == 1, timeout_s=60)
        kill_all(victims)
        status, told = first.result(120)

    assert status == 200
    token = told["config"]["agent_token"]
    assert len(token) == 43
    assert operator.ask("GET", lookup)["config"]["agent_token"] == "******"
    beat = {"callback_url": "https://192.0.2.7:9999", "agent_token": token, "agent_version": "13.0.0"}
    assert operator.call("POST", f"/v1/heartbeat/{name}", beat)[0] == 202
