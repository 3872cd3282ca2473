"""What operators ask about artifacts, over the bus."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from steelyard_boot.handlers.artifact_requests import endpoints
from steelyard_boot.keeping import ArtifactParts
from steelyard_common.bus import MemoryBus
from steelyard_common.contracts import subjects
from steelyard_common.db import Database
from steelyard_common.errors import Conflict, InvalidRequest, NotFound
from steelyard_common.testing import eventually

from services.boot.tests.artifact_parts import BASE, now, running, sha256
from services.boot.tests.source_server import Source, serving

API = {"base_url": "http://api"}


@pytest.fixture
def source() -> Iterator[Source]:
    with serving() as made:
        yield made


@pytest.fixture
def made(database: Database, tmp_path: Path, memory_bus: MemoryBus) -> Iterator[ArtifactParts]:
    with running(database, tmp_path) as parts:
        memory_bus.serve("boot", endpoints("local", parts.desk))
        yield parts


def ask(bus: MemoryBus, how: str, verb: str, **body: Any) -> Any:
    make = subjects.query if how == "qry" else subjects.command
    told = bus.request(make("local", "boot", verb), {"api": API, **body}, timeout_s=10)
    return orjson.loads(told) if told else None


def add(made: ArtifactParts, data: bytes, **more: Any) -> str:
    return made.artifacts.add(io.BytesIO(data), "thing", "ramdisk", now(), **more).sha256


def test_an_operator_has_something_fetched_and_sees_it_come(
    made: ArtifactParts, memory_bus: MemoryBus, source: Source
) -> None:
    wish = {"url": source.put("/vmlinuz", b"kernel"), "kind": "kernel"}
    first = ask(memory_bus, "cmd", "fetch-artifact", **wish)
    eventually(lambda: ask(memory_bus, "cmd", "fetch-artifact", **wish)["status"] == "here")
    found = ask(memory_bus, "cmd", "fetch-artifact", **wish)

    assert first["status"] in ("fetching", "here")
    assert found["sha256"] == sha256(b"kernel")
    assert found["url"] == f"{BASE}/artifacts/{sha256(b'kernel')}/vmlinuz"
    assert found["links"] == [{"rel": "self", "href": f"http://api/v1/artifacts/{sha256(b'kernel')}"}]


def test_what_fails_is_told_and_listed(made: ArtifactParts, memory_bus: MemoryBus, source: Source) -> None:
    wish = {"url": f"{source.url}/no?secret=1", "kind": "kernel"}

    def fails() -> bool:
        try:
            ask(memory_bus, "cmd", "fetch-artifact", **wish)
        except NotFound:
            return True
        return False

    eventually(fails)
    [fetch] = ask(memory_bus, "qry", "artifacts")["fetches"]
    assert (fetch["status"], fetch["url"]) == ("failed", f"{source.url}/no")
    assert "404" in fetch["text"]
    assert ask(memory_bus, "qry", "artifacts", kind="image")["fetches"] == []


def test_artifacts_are_listed_in_pages(made: ArtifactParts, memory_bus: MemoryBus) -> None:
    sums = sorted(add(made, bytes([n])) for n in range(3))
    first = ask(memory_bus, "qry", "artifacts", limit=2)
    second = ask(memory_bus, "qry", "artifacts", limit=2, marker=first["artifacts"][-1]["sha256"])

    assert [each["sha256"] for each in first["artifacts"] + second["artifacts"]] == sums
    assert first["next"] == f"http://api/v1/artifacts?limit=2&marker={sums[1]}"
    assert "next" not in second


def test_what_has_a_secret_name_is_shown_nowhere(made: ArtifactParts, memory_bus: MemoryBus) -> None:
    hidden = add(made, b"secret", secret_name=True)
    assert ask(memory_bus, "qry", "artifacts")["artifacts"] == []
    for how, verb in (("qry", "artifact"), ("cmd", "delete-artifact")):
        with pytest.raises(NotFound):
            ask(memory_bus, how, verb, sha256=hidden)


def test_what_is_needed_is_not_deleted(made: ArtifactParts, memory_bus: MemoryBus) -> None:
    sum_ = add(made, b"kernel")
    artifact = made.artifacts.get(sum_)
    assert artifact is not None
    made.artifacts.keep("node:1:deploy", artifact)
    assert ask(memory_bus, "qry", "artifact", sha256=sum_)["references"] == ["node:1:deploy"]
    with pytest.raises(Conflict, match="node:1:deploy"):
        ask(memory_bus, "cmd", "delete-artifact", sha256=sum_)
    made.artifacts.release("node:1:")
    ask(memory_bus, "cmd", "delete-artifact", sha256=sum_)
    with pytest.raises(NotFound):
        ask(memory_bus, "qry", "artifact", sha256=sum_)


@pytest.mark.parametrize("body", [{"sha256": "../x"}, {"sha256": "A" * 64}, {}])
def test_what_is_no_checksum_is_refused(made: ArtifactParts, memory_bus: MemoryBus, body: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        ask(memory_bus, "qry", "artifact", **body)
