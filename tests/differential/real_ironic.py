"""A real Ironic 39 from PyPI on loopback: one process, SQLite, fake hardware that takes no time, no sign-in.

STEELYARD_IRONIC_VENV names a virtual environment that has it (default: `.cache/ironic-venv` in the project); it is made
when it is missing.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path

import psutil
from steelyard_common.embedded.process import free_port

PACKAGES = ("ironic==39.0.0", "bcrypt")
PROJECT = Path(__file__).parents[2]
VENV_VARIABLE = "STEELYARD_IRONIC_VENV"
START_S = 180.0
STOP_S = 20.0
MEMORY = "/dev/shm"  # a folder in memory, where there is one: SQLite waits for a disk at every change
READY = "Successfully started conductor"
INTERFACES = {
    "bios": "fake,no-bios,redfish", "boot": "fake,ipxe,pxe,redfish-virtual-media", "console": "fake,no-console",
    "deploy": "fake,direct,ramdisk,custom-agent", "firmware": "fake,no-firmware,redfish",
    "inspect": "fake,no-inspect,agent,redfish", "management": "fake,noop,redfish,ipmitool", "network": "noop",
    "power": "fake,redfish,ipmitool", "raid": "fake,no-raid,agent,redfish", "rescue": "fake,no-rescue,agent",
    "storage": "noop,fake,external", "vendor": "fake,no-vendor,redfish,ipmitool",
}  # fmt: skip


def environment() -> Path:
    """The virtual environment, with Ironic in it. The first time this takes about two minutes."""
    folder = Path(os.environ.get(VENV_VARIABLE, PROJECT / ".cache" / "ironic-venv")).expanduser()
    if not (folder / "bin" / "ironic").exists():
        print(f"Installing {PACKAGES[0]} into {folder} …", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *PACKAGES], check=True)
    return folder


@contextlib.contextmanager
def running_ironic() -> Iterator[str]:
    """The URL of a fresh Ironic; it and its data are gone at the end of the block. Raises RuntimeError."""
    programs = environment() / "bin"
    with tempfile.TemporaryDirectory(prefix="ironic-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as name:
        folder, port = Path(name), free_port()
        for each in ("http", "tftp"):
            (folder / each).mkdir()
        config = folder / "ironic.conf"
        config.write_text(_config(folder, port))
        argument = f"--config-file={config}"
        # On SQLite only create_schema works: Alembic's upgrade alters constraints, which SQLite cannot.
        subprocess.run([programs / "ironic-dbsync", argument, "create_schema"], check=True, capture_output=True)
        with contextlib.closing(sqlite3.connect(folder / "ironic.sqlite")) as database:
            database.execute("pragma journal_mode=wal")  # else readers and the writer lock one another out
        with (folder / "out").open("wb") as output:
            child = subprocess.Popen([programs / "ironic", argument], stdout=output, stderr=output)
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_ready(url, child, folder)
            yield url
        finally:
            _stop(child)


def _wait_ready(url: str, child: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + START_S
    said = ""
    while time.monotonic() < end and child.poll() is None:
        said = "".join(path.read_text(errors="replace") for path in (folder / "out", folder / "log") if path.exists())
        if READY in said:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(url, timeout=5).close()
                return
        time.sleep(0.3)
    raise RuntimeError(f"Ironic did not come up; it said last:\n{said[-3000:]}")


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Its workers too: Ironic leaves them behind when it does not end in time."""
    workers = psutil.Process(child.pid).children(recursive=True) if child.poll() is None else []
    child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(STOP_S)
    child.kill()
    child.wait()
    for worker in workers:
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()


def _config(folder: Path, port: int) -> str:
    interfaces = "\n".join(f"enabled_{name}_interfaces = {these}" for name, these in INTERFACES.items())
    return f"""
[DEFAULT]
auth_strategy = noauth
log_file = {folder}/log
state_path = {folder}
tempdir = {folder}
rpc_transport = none
host = real-ironic
enabled_hardware_types = fake-hardware,redfish,ipmi
{interfaces}
minimum_required_memory = 100
[api]
host_ip = 127.0.0.1
port = {port}
public_endpoint = http://127.0.0.1:{port}
api_workers = 1
[conductor]
heartbeat_timeout = 1000000
automated_clean = false
[database]
connection = sqlite:///{folder}/ironic.sqlite
[deploy]
http_root = {folder}/http
[pxe]
tftp_root = {folder}/tftp
images_path = {folder}/images
instance_master_path = {folder}/master
tftp_master_path = {folder}/tftp_master
[dhcp]
dhcp_provider = none
[service_catalog]
auth_type = none
endpoint_override = http://127.0.0.1:{port}
[oslo_concurrency]
lock_path = {folder}
[fake]
power_delay = 0
management_delay = 0
"""
