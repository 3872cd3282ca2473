"""A QEMU machine with a Redfish BMC: libvirt runs the machine, sushy-emulator is its BMC, with TLS and a password."""

from __future__ import annotations

import socket
import ssl
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from xml.etree import ElementTree  # only XML that our own libvirtd wrote is read

import bcrypt

from steelyard_lab.console import Console
from steelyard_lab.failure import LabError
from steelyard_lab.machine import running_qemu
from steelyard_lab.processes import Daemon, free_port, run

USER, PASSWORD = "lab", "redfish-lab-secret"
DOMAIN = "steelyard-lab-redfish"
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
DOMAIN_XML = """<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/><bios useserial='yes'/></os>
  <features><acpi/></features>
  <on_reboot>restart</on_reboot>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='{disk}'/><target dev='hda' bus='ide'/>
    </disk>
    <interface type='user'><model type='virtio'/></interface>
    <serial type='file'><source path='{console}' append='on'/><target port='0'/></serial>
    <video><model type='none'/></video>
    <memballoon model='none'/>
  </devices>
</domain>
"""


class RedfishMachine:
    name = "redfish"
    driver = "redfish"
    api_can_read_boot_device = True

    def __init__(self, folder: Path, port: int, system: uuid.UUID) -> None:
        self.console = Console(folder / "console.log")
        self.driver_info = {
            "redfish_address": f"https://127.0.0.1:{port}",
            "redfish_system_id": f"/redfish/v1/Systems/{system}",
            "redfish_username": USER,
            "redfish_password": PASSWORD,
            "redfish_verify_ca": str(folder / "bmc.pem"),
        }
        self._port = port
        self._certificate = folder / "bmc.pem"

    def qemu_pid(self) -> int | None:
        return running_qemu(Path(f"/run/libvirt/qemu/{DOMAIN}.pid"))

    def boot_device(self) -> str:
        """What libvirt will try first: the device with boot order 1, or the first word of `<os>`."""
        domain = ElementTree.fromstring(run(["virsh", "-q", "dumpxml", "--inactive", DOMAIN]))  # noqa: S314
        if domain.find("./devices/interface/boot[@order='1']") is not None:
            return "pxe"
        if domain.find("./devices/disk/boot[@order='1']") is not None:
            return "disk"
        first = domain.find("./os/boot")
        word = first.get("dev", "") if first is not None else ""
        return {"network": "pxe", "hd": "disk"}.get(word, word)

    def answers(self) -> bool:
        """Whether the BMC speaks TLS and its certificate is the one that clients are told to trust."""
        context = ssl.create_default_context(cafile=str(self._certificate))
        try:
            with (
                socket.create_connection(("127.0.0.1", self._port), 5) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1"),
            ):
                return True
        except OSError:
            return False


@contextmanager
def redfish_machine(folder: Path, disk: Path, environ: Mapping[str, str]) -> Iterator[RedfishMachine]:
    """Starts libvirtd, defines the machine, starts its BMC. Ends all of them; expects private /run and /etc/libvirt."""
    port, system = free_port(), uuid.uuid4()
    machine = RedfishMachine(folder, port, system)
    with ExitStack() as stack:
        _start_libvirtd(stack, folder, environ)
        definition = folder / "domain.xml"
        definition.write_text(DOMAIN_XML.format(name=DOMAIN, uuid=system, disk=disk, console=machine.console.path))
        run(["virsh", "-q", "define", definition])
        stack.callback(_switch_off, machine)
        _start_emulator(stack, folder, machine, port, environ)
        yield machine


def _start_libvirtd(stack: ExitStack, folder: Path, environ: Mapping[str, str]) -> None:
    Path("/etc/libvirt/libvirtd.conf").write_text(LIBVIRTD_CONFIG)
    Path("/etc/libvirt/qemu.conf").write_text(QEMU_CONFIG)
    arguments = ["libvirtd", "-f", "/etc/libvirt/libvirtd.conf", "-p", "/run/libvirtd.pid"]
    libvirtd = stack.enter_context(Daemon("libvirtd", arguments, folder / "libvirtd.log", environ))
    libvirtd.wait_until_ready(_libvirt_answers, timeout_s=60)


def _start_emulator(
    stack: ExitStack, folder: Path, machine: RedfishMachine, port: int, environ: Mapping[str, str]
) -> None:
    key, config, passwords = folder / "bmc.key", folder / "emulator.conf", folder / "htpasswd"
    certificate = folder / "bmc.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=lab-bmc"]
    run([*request, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate])
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    passwords.write_text(f"{USER}:{hashed}\n")
    settings = {
        "LISTEN_IP": "127.0.0.1",
        "LISTEN_PORT": port,
        "SSL_CERT": str(certificate),
        "SSL_KEY": str(key),
        "AUTH_FILE": str(passwords),
        "LIBVIRT_URI": "qemu:///system",
    }
    config.write_text("".join(f"SUSHY_EMULATOR_{name} = {value!r}\n" for name, value in settings.items()))
    arguments: list[str | Path] = [Path(sys.executable).with_name("sushy-emulator"), "--config", config]
    surroundings = {**environ, "PYTHONPATH": str(_libvirt_module(folder))}
    emulator = stack.enter_context(Daemon("sushy-emulator", arguments, folder / "emulator.log", surroundings))
    emulator.wait_until_ready(machine.answers, timeout_s=60)


def _libvirt_module(folder: Path) -> Path:
    """A folder with Debian's libvirt module alone: its whole dist-packages would shadow the environment's packages."""
    module = folder / "python"
    module.mkdir()
    for file in DEBIAN_PYTHON.glob("libvirt*"):
        (module / file.name).symlink_to(file)
    return module


def _switch_off(machine: RedfishMachine) -> None:
    if machine.qemu_pid():
        run(["virsh", "-q", "destroy", DOMAIN])


def _libvirt_answers() -> bool:
    try:
        return bool(run(["virsh", "-q", "version"]))
    except LabError:
        return False
