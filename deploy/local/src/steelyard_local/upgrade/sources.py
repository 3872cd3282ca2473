"""Where an upgrade check looks: at a suite that runs on a data folder, or at what is named by URL."""

from __future__ import annotations

import argparse
import http.client
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from steelyard_common.contracts.permissions import OPERATOR, inbox
from steelyard_common.errors import InvalidRequest, NotFound

from .. import bus
from .. import state as state_room
from ..layout import Layout
from ..state import State
from ..suite import is_service
from .streams import Way


@dataclass(frozen=True, kw_only=True)
class Sources:
    """``services``: replica → the URL of its HTTP, None when it does not run. ``seal_keys``: as services read them."""

    site: str
    database_url: str | None = field(repr=False)
    nats: Way | None
    services: dict[str, str | None]
    seal_keys: str | None = field(repr=False)


def find(options: argparse.Namespace, layout: Layout) -> Sources:
    """URLs go before what the folder says. Errors: NotFound when neither says anything, InvalidRequest."""
    given: dict[str, str | None] = dict(_service(word) for word in options.service)
    state = state_room.read(layout.state) if state_room.is_locked(layout) else None
    if state is None and not (options.database_url or options.nats_url or given):
        raise NotFound(
            f"nothing runs on {layout.root}: start it, or name what to look at with --database-url, --nats-url and"
            " --service"
        )
    return Sources(
        site=os.environ.get(bus.SITE) or "local",
        database_url=options.database_url or _database(state),
        nats=_given_nats(options) if options.nats_url else _nats(state, layout),
        services=given or _services(state, layout),
        seal_keys=_seal_keys(options.seal_keys_file, layout if state is not None else None),
    )


def health(url: str) -> tuple[bool, str, str]:
    """→ (ready, what is wrong, version)"""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        body = json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        return False, f"no answer ({type(error).__name__})", ""
    finally:
        connection.close()
    ill = ", ".join(name for name, well in body.get("parts", {}).items() if not well)
    return answer.status == 200, ill or f"HTTP {answer.status}", str(body.get("version", ""))


def _service(word: str) -> tuple[str, str]:
    name, equals, url = word.partition("=")
    if not (name and equals and url.startswith(("http://", "https://"))):
        raise InvalidRequest(f"--service takes NAME=URL, not {word!r}")
    return name, url


def _database(state: State | None) -> str | None:
    own = next((child.url for child in state.children if child.name == "postgres"), None) if state else None
    return own or os.environ.get("STEELYARD_DATABASE_URL") or None


def _services(state: State | None, layout: Layout) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for child in state.children if state else ():
        if not is_service(child.name):
            continue
        port = layout.port_file(child.name)
        url = f"http://127.0.0.1:{port.read_text()}" if port.exists() else child.url
        found[child.name] = (url or None) if child.process is not None and child.process.find() else None
    return found


def _nats(state: State | None, layout: Layout) -> Way | None:
    file = layout.bus / f"{OPERATOR}.json"
    if state is None or not any(child.name == "nats" for child in state.children) or not file.exists():
        return None
    context = json.loads(file.read_text())
    return Way(
        url=context["url"], user=context["user"], password=context["password"], inbox_prefix=context["inbox_prefix"],
        ca_file=context.get("ca"),
    )  # fmt: skip


def _given_nats(options: argparse.Namespace) -> Way:
    where = urlsplit(options.nats_url)
    password = Path(options.nats_password_file).read_text().strip() if options.nats_password_file else where.password
    return Way(
        url=options.nats_url, user=where.username, password=password, ca_file=options.nats_ca_file,
        inbox_prefix=inbox(where.username) if where.username else None,
    )  # fmt: skip


def _seal_keys(file: str | None, layout: Layout | None) -> str | None:
    for path in (file, os.environ.get("STEELYARD_SEAL_KEYS_FILE"), layout.seal_keys if layout else None):
        if path and Path(path).exists():
            return Path(path).read_text()
    return os.environ.get("STEELYARD_SEAL_KEYS")
