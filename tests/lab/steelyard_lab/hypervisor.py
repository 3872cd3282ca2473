"""libvirt, which runs machines, and sushy-emulator, which is the Redfish BMC of each, with TLS and a password."""

from __future__ import annotations

import socket
import ssl
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import bcrypt

from steelyard_lab.failure import LabError
from steelyard_lab.machine import running_qemu
from steelyard_lab.processes import Daemon, free_port, run

USER, PASSWORD = "lab", "redfish-lab-secret"
DEBIAN_PYTHON = Path("/usr/lib/python3/dist-packages")
LIBVIRTD_CONFIG = 'auth_unix_ro = "none"\nauth_unix_rw = "none"\n'
QEMU_CONFIG = """user = "root"
group = "root"
security_driver = "none"
stdio_handler = "file"
cgroup_controllers = []
namespaces = []
dynamic_ownership = 0
"""
SECURED_CODE = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"
VARIABLES, SECURED_VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"
# One slot: a second one is a floppy drive in sushy-tools, which the chipset of UEFI machines lacks.
MEDIA_SLOTS = {"Cd": {"Name": "Virtual CD", "MediaTypes": ["CD", "DVD"]}}


class Hypervisor:
    """Machines are known by their domain's name and by their system UUID."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self._certificate = folder / "bmc.pem"

    def driver_info(self, system: uuid.UUID) -> dict[str, str]:
        """How an operator tells the API of this machine's BMC."""
        return {
            "redfish_address": f"https://127.0.0.1:{self.port}",
            "redfish_system_id": f"/redfish/v1/Systems/{system}",
            "redfish_username": USER,
            "redfish_password": PASSWORD,
            "redfish_verify_ca": str(self._certificate),
        }

    def define(self, name: str, definition: str) -> None:
        file = self.folder / f"{name}.xml"
        file.write_text(definition)
        run(["virsh", "-q", "define", file])

    def qemu_pid(self, name: str) -> int | None:
        """The process that is this machine now; None while it is switched off."""
        return running_qemu(Path(f"/run/libvirt/qemu/{name}.pid"))

    def switch_off(self, name: str) -> None:
        if self.qemu_pid(name):
            run(["virsh", "-q", "destroy", name])

    def answers(self) -> bool:
        """Whether the BMC speaks TLS and its certificate is the one that clients are told to trust."""
        context = ssl.create_default_context(cafile=str(self._certificate))
        try:
            with (
                socket.create_connection(("127.0.0.1", self.port), 5) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1"),
            ):
                return True
        except OSError:
            return False


@contextmanager
def hypervisor(folder: Path, environ: Mapping[str, str]) -> Iterator[Hypervisor]:
    """Starts libvirtd and the BMCs. Ends both, and every machine; expects private /run and /etc/libvirt."""
    made = Hypervisor(folder, free_port())
    with ExitStack() as stack:
        _start_libvirtd(stack, folder, environ)
        stack.callback(_switch_all_off)
        _make_pool(folder / "media")
        _start_emulator(stack, folder, made, environ)
        yield made


def _start_libvirtd(stack: ExitStack, folder: Path, environ: Mapping[str, str]) -> None:
    Path("/etc/libvirt/libvirtd.conf").write_text(LIBVIRTD_CONFIG)
    Path("/etc/libvirt/qemu.conf").write_text(QEMU_CONFIG)
    arguments = ["libvirtd", "-f", "/etc/libvirt/libvirtd.conf", "-p", "/run/libvirtd.pid"]
    libvirtd = stack.enter_context(Daemon("libvirtd", arguments, folder / "libvirtd.log", environ))
    libvirtd.wait_until_ready(_libvirt_answers, timeout_s=120)


def _make_pool(place: Path) -> None:
    """Where the emulator keeps inserted media: libvirt's storage pool of this name."""
    place.mkdir()
    run(["virsh", "-q", "pool-define-as", "default", "dir", "--target", place])
    run(["virsh", "-q", "pool-start", "default"])


def _start_emulator(stack: ExitStack, folder: Path, made: Hypervisor, environ: Mapping[str, str]) -> None:
    key, config, passwords, certificate = (
        folder / each for each in ("bmc.key", "emulator.conf", "htpasswd", "bmc.pem")
    )
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=lab-bmc"]
    run([*request, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate])
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    passwords.write_text(f"{USER}:{hashed}\n")
    state = folder / "emulator"
    state.mkdir()
    settings = {
        "LISTEN_IP": "127.0.0.1",
        "LISTEN_PORT": made.port,
        "SSL_CERT": str(certificate),
        "SSL_KEY": str(key),
        "AUTH_FILE": str(passwords),
        "LIBVIRT_URI": "qemu:///system",
        "STATE_DIR": str(state),
        "VMEDIA_DEVICES": MEDIA_SLOTS,
        "BOOT_LOADER_MAP": {"UEFI": {"x86_64": SECURED_CODE}, "Legacy": {"x86_64": None}},
        "SECURE_BOOT_ENABLED_NVRAM": SECURED_VARIABLES,
        "SECURE_BOOT_DISABLED_NVRAM": VARIABLES,
    }
    config.write_text("".join(f"SUSHY_EMULATOR_{name} = {value!r}\n" for name, value in settings.items()))
    arguments: list[str | Path] = [Path(sys.executable).with_name("sushy-emulator"), "--config", config]
    surroundings = {**environ, "PYTHONPATH": str(_libvirt_module(folder))}
    emulator = stack.enter_context(Daemon("sushy-emulator", arguments, folder / "emulator.log", surroundings))
    emulator.wait_until_ready(made.answers, timeout_s=120)


def _libvirt_module(folder: Path) -> Path:
    """A folder with Debian's libvirt module alone: its whole dist-packages would shadow the environment's packages."""
    module = folder / "python"
    module.mkdir()
    for file in DEBIAN_PYTHON.glob("libvirt*"):
        (module / file.name).symlink_to(file)
    return module


def _switch_all_off() -> None:
    for name in run(["virsh", "-q", "list", "--name"]).split():
        run(["virsh", "-q", "destroy", name])


def _libvirt_answers() -> bool:
    try:
        return bool(run(["virsh", "-q", "version"]))
    except LabError:
        return False
