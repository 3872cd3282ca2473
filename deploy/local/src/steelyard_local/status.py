"""``steelyard status``: each process, its health, version, URL and memory; as a table or as JSON."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg

from . import state as state_room
from .layout import Layout
from .state import ChildState


@dataclass(frozen=True, kw_only=True)
class Row:
    """One process. ``health``: ready, or what is wrong."""

    name: str
    pid: int | None
    health: str
    version: str
    url: str
    rss_mb: float | None
    restarts: int


def show(layout: Layout, *, as_json: bool) -> int:
    """→ 0 when all is well, 1 when something is not, 3 when nothing runs."""
    state = state_room.read(layout.state)
    is_locked = state_room.is_locked(layout)
    is_up = state is not None and is_locked
    rows = [_row(_with_url(child, layout)) for child in state.children] if state is not None and is_up else []
    phase = state.phase if state is not None and is_up else "down"
    if as_json:
        body = {"phase": phase, "url": state.url if state and is_up else None, "data": str(layout.root)}
        print(json.dumps({**body, "processes": [asdict(row) for row in rows]}, indent=2))
    elif is_locked and state is None:
        print(f"Something runs on {layout.root}, but {layout.state} is damaged: stop it with `down`, then `up` again.")
    elif not is_up or state is None:
        print(f"Nothing runs on {layout.root}.")
    else:
        print(f"{phase} · API {state.url}/v1 · sign-in {state.auth} · data {layout.root}")
        print(_table(rows))
    if not is_up:
        return 1 if is_locked else 3
    return 0 if phase == "ready" and all(row.health == "ready" for row in rows) else 1


def url_of(name: str, layout: Layout) -> str | None:
    """Where a process of a running suite listens."""
    state = state_room.read(layout.state) if state_room.is_locked(layout) else None
    return next((child.url for child in (state.children if state else []) if child.name == name), None)


def _with_url(child: ChildState, layout: Layout) -> ChildState:
    """A service that was just started again wrote its port after the state was written."""
    file = layout.port_file(child.name)
    return replace(child, url=f"http://127.0.0.1:{file.read_text()}") if not child.url and file.exists() else child


def _row(child: ChildState) -> Row:
    process = child.process.find() if child.process else None
    health, version = probe(child) if process is not None else (child.note or "not running", "")
    return Row(
        name=child.name, pid=process.pid if process else None, health=health, version=version,
        url=_without_password(child.url), rss_mb=_memory_mb(process), restarts=child.restarts,
    )  # fmt: skip


def _memory_mb(process: psutil.Process | None) -> float | None:
    """Resident memory of the process and those below it; pages that they share are counted once (PSS) where known."""
    if process is None:
        return None
    try:
        total = _memory(process)
        below = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return None
    for each in below:
        with contextlib.suppress(psutil.NoSuchProcess):  # PostgreSQL's come and go
            total += _memory(each)
    return round(total / 1e6, 1)


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.AccessDenied, AttributeError):
        return int(process.memory_info().rss)


def probe(child: ChildState) -> tuple[str, str]:
    """Health and version, asked of the process itself."""
    try:
        match child.name:
            case "postgres":
                with psycopg.connect(child.url, connect_timeout=3) as connection:
                    return "ready", str(connection.info.parameter_status("server_version"))
            case "nats":
                return "ready", _nats_info(child.url)["version"]
            case "rack":
                status, body = _get(child.url, "/")
                return ("ready" if status == 200 else f"HTTP {status}"), f"{body.get('machines', '?')} machines"
            case _:
                status, body = _get(child.url, "/health/ready")
                ill = [name for name, well in body.get("parts", {}).items() if not well]
                return ("ready" if status == 200 else f"away: {', '.join(ill)}"), body.get("version", "")
    except (OSError, ValueError, psycopg.Error, http.client.HTTPException) as error:
        return f"no answer ({type(error).__name__})", ""


def _get(url: str, path: str) -> tuple[int, dict[str, Any]]:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def _nats_info(url: str) -> dict[str, Any]:
    """The first line that a NATS server sends is about itself."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname or "", where.port or 4222), timeout=3) as connection:
        line = connection.makefile("rb").readline()
    info: dict[str, Any] = json.loads(line.removeprefix(b"INFO "))
    return info


def _without_password(url: str) -> str:
    where = urlsplit(url)
    return url if where.password is None else url.replace(f":{where.password}@", ":******@")


def _table(rows: list[Row]) -> str:
    head = ["PROCESS", "PID", "HEALTH", "VERSION", "MEMORY", "RESTARTS", "URL"]
    lines = [
        [
            row.name, str(row.pid or "-"), row.health, row.version or "-",
            f"{row.rss_mb:.0f} MB" if row.rss_mb is not None else "-", str(row.restarts), row.url or "-",
        ]
        for row in rows
    ]  # fmt: skip
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [head, *lines]
    )
