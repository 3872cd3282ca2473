"""What a long timeline costs: ``python -m bench.timeline [--rows 10000000] [--nodes 10000]``.

Rows by COPY into the months of a year, nodes in turn. Measured over the bus's twin, as ``bench.inventory`` does it:
a page of a node's timeline, one of a single kind, the history, writing a batch; a list of 1,000 nodes before and after.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg
from steelyard_common.bus import MemoryBus
from steelyard_common.db import Database, migrate
from steelyard_common.embedded import EmbeddedPostgres
from steelyard_inventory.domain.timeline_entries import Entry, entry_uuid
from steelyard_inventory.main import MIGRATIONS, NAME
from steelyard_inventory.testing import Desk

from .report import Figure, table, write

DAYS = 365
KINDS = ("step", "workflow", "state", "power", "record", "call")
CAUSE = orjson.dumps({"user": "ada", "request_id": "req-1", "origin": "api"}).decode()
DETAIL = orjson.dumps({"attempts": 1, "fields": ["extra", "properties"]}).decode()
QUERY_MS = 100.0


def make_months(url: str, now: datetime) -> None:
    with psycopg.connect(url, options="-c search_path=inventory", autocommit=True) as connection:
        first = now.year * 12 + now.month - 13
        for month in range(first, first + 15):
            begin, end = (f"{m // 12:04}-{m % 12 + 1:02}-01" for m in (month, month + 1))
            name = f"timeline_{begin[:7].replace('-', '_')}"
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF timeline "
                f"FOR VALUES FROM ('{begin}+00') TO ('{end}+00')"
            )


def fill(url: str, nodes: Sequence[str], count: int, now: datetime) -> float:
    """→ seconds"""
    began = time.monotonic()
    step = timedelta(days=DAYS) / count
    with psycopg.connect(url, options="-c search_path=inventory") as connection:
        into = (
            "COPY timeline (node_uuid, at, uuid, kind, name, outcome, duration_s, cause, detail, event_type) FROM STDIN"
        )
        with connection.cursor() as cursor, cursor.copy(into) as copy:
            for number in range(count):
                at = now - timedelta(days=DAYS) + number * step
                at = at.replace(microsecond=at.microsecond // 1000 * 1000)
                kind = KINDS[number % len(KINDS)]
                event = "deployment_end" if kind == "workflow" else None
                node = nodes[number * 7919 % len(nodes)]
                row = (
                    node,
                    at,
                    entry_uuid(at, str(number), 0),
                    kind,
                    "deploy.deploy",
                    "done",
                    1.5,
                    CAUSE,
                    DETAIL,
                    event,
                )
                copy.write_row(row)
        connection.commit()
        connection.execute("ANALYZE timeline")
    return time.monotonic() - began


def times_ms(call: Callable[[], object], rounds: int) -> list[float]:
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        found.append((time.perf_counter() - began) * 1000)
    return found


def p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def measure(rows: int, count: int, rounds: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres(Path(folder) / "pg")
        url = postgres.start()
        try:
            migrate(NAME, url, "inventory", MIGRATIONS)
            return _measure(url, rows, count, rounds)
        finally:
            postgres.stop()


def _measure(url: str, rows: int, count: int, rounds: int) -> list[Figure]:
    now = datetime.now(UTC)
    desk = Desk(Database(url, "inventory"), MemoryBus(), lambda: datetime.now(UTC))
    desk.announce()
    uuids = [desk.create(name=f"node-{number}")["uuid"] for number in range(count)]
    pick = random.Random(1)  # noqa: S311 - the same nodes in every run

    def lists() -> list[float]:
        return times_ms(lambda: desk.list_nodes(limit=1000), 30)

    lists()
    before = lists()
    make_months(url, now)
    print(f"writing {rows} rows …", flush=True)
    took_s = fill(url, uuids, rows, now)
    after = lists()

    def ask(verb: str, **asked: Any) -> list[float]:
        return times_ms(lambda: desk.ask(verb, ident=pick.choice(uuids), **asked), rounds)

    ago = (now - timedelta(days=200)).isoformat()
    pages = ask("node-timeline", limit=100)
    calls = ask("node-timeline", limit=100, kinds=["call"])
    old = ask("node-timeline", limit=100, until=ago)
    history = ask("node-history", detail=True)
    list_ms = statistics.median(before)
    batch = times_ms(lambda: desk.inventory.timeline.take(_entries(uuids)), 30)
    return [
        Figure(f"page of 100 of a node's timeline, p95, {rows:,} rows", "ms", p95(pages), QUERY_MS, None),
        Figure("page of 100 of one kind, p95", "ms", p95(calls), QUERY_MS, None),
        Figure("page of 100 from 200 days ago, p95", "ms", p95(old), QUERY_MS, None),
        Figure("node history (300 entries), p95", "ms", p95(history), QUERY_MS, None),
        Figure("writing a batch of 100 rows, median", "ms", statistics.median(batch), None, None),
        Figure("list of 1,000 nodes before, median", "ms", list_ms, None, None),
        Figure(
            "list of 1,000 nodes after, median", "ms", statistics.median(after), 1.15 * statistics.median(before), None
        ),
        Figure("rows written by COPY", "1/s", rows / took_s, None, None, more=True),
    ]


def _entries(uuids: Sequence[str]) -> list[Entry]:
    at = datetime.now(UTC)
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    return [
        Entry(uuid=entry_uuid(at, str(uuid.uuid4()), 0), node_uuid=node, at=at, kind="state", name="x")
        for node in uuids[:100]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.timeline", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of the timeline (10000000)")
    parser.add_argument("--nodes", type=int, default=10_000, help="nodes that they belong to (10000)")
    parser.add_argument("--rounds", type=int, default=300, help="questions of each sort (300)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out" / "timeline.json")
    options = parser.parse_args()
    figures = measure(options.rows, options.nodes, options.rounds)
    print(table(figures))
    write(figures, options.out)


if __name__ == "__main__":
    main()
