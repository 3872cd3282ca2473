"""Where everything lies below one data folder, and what of it is secret."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelyard_common.errors import Conflict, InvalidRequest


def default_data_dir() -> Path:
    """``$XDG_DATA_HOME/steelyard``, else ``~/.local/share/steelyard``."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "steelyard"


@dataclass(frozen=True)
class Layout:
    """The data folder of one suite. Only its owner may enter it."""

    root: Path

    def prepare(self) -> None:
        """Errors: InvalidRequest when it cannot be used as a folder of our own."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.root.chmod(0o700)
            for folder in (self.root, self.logs, self.ports):
                folder.mkdir(exist_ok=True)
                trial = folder / ".trial"
                trial.touch()
                trial.unlink()
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise InvalidRequest(
                f"the data folder {self.root} cannot be used: {error.filename or self.root}: {reason}. "
                "Choose a folder of your own with --data DIR"
            ) from error

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def ports(self) -> Path:
        """A file for each service with the port that its HTTP has got."""
        return self.root / "ports"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def state(self) -> Path:
        """What runs now: see ``state.py``."""
        return self.root / "state.json"

    @property
    def credentials(self) -> Path:
        return self.root / "credentials.json"

    @property
    def seal_keys(self) -> Path:
        return self.root / "seal.keys"

    @property
    def htpasswd(self) -> Path:
        return self.root / "htpasswd"

    @property
    def clouds(self) -> Path:
        return self.root / "clouds.yaml"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def nats(self) -> Path:
        return self.root / "nats"

    @property
    def artifacts(self) -> Path:
        """Kernels, ramdisks and images, by content."""
        return self.root / "artifacts"

    @property
    def agent_logs(self) -> Path:
        """What agents tell of themselves when something failed."""
        return self.root / "agent-logs"

    @property
    def boot_port(self) -> Path:
        """The port that machines reach boot's HTTP at, kept from one start to the next."""
        return self.root / "boot-port"

    @property
    def bus(self) -> Path:
        """Who may do what on NATS: passwords, certificates, and what an integration needs (``integration.json``)."""
        return self.root / "bus"

    @property
    def rack(self) -> Path:
        """The rack's own folder: its certificates and what of it is enrolled."""
        return self.root / "rack"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def port_file(self, name: str) -> Path:
        return self.ports / name


def read_json(file: Path, remedy: str) -> dict[str, Any]:
    """A file of ours that holds an object. Errors: Conflict when it is damaged, with what to do about it."""
    try:
        body = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise Conflict(f"{file} is damaged ({error}). {remedy}") from error
    if not isinstance(body, dict):
        raise Conflict(f"{file} is damaged (no object). {remedy}")
    return body
