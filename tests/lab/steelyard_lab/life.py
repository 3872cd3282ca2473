"""One machine's life as an operator leads it: each operation by the `baremetal` CLI, with its proof at the machine."""

from __future__ import annotations

import json
import re
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from steelyard_lab import disk, kexec, waterfall
from steelyard_lab.agent.instance_image import NAME, ROOT, Image
from steelyard_lab.baremetal import Baremetal
from steelyard_lab.boot_machine import BootMachine, Firmware
from steelyard_lab.control_plane import ControlPlane
from steelyard_lab.failure import LabError
from steelyard_lab.image_server import Images
from steelyard_lab.lan import API, Lan
from steelyard_lab.matrix import LAST
from steelyard_lab.processes import run

VERB_S, AGENT_S, DEPLOY_S, START_S = 120, 600, 900, 300
UP = "lab-instance: up"


@dataclass(frozen=True, kw_only=True)
class Life:
    """A row of the table in ``lives``. ``steps``: the operations after `create` and `manage`, before `delete`."""

    name: str
    boot: str
    steps: tuple[str, ...]
    firmware: Firmware
    disks: int = 1
    disk_mib: int = 256
    options: tuple[str, ...] = ()  # more words of `baremetal node create`
    is_static: bool = False
    by_kea: bool = False  # Kea gives it its address, not dnsmasq
    shows: str = ""  # what the serial console must show of the way to the instance
    driver_info: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What all lives share."""

    plane: ControlPlane
    network: Lan
    images: Images
    image: Image
    volume: Mapping[str, str]


class Living:
    """Each operation raises LabError when it did not happen, else says what proved it."""

    def __init__(self, life: Life, machine: BootMachine, stage: Stage) -> None:
        self._life, self._machine, self._stage = life, machine, stage
        self._baremetal = Baremetal(stage.plane.clients)
        self._node, self._uuid = life.name, str(uuid.uuid4())

    def operations(self) -> dict[str, Callable[[], str]]:
        return (
            {"create": self._create, "manage": self._manage}
            | {step: getattr(self, self.method_of(step)) for step in self._life.steps}
            | {LAST: self._delete}
        )

    @staticmethod
    def method_of(step: str) -> str:
        return f"_{step.replace(' ', '_')}"

    # ---- enrolment

    def _create(self) -> str:
        life, mode = self._life, self._life.firmware.mode
        words = ["node", "create", "--uuid", self._uuid, "--name", self._node, "--driver", "redfish"]
        words += ["--boot-interface", life.boot, "--no-automated-clean", *life.options]
        for name, value in {**self._machine.driver_info, **life.driver_info}.items():
            words += ["--driver-info", f"{name}={value}"]
        secured = ",secure_boot:true" if life.firmware.is_secured else ""
        words += ["--property", f"capabilities=boot_mode:{mode}{secured}", "--property", "cpu_arch=x86_64"]
        if life.disks:
            hint = {"name": "<in> /dev/md"} if "raid" in life.steps else {"serial": next(iter(self._machine.disks))}
            words += ["--property", f"root_device={json.dumps(hint)}"]
        words += ["--network-data", json.dumps(self._network_data())] if life.is_static else []
        self._baremetal.run(*words)
        self._baremetal.run("port", "create", self._machine.mac, "--node", self._uuid)
        return f"{mode}, {life.boot}"

    def _network_data(self) -> dict[str, object]:
        link = {"id": "nic", "type": "phy", "ethernet_mac_address": self._machine.mac}
        address = {
            "id": "static", "type": "ipv4", "link": "nic", "ip_address": self._machine.address,
            "netmask": "255.255.255.0", "network_id": "lab",
        }  # fmt: skip
        return {"links": [link], "networks": [address], "services": []}

    def _manage(self) -> str:
        self._baremetal.change("manage", self._node, timeout_s=VERB_S)
        return "verified"

    def _provide(self) -> str:
        self._baremetal.change("provide", self._node, timeout_s=VERB_S)
        return "available"

    # ---- deployment

    def _deploy(self) -> str:
        return self._deployed(lambda: self._baremetal.change(
            "deploy", self._node, "--config-drive", self._config_drive(), timeout_s=DEPLOY_S
        ))  # fmt: skip

    def _deploy_kill_boot(self) -> str:
        return self._deploy_and_kill("boot")

    def _deploy_kill_inventory(self) -> str:
        return self._deploy_and_kill("inventory")

    def _deploy_and_kill(self, service: str) -> str:
        """The image stops at its half; the service dies; when it is back, the image goes on."""
        gate = self._stage.images.close_gate(self._node)

        def deploy() -> None:
            self._baremetal.run("node", "deploy", self._node, "--config-drive", self._config_drive())
            try:
                gate.wait_reached(DEPLOY_S, lambda: self._baremetal.check_not_failed(self._node))
                self._stage.plane.kill(service)
            finally:
                gate.opened.set()
            self._baremetal.wait_state(self._node, "active", timeout_s=DEPLOY_S)

        return f"{service} killed when half of the image was there; " + self._deployed(deploy)

    def _rebuild_by_kexec(self) -> str:
        """The same image again. The first time the firmware started it, now the agent does."""
        proof = kexec.Proof(self._node, self._machine, self._stage.plane.clients)
        wanted = json.dumps({"kexec": "true", "boot_mode": self._life.firmware.mode})
        self._tell_instance(capabilities=wanted)
        since = self._machine.mark()
        self._baremetal.run("node", "rebuild", self._node, "--config-drive", self._config_drive())
        proof.wait_for_agent(since, DEPLOY_S, lambda: self._baremetal.check_not_failed(self._node))
        self._baremetal.wait_state(self._node, "active", timeout_s=DEPLOY_S)
        return f"{self._started(since, config_drive=True)}; {proof.seen(since)}"

    def _deploy_partition(self) -> str:
        """A root file system: partitions, and what boots it, are the agent's."""
        self._tell_image(self._stage.image.partition, image_type="partition", root_gb="1", image_disk_format="raw")
        since = self._machine.mark()
        self._baremetal.change("deploy", self._node, "--config-drive", self._config_drive(), timeout_s=DEPLOY_S)
        seen = self._started(since, config_drive=True)
        found = re.search(rf"root file system {ROOT} on \S+", self._machine.said(since))
        if found is None:
            raise LabError(f"the instance finds no file system {ROOT}")
        return f"{seen}; {found.group(0)}"

    def _tell_image(self, image: Path, **more: str) -> None:
        checksum = self._stage.image.sha256(image)
        self._tell_instance(image_source=self._stage.images.url(self._node, image), image_checksum=checksum, **more)

    def _tell_instance(self, **info: str) -> None:
        words = [word for name, value in info.items() for word in ("--instance-info", f"{name}={value}")]
        self._baremetal.run("node", "set", self._node, *words)

    def _deployed(self, deploy: Callable[[], None]) -> str:
        self._tell_image(self._stage.image.qcow2, image_disk_format="qcow2")
        since = self._machine.mark()
        deploy()
        return self._started(since, config_drive=True)

    def _config_drive(self) -> str:
        return json.dumps({"meta_data": {"name": self._node}})

    def _started(self, since: int, *, config_drive: bool = False) -> str:
        """The instance says on the console what it is. → what it said"""
        self._machine.wait_said(UP, since, START_S)
        said = self._machine.said(since)
        found = re.search(rf"lab-instance: ({NAME} started by {self._life.firmware.mode})", said)
        if found is None:
            raise LabError(f"what started is not {NAME} by {self._life.firmware.mode}")
        if config_drive and not re.search(rf'config drive .*"name": ?"{self._node}"', said):
            raise LabError("the instance found no config drive of this node")
        if self._life.is_static and self._stage.network.has_asked_for_address(self._machine.mac):
            raise LabError("the machine asked for an address by DHCP, but should need none")
        return f"serial console: {found.group(1)}" + (", with its config drive" if config_drive else "")

    # ---- other ways to an instance

    def _ramdisk(self) -> str:
        """Kernel and ramdisk of the instance, nothing is written anywhere."""
        files = {"kernel": self._stage.image.kernel, "ramdisk": self._stage.image.initrd}
        urls = {name: self._stage.images.url(self._node, file) for name, file in files.items()}
        self._tell_instance(**urls, ramdisk_kernel_arguments="console=ttyS0,115200 no_timer_check")
        return self._boots_without_agent()

    def _volume(self) -> str:
        volume = self._stage.volume
        self._baremetal.run("volume", "connector", "create", "--node", self._uuid, "--type", "iqn", "--connector-id",
                            f"iqn.2026-01.example:{self._node}")  # fmt: skip
        words = ["volume", "target", "create", "--node", self._uuid, "--type", "iscsi", "--boot-index", "0"]
        words += ["--volume-id", "lab-volume"]
        for name, value in volume.items():
            words += ["--property", f"{name}={value}"]
        self._baremetal.run(*words)
        return self._boots_without_agent()

    def _boots_without_agent(self) -> str:
        since = self._machine.mark()
        self._baremetal.change("deploy", self._node, timeout_s=DEPLOY_S)
        seen, said = self._started(since), self._machine.said(since)
        if "lab-ramdisk" in said:
            raise LabError("the agent's ramdisk was booted")
        if self._life.shows not in said:
            raise LabError(f"the serial console does not show {self._life.shows!r}: it was booted another way")
        seen += f"; on the way: {self._life.shows}" if self._life.shows else ""
        return seen + waterfall.shown(self._node, self._life.firmware, self._stage.plane.clients)

    # ---- cleaning

    def _erase_metadata(self) -> str:
        """A pattern where partition tables and their copies stand is gone, one in the middle is still there."""
        (file,) = self._machine.disks.values()
        disk.write_pattern(file)
        steps = [{"interface": "deploy", "step": "erase_devices_metadata"}]
        self._baremetal.change("clean", self._node, "--clean-steps", json.dumps(steps), timeout_s=AGENT_S)
        left = disk.pattern_left(file)
        if left != {"middle"}:
            raise LabError(f"the pattern is left at: {', '.join(sorted(left)) or 'no place, not even the middle'}")
        return "pattern gone from both ends of the disk; the middle was left alone"

    def _undeploy(self) -> str:
        """With automated cleaning: all that the agent erases by itself."""
        self._baremetal.run("node", "set", self._node, "--automated-clean")
        self._baremetal.change("undeploy", self._node, timeout_s=DEPLOY_S)
        (file,) = self._machine.disks.values()
        blocks, left = disk.blocks_left(file, self._stage.image.raw)
        if left:
            raise LabError(f"{left} of the image's {blocks} blocks are still on the disk")
        return f"cleaned by the agent; none of the image's {blocks} blocks is left on the disk"

    # ---- rescue

    def _rescue(self) -> str:
        password, since = secrets.token_urlsafe(12), self._machine.mark()
        self._baremetal.change("rescue", self._node, "--rescue-password", password, timeout_s=AGENT_S)
        self._machine.wait_said("lab-ramdisk: rescue user", since, START_S)
        found = re.search(r"rescue user rescue:(\$6\$)([^$]+)(\$[^:]+):", self._machine.said(since))
        if found is None:
            raise LabError("the rescue user has no password that was hashed by sha512 crypt")
        made = run(["openssl", "passwd", "-6", "-salt", found.group(2), password]).strip()
        if made != "".join(found.groups()):
            raise LabError("the rescue user has another password")
        return "the ramdisk's user has the password"

    def _unrescue(self) -> str:
        since = self._machine.mark()
        self._baremetal.change("unrescue", self._node, timeout_s=AGENT_S)
        return self._started(since, config_drive=True)

    # ---- ways that are closed

    def _cut_off(self) -> str:
        self._stage.network.cut_off(self._machine.address)
        return f"no connection from {self._machine.address} gets to {API}"

    def _leave_ipv6_alone(self) -> str:
        self._stage.network.leave_ipv6_alone(self._machine.mac)
        return f"nothing that {self._machine.mac} sends by IPv4 gets in"

    # ---- RAID

    def _raid(self) -> str:
        wanted = {"logical_disks": [{"size_gb": "MAX", "raid_level": "1", "controller": "software"}]}
        self._baremetal.run("node", "set", self._node, "--target-raid-config", json.dumps(wanted))
        steps = [{"interface": "raid", "step": each} for each in ("delete_configuration", "create_configuration")]
        self._baremetal.change("clean", self._node, "--clean-steps", json.dumps(steps), timeout_s=AGENT_S)
        return "RAID-1 of two disks made by the agent"

    def _pull_disk(self) -> str:
        self._baremetal.run("node", "power", "off", self._node)
        self._baremetal.wait_for(self._node, timeout_s=VERB_S, power_state="power off")
        serial, since = self._machine.pull_disk(), self._machine.mark()
        self._baremetal.run("node", "power", "on", self._node)
        seen = self._started(since, config_drive=True)
        if "[2/1]" not in self._machine.said(since):
            raise LabError("the instance does not see an array with one disk of two")
        return f"without {serial}: {seen}; array [2/1]"

    def _delete(self) -> str:
        state = self._baremetal.node(self._node)["provision_state"]
        if state not in ("available", "manageable", "enroll"):
            self._baremetal.run("node", "maintenance", "set", self._node)
        self._baremetal.run("node", "delete", self._node)
        return f"deleted, was {state}"


def live(life: Life, machine: BootMachine, stage: Stage) -> dict[str, Callable[[], str]]:
    return Living(life, machine, stage).operations()
