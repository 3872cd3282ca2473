"""A real Keystone from PyPI on loopback: one process, SQLite, Fernet tokens.

STEELYARD_KEYSTONE_VENV names a virtual environment that has it (default: `.cache/keystone-venv` in the project); it is
made when it is missing.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from steelyard_common.embedded.process import free_port

PACKAGES = ("keystone==30.0.0",)
PROJECT = Path(__file__).parents[2]
VENV_VARIABLE = "STEELYARD_KEYSTONE_VENV"
START_S = 60.0
STOP_S = 10.0
SERVER = """
import sys
from werkzeug.serving import run_simple
from keystone.server.wsgi import initialize_public_application
run_simple("127.0.0.1", int(sys.argv.pop()), initialize_public_application(), threaded=True)
"""


@dataclass(kw_only=True)
class Keystone:
    """A Keystone in a folder; its port stays the same over ``stop`` and ``start``."""

    folder: Path
    port: int
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12), repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v3"

    def make(self) -> None:
        """Schema, keys, and the user ``admin`` in the project ``admin``."""
        (self.folder / "keystone.conf").write_text(_config(self.folder))
        programs = environment() / "bin"
        manage: list[str | Path] = [programs / "keystone-manage", "--config-file", self.folder / "keystone.conf"]
        who = ["--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid())]
        bootstrap = [
            "bootstrap", "--bootstrap-password", self.password, "--bootstrap-region-id", "RegionOne",
            "--bootstrap-public-url", self.url, "--bootstrap-internal-url", self.url, "--bootstrap-admin-url", self.url,
        ]  # fmt: skip
        for words in (["db_sync"], ["fernet_setup", *who], bootstrap):
            done = subprocess.run([*manage, *words], capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError(f"keystone-manage {words[0]}: {done.stderr[-2000:]}")

    def start(self) -> None:
        """Raises RuntimeError when it does not answer in time."""
        words: list[str | Path] = [environment() / "bin" / "python", "-c", SERVER, str(self.port)]
        variables = {**os.environ, "OS_KEYSTONE_CONFIG_FILES": str(self.folder / "keystone.conf")}
        with (self.folder / "out").open("ab") as output:
            self._process = subprocess.Popen(words, stdout=output, stderr=output, env=variables)
        end = time.monotonic() + START_S
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(self.url, timeout=5).close()
                return
            time.sleep(0.1)
        raise RuntimeError(f"Keystone did not come up; it said last:\n{(self.folder / 'out').read_text()[-3000:]}")

    @contextlib.contextmanager
    def short_tokens(self, seconds: int) -> Iterator[None]:
        """In the block new tokens last so long; Keystone is started again before and after."""
        file = self.folder / "keystone.conf"
        usual = file.read_text()
        try:
            self._again_with(file, usual + f"[token]\nexpiration = {seconds}\n")
            yield
        finally:
            self._again_with(file, usual)

    def _again_with(self, file: Path, text: str) -> None:
        self.stop()
        file.write_text(text)
        self.start()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
            self._process.kill()
            self._process.wait()
            self._process = None


def environment() -> Path:
    """The virtual environment, with Keystone in it. The first time this takes about two minutes."""
    folder = Path(os.environ.get(VENV_VARIABLE, PROJECT / ".cache" / "keystone-venv")).expanduser()
    if not (folder / "bin" / "keystone-manage").exists():
        print(f"Installing {PACKAGES[0]} into {folder} …", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *PACKAGES], check=True)
    return folder


@contextlib.contextmanager
def running_keystone() -> Iterator[Keystone]:
    """A fresh Keystone; it and its data are gone at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="keystone-") as name:
        keystone = Keystone(folder=Path(name), port=free_port())
        keystone.make()
        try:
            keystone.start()
            yield keystone
        finally:
            keystone.stop()


def _config(folder: Path) -> str:
    return f"""
[DEFAULT]
log_file = {folder}/log
[database]
connection = sqlite:///{folder}/keystone.sqlite
[fernet_tokens]
key_repository = {folder}/fernet-keys
[fernet_receipts]
key_repository = {folder}/fernet-keys
[credential]
key_repository = {folder}/credential-keys
[cache]
enabled = false
[identity]
password_hash_rounds = 4
"""
