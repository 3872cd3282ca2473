"""The suite: which children there are, with which settings, in which order."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from steelyard_common.embedded.process import free_port, tail
from steelyard_common.errors import Conflict, Unavailable
from steelyard_rack import shelf

from . import bus, children, sign_in
from .checks import check_settings, is_free
from .children import Child, Report
from .credentials import Credentials, keep
from .doors import Door, door_of_boot
from .layout import Layout, read_json

SERVICES = ("inventory", "power", "boot", "inspector", "firmware", "console", "api-gateway")
WITH_DATABASE = ("inventory", "power", "boot")
WITH_SECRETS = ("power", "boot", "api-gateway")  # the gateway seals them, the others open them
MIGRATE_S = 120
RAMDISK = {
    "STEELYARD_DEPLOY_KERNEL": shelf.KERNEL, "STEELYARD_DEPLOY_RAMDISK": shelf.RAMDISK,
    "STEELYARD_RESCUE_KERNEL": shelf.KERNEL, "STEELYARD_RESCUE_RAMDISK": shelf.RAMDISK,
}  # fmt: skip
RAMDISK_ISO = ("STEELYARD_DEPLOY_ISO", "STEELYARD_RESCUE_ISO")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What ``up`` was asked for. ``rack`` None: as last time. ``replicas``: processes of each service. ``boot_host``:
    where machines reach boot's HTTP. ``rack_pace``: how long its machines take to boot, as a share of real ones."""

    layout: Layout
    host: str = "127.0.0.1"
    port: int = 6385
    auth: str = "none"
    rack: int | None = None
    replicas: int = 1
    boot_host: str = "127.0.0.1"
    boot_port: int = 0
    step_providers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rack_pace: float = 1.0

    @property
    def url(self) -> str:
        """Where this machine reaches the API."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class RackPlan:
    """The rack of this folder: on addresses of its own, so that two suites do not meet."""

    machines: int
    base_address: str
    control_port: int

    @property
    def files(self) -> str:
        """Where it serves a ramdisk and an image of its own."""
        return f"http://127.0.0.1:{self.control_port}/files"


class Suite:
    """All children; ``start`` and ``stop`` in order, ``watch`` in between."""

    def __init__(self, options: Options, report: Report) -> None:
        self.options, self.report = options, report
        self.layout = options.layout
        self.credentials: Credentials = keep(self.layout)
        self.bus = bus.choose(self.layout, options.step_providers)
        self.children: list[Child] = []
        self.rack = _rack_plan(options)
        self._doors: dict[str, Door] = {}

    def start(self, changed: Callable[[], None]) -> None:
        """Errors: Unavailable, with the reason and the log's last lines."""
        check_settings({**os.environ, **self._settings("later")})
        database = os.environ.get("STEELYARD_DATABASE_URL") or self._start_postgres(changed)
        if isinstance(self.bus, bus.OwnBus):
            self._start_child(self.bus.child, "NATS", changed)
            self.bus.tell_outsiders()
        self._doors["boot"] = door_of_boot(self.layout, self.options.boot_host, self.options.boot_port)
        if self.rack:
            self._start_child(self._rack_child(self.rack), f"the rack of {self.rack.machines} machines", changed)
        shared = self._settings(database)
        self.report("Bringing the database up to date …")
        self._migrate(shared)
        self._open_door()
        for name in SERVICES:
            for number in range(1, self.options.replicas + 1):
                child = self._service(name, shared, number)
                self._start_child(child, child.name, changed)

    def watch(self) -> bool:
        """→ True when a child ended or was started again."""
        changed = [child.watch(self.report) for child in self.children]
        return any(changed)

    def stop(self) -> None:
        """Services first and together, so that they can say good-bye; then what they stand on."""
        base = [child for child in self.children if child.name in ("nats", "postgres")]
        for group in ([child for child in self.children if child not in base], *([child] for child in reversed(base))):
            for child in group:
                child.ask_to_stop()
            for child in group:
                if not child.wait_stopped(children.STOP_S):
                    self.report(f"{child.name} did not stop in order and was killed.")
        for door in self._doors.values():
            door.close()

    def _start_child(self, child: Child, what: str, changed: Callable[[], None]) -> None:
        self.report(f"Starting {what} …")
        self.children.append(child)
        child.start()
        changed()

    def _open_door(self) -> None:
        """Errors: Unavailable when somebody took the port in the last moment."""
        self._doors["api-gateway"] = Door(self.options.host, self.options.port)
        self._doors["api-gateway"].open("the API")

    def _start_postgres(self, changed: Callable[[], None]) -> str:
        child, server = children.postgres(self.layout, self.credentials.postgres)
        self._start_child(child, "PostgreSQL", changed)
        return server.url

    def _settings(self, database: str) -> dict[str, str]:
        return {
            "STEELYARD_DATABASE_URL": database,
            "STEELYARD_SEAL_KEYS_FILE": str(self.layout.seal_keys),
            "STEELYARD_ARTIFACTS_DIR": os.environ.get("STEELYARD_ARTIFACTS_DIR") or str(self.layout.artifacts),
            "STEELYARD_AGENT_LOGS_DIR": os.environ.get("STEELYARD_AGENT_LOGS_DIR") or str(self.layout.agent_logs),
            "STEELYARD_AGENT_API_URL": os.environ.get("STEELYARD_AGENT_API_URL") or self.options.url,
            **self._ramdisk(),
            "STEELYARD_AUTH": self.options.auth,
            "STEELYARD_HTPASSWD_FILE": str(self.layout.htpasswd) if self.options.auth == "http_basic" else "",
            **sign_in.handed_on(os.environ),
            "PYTHONUNBUFFERED": "1",
        }

    def _ramdisk(self) -> dict[str, str]:
        """Simulated machines boot a simulated ramdisk, unless a real one is named: for a rack beside real ones."""
        if self.rack is None or any(os.environ.get(name) for name in (*RAMDISK, *RAMDISK_ISO)):
            return {}
        return {name: f"{self.rack.files}/{file}" for name, file in RAMDISK.items()}

    def _service(self, name: str, shared: dict[str, str], number: int) -> Child:
        """The ``number``-th of its replicas. Those of the gateway, and of boot, take turns at one socket, which stays
        open while any of them starts again: who connects meanwhile waits a moment and is not turned away."""
        is_gateway, replica, door = name == "api-gateway", replica_name(name, number), self._doors.get(name)
        settings = {
            **shared,
            **self.bus.settings(name),
            "STEELYARD_HTTP_BIND": door.place if door else "127.0.0.1:0",
            "STEELYARD_HTTP_SOCKET": str(door.fileno()) if door else "",
            "STEELYARD_PORT_FILE": str(self.layout.port_file(replica)),
            "STEELYARD_INSTANCE": f"{name}-{number}.{os.environ.get('STEELYARD_INSTANCE') or _host_name()}",
        }
        if name not in WITH_DATABASE:
            settings["STEELYARD_DATABASE_URL"] = ""  # what a service does not need it shall not know
        if name not in WITH_SECRETS:
            settings |= {"STEELYARD_SEAL_KEYS_FILE": "", "STEELYARD_SEAL_KEYS": ""}
        if not is_gateway:
            settings |= sign_in.WITHHELD
        module = f"steelyard_{name.replace('-', '_')}"
        return children.program(
            self.layout, replica, [module], settings, lambda: door.url if door else self._url_of(replica),
            sockets=[door.fileno()] if door else [],
        )  # fmt: skip

    def _url_of(self, replica: str) -> str:
        try:
            return f"http://127.0.0.1:{self.layout.port_file(replica).read_text()}"
        except OSError:
            return ""

    def _migrate(self, shared: dict[str, str]) -> None:
        log = self.layout.log("migrate")
        command = [sys.executable, "-m", "steelyard_local.schemas", *WITH_DATABASE]
        status = -1
        with log.open("wb") as stream, contextlib.suppress(subprocess.TimeoutExpired):
            environment = {**os.environ, **shared}
            status = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=environment,
                timeout=MIGRATE_S, check=False,
            ).returncode  # fmt: skip
        if status != 0:
            raise Unavailable(f"the schemas could not be brought up to date: {tail(log)}")

    def _rack_child(self, plan: RackPlan) -> Child:
        self.layout.rack.mkdir(exist_ok=True)
        control = f"127.0.0.1:{plan.control_port}"
        arguments = [
            "steelyard_rack", "serve", "--machines", str(plan.machines), "--base-address", plan.base_address,
            "--control", control, "--data-dir", str(self.layout.rack), "--pace", str(self.options.rack_pace),
            "--boot-url", f"{self._doors['boot'].url}/boot.ipxe",
        ]  # fmt: skip
        return children.program(self.layout, "rack", arguments, {"PYTHONUNBUFFERED": "1"}, lambda: f"http://{control}")


