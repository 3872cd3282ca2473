"""An HTTP server with our worker in a process of its own, for tests: small, and its port is told on standard output."""

from __future__ import annotations

from typing import Any

from gunicorn.app.base import BaseApplication

from ..http import Wsgi


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    def __init__(self, app: Wsgi, bind: str) -> None:
        self._served, self._bind = app, bind
        super().__init__()

    def load_config(self) -> None:
        self.cfg.set("bind", self._bind)
        self.cfg.set("worker_class", "steelyard_common.http.worker.Worker")
        self.cfg.set("threads", 2)
        self.cfg.set("loglevel", "error")
        self.cfg.set("control_socket_disable", True)
        self.cfg.set("when_ready", _tell)

    def load(self) -> Wsgi:
        return self._served


def _tell(arbiter: Any) -> None:
    print(arbiter.LISTENERS[0].sock.getsockname()[1], flush=True)  # noqa: T201


def serve(app: Wsgi, bind: str = "127.0.0.1:0") -> None:
    """Until it is ended: two threads. The port is the first line that it prints."""
    _Server(app, bind).run()
