"""One process shape for all services: gunicorn (threads, one worker) around a bus, threads and a little HTTP.

    def main() -> int:
        return runner.main(ServiceSpec(name="power", settings=Settings, start=start, migrate=migrate))

``start`` runs in the worker, in a thread of its own, so that health is answered while it waits for what is away; it is
repeated while it raises Unavailable. SIGTERM: no new connections, answers finish, ``Running.stop`` drains, exit 0.
"""

from __future__ import annotations

import importlib.metadata
import os
import resource
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from gunicorn import glogging
from gunicorn.app.base import BaseApplication

from . import settings as settings_room
from . import telemetry
from .errors import InvalidRequest, SteelyardError, Unavailable
from .http import ServiceHttp, Wsgi
from .migrating import patiently
from .settings import CommonSettings, default_instance
from .telemetry import get_logger

log = get_logger(__name__)
GRACE_S = 30
MOST_CONNECTIONS = 4096
S = TypeVar("S", bound=CommonSettings)


class Running(Protocol):
    """What ``start`` returns; ``health.Parts`` is one."""

    def health(self) -> Mapping[str, bool]: ...
    def stop(self) -> None: ...


R = TypeVar("R", bound=Running)


@dataclass(frozen=True, kw_only=True)
class ServiceSpec(Generic[S, R]):
    """A service: its settings, how it starts, its own HTTP (if any) and how its schema is upgraded (if it has one)."""

    name: str
    settings: type[S]
    start: Callable[[S], R]
    make_app: Callable[[S, R], Wsgi] | None = None
    migrate: Callable[[S], None] | None = None


def main(spec: ServiceSpec[S, R], arguments: list[str] | None = None) -> int:
    """``python -m <package>`` serves, ``python -m <package> migrate`` upgrades the schema. → exit status"""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        settings = _settings(spec)
    except SteelyardError as error:
        sys.stderr.write(f"steelyard-{spec.name}: {error.message}\n")
        return 2
    telemetry.configure_logging(spec.name, settings.log_level)
    if words == ["migrate"] and (migrate := spec.migrate) is not None:
        return patiently(lambda: migrate(settings))
    if words:
        sys.stderr.write(f"usage: python -m steelyard_{spec.name.replace('-', '_')} [migrate]\n")
        return 2
    run(spec, settings)
    return 0


def run(spec: ServiceSpec[S, R], settings: S) -> None:
    """Serve until SIGTERM or SIGINT; ends the process."""
    _Application(spec, settings).run()


def version_of(service: str) -> str:
    try:
        return importlib.metadata.version(f"steelyard-{service}")
    except importlib.metadata.PackageNotFoundError:
        return "0"


def _settings(spec: ServiceSpec[S, R]) -> S:
    settings = settings_room.read(spec.settings)
    return settings if settings.instance else replace(settings, instance=default_instance(spec.name))


def _nobody_waits() -> None:
    """Until there is a worker."""


class _Worker(Generic[S, R]):
    """What lives in the worker process: the service, once it has started, and its HTTP."""

    def __init__(self, spec: ServiceSpec[S, R], settings: S) -> None:
        self._spec, self._settings = spec, settings
        self._running: R | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._start, name="start", daemon=True)
        self.http = ServiceHttp(spec.name, version_of(spec.name), settings.instance, self._health)
        self.http.has_app = spec.make_app is not None
        self.http.shares_port = settings.http_socket > 0
        self._opened: Callable[[], None] = _nobody_waits

    def begin(self, opened: Callable[[], None]) -> None:
        """``opened`` is called when the service has started."""
        self._opened = opened
        telemetry.configure(self._spec.name, self._settings.otlp_endpoint)
        self._thread.start()

    def end(self) -> None:
        self._stopping.set()
        self._thread.join(GRACE_S)
        if self._running is not None:
            self._running.stop()
        telemetry.shutdown()
        log.info("service stopped")

    def _health(self) -> Mapping[str, bool]:
        return {"started": False} if self._running is None else self._running.health()

    def _start(self) -> None:
        pause = 0.2
        while not self._stopping.is_set():
            try:
                running = self._spec.start(self._settings)
            except Unavailable as error:
                log.warning("service waits", reason=error.message, detail=error.detail)
                self._stopping.wait(pause)
                pause = min(pause * 2, 5.0)
                continue
            except InvalidRequest as error:
                log.error("service cannot start", reason=error.message)  # a setting; no traceback helps
                os._exit(3)
            except Exception:
                log.exception("service cannot start")
                os._exit(3)  # a bug, not an outage: the arbiter says so and the supervisor reports it
            if self._spec.make_app is not None:
                self.http.app = self._spec.make_app(self._settings, running)
            self._running = running
            self._opened()
            log.info("service started", instance=self._settings.instance)
            return


def _connections() -> int:
    """How many the worker keeps open: a quarter of the files that it may have, for an answer may need one more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return max(200, min(MOST_CONNECTIONS, most // 4))


class _Logger(glogging.Logger):  # type: ignore[misc]
    """gunicorn's own lines go where ours go, from warnings up."""

    def setup(self, cfg: Any) -> None:  # noqa: ARG002  gunicorn's signature
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel("WARNING")
        self.access_log.handlers.clear()
        self.access_log.propagate = False


class _Application(BaseApplication, Generic[S, R]):  # type: ignore[misc]
    def __init__(self, spec: ServiceSpec[S, R], settings: S) -> None:
        self._spec, self._settings = spec, settings
        self._worker: _Worker[S, R] | None = None
        super().__init__()

    def load_config(self) -> None:
        shared = self._settings.http_socket
        options = {
            "bind": f"fd://{shared}" if shared else self._settings.http_bind, "workers": 1,
            "worker_class": "steelyard_common.http.worker.Worker",
            "threads": self._settings.http_threads, "worker_connections": _connections(), "keepalive": 65,
            "timeout": 60, "graceful_timeout": GRACE_S,
            "accesslog": None, "logger_class": _Logger, "control_socket_disable": True,
            "proc_name": f"steelyard-{self._spec.name}", "when_ready": self._tell_port,
            "post_worker_init": self._begin, "worker_exit": self._end,
        }  # fmt: skip
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Wsgi:
        self._worker = _Worker(self._spec, self._settings)
        return self._worker.http

    def _begin(self, gunicorn_worker: Any) -> None:
        if self._worker is not None:
            self._worker.begin(gunicorn_worker.look_again)

    def _end(self, _arbiter: object, _gunicorn_worker: object) -> None:
        if self._worker is not None:
            self._worker.end()

    def _tell_port(self, arbiter: Any) -> None:
        port = arbiter.LISTENERS[0].sock.getsockname()[1]
        log.info("http is bound", port=port)
        if self._settings.port_file:
            path = Path(self._settings.port_file)
            draft = path.with_suffix(".new")
            draft.write_text(str(port))
            draft.rename(path)