def replica_name(service: str, number: int) -> str:
    """Of its process: the first has the service's own name."""
    return service if number == 1 else f"{service}-{number}"


def is_service(child: str) -> bool:
    """Whether a process of this name is a replica of a service."""
    name, _, number = child.rpartition("-")
    return child in SERVICES or (name in SERVICES and number.isdecimal())


def _rack_plan(options: Options) -> RackPlan | None:
    """The rack that was asked for, else that of the last time; its addresses are kept."""
    if options.rack == 0:
        return None
    file = options.layout.rack / "plan.json"
    known = _known_plan(file) if file.exists() else None
    machines = options.rack if options.rack is not None else known.machines if known else 0
    if machines == 0:
        return None
    control = known.control_port if known and is_free("127.0.0.1", known.control_port) else free_port()
    address = known.base_address if known else _free_address()
    plan = RackPlan(machines=machines, base_address=address, control_port=control)
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(plan.__dict__))
    return plan


def _known_plan(file: Path) -> RackPlan:
    remedy = "Restore it from a backup, or leave the rack out with --rack 0."
    try:
        return RackPlan(**read_json(file, remedy))
    except TypeError as error:
        raise Conflict(f"{file} is damaged (another version wrote it). {remedy}") from error


def _free_address() -> str:
    """A loopback network that no other rack seems to use."""
    for _ in range(50):
        address = f"127.{secrets.randbelow(200) + 16}.{secrets.randbelow(64)}.1"
        if is_free(address, 8443):
            return address
    raise Unavailable("no loopback addresses are free for a rack")


def _host_name() -> str:
    return re.sub(r"[^a-z0-9.-]+", "-", socket.gethostname().lower()).strip("-.") or "localhost"


def suite_log(layout: Layout) -> Path:
    return layout.log("supervisor")
