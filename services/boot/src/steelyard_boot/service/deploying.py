"""What the agent does on a node (lifecycle facts §7, §9, §12): its own steps, image, boot loader, farewell, rescue."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from steelyard_common.contracts.steps import Again, Done, Failed, StepResult
from steelyard_common.errors import (
    Conflict,
    DeviceRefused,
    SteelyardError,
    Unsupported,
)
from steelyard_common.provider import Clock, Slice
from steelyard_common.secrets import Sealer
from steelyard_common.telemetry import get_logger

from ..domain.agent_view import node_for_agent, ports_for_agent
from ..domain.artifacts import Fetching
from ..domain.deploy_rules import ALWAYS, NEVER, DeployRules
from ..domain.images import LOCAL, image, image_info
from ..domain.node_for_boot import NodeForBoot, wanted_mode
from ..drivers.agent import MISMATCH, SUCCEEDED, Command
from ..drivers.agent_logs import AgentLogs
from .agents import Agents
from .inband import MARK, InBand, failure, mark
from .instance_parts import InstanceParts
from .ramdisks import FETCH_S, Ramdisks

log = get_logger(__name__)
KINDS = ("clean", "deploy", "service")
READ_TIMEOUT_S, LOGS_TIMEOUT_S = 90.0, 90.0
POWER_OFF = "standby.power_off"
PASSWORD = "/hashed_rescue_password"  # noqa: S105 - a JSON pointer


@dataclass(frozen=True, kw_only=True)
class Helpers:
    """Who does what a deployment needs."""

    agents: Agents
    inband: InBand
    ramdisks: Ramdisks
    parts: InstanceParts
    sealer: Sealer
    logs: AgentLogs
    clock: Clock


class Deploying:
    """Step functions: each may be run again."""

    def __init__(self, helpers: Helpers, rules: DeployRules) -> None:
        self._by = helpers
        self._rules = rules

    # ---- what the agent can do

    def find_agent(self, piece: Slice) -> StepResult:
        return Done(facts={"agent_alive": self._by.inband.is_alive(piece)})

    def read_agent_steps(self, piece: Slice) -> StepResult:
        """Args: ``kind``. The steps of all hardware managers, in one list."""
        kind = _kind(piece)

        def ask() -> StepResult:
            steps, version = self.steps(piece, kind)
            return Done(facts={"agent_steps": {"kind": kind, "version": version, "steps": steps}})

        return self._by.inband.asking(piece, ask)

    def execute_in_band(self, piece: Slice) -> StepResult:
        """Args: ``kind``, ``step`` as the agent announced it, with its ``args``; ``version`` of its managers."""
        step = dict(piece.step.args["step"])
        return self._execute(piece, _kind(piece), step, f"{step.get('interface')}.{step.get('step')}")

    # ---- deploying

    def prepare(self, piece: Slice) -> StepResult:
        """The image makes sense; what boot fetches is begun."""
        made = image(piece.node, self._rules.images)
        if made.by == LOCAL:
            self._by.parts.fetched(piece, made)
        return Done()

    def write_image(self, piece: Slice) -> StepResult:
        """The image and the config drive onto the disk: the agent's own step of that name."""
        made = image(piece.node, self._rules.images)
        artifact = (
            self._by.parts.fetched(piece, made) if made.by == LOCAL and "command" not in piece.step.memo else None
        )
        if isinstance(artifact, Fetching):
            text = f"the image is fetched: {artifact.text}"
            return Again(after_s=FETCH_S, memo=piece.step.memo, progress=text)
        if "command" in piece.step.memo:  # nothing is sent any more
            return self._execute(piece, "deploy", {}, "write_image")
        drive = self._by.parts.config_drive(piece)
        mode = wanted_mode(
            piece.node.get("properties") or {}, piece.node.get("instance_info") or {}, piece.node.get("boot_mode")
        )
        info = image_info(piece.node, made, artifact, self._rules.images, mode, self._by.parts.authorization(piece))
        if drive:
            info["configdrive"] = drive
        step = {
            "interface": "deploy", "step": "write_image", "priority": 80,
            "args": {"image_info": info, "configdrive": drive},
        }  # fmt: skip
        return self._execute(piece, "deploy", step, "write_image")

    def prepare_instance_boot(self, piece: Slice) -> StepResult:
        """The boot loader, by the agent; from now on the machine boots its own disk."""
        made = image(piece.node, self._rules.images)
        mode = wanted_mode(
            piece.node.get("properties") or {}, piece.node.get("instance_info") or {}, piece.node.get("boot_mode")
        )
        if "command" in piece.step.memo:
            return self._install(piece, {})

        def ask() -> StepResult:
            found = self._by.inband.ask(piece, "standby.get_partition_uuids").result
            return self._install(piece, _loader_params(found, mode, piece.node, is_partition=made.is_partition))

        return self._by.inband.asking(piece, ask)

    def prepare_custom_boot(self, piece: Slice) -> StepResult:
        """Whoever wrote the disk made it boot: the machine is only told to."""
        self._by.ramdisks.local(piece)
        return Done()

    def tear_down_agent(self, piece: Slice) -> StepResult:
        """Its logs, if they are always wanted; what is written is on the disk; it goes, or takes its network down."""
        self.keep_logs(piece)
        if piece.node.get("disable_power_off"):
            return self._farewell(piece, "system.lockdown")
        if _is_true(piece.driver_info.get("deploy_forces_oob_reboot")):
            return self._farewell(piece, "standby.sync")
        return self._farewell(piece, "standby.sync", POWER_OFF)

    def boot_instance(self, piece: Slice) -> StepResult:
        """The machine is off: nothing of the ramdisk stays, then it may start."""
        self._by.ramdisks.take_away(piece)
        self._by.parts.release(piece)
        return Done()

    def clean_up(self, piece: Slice) -> StepResult:
        self._by.ramdisks.take_away(piece, whole=True)
        return Done()

    def collect_logs(self, piece: Slice) -> StepResult:
        """After a failure. Errors: those of the agent, which may be what failed."""
        if self._rules.logs == NEVER or not self._by.logs.is_on:
            return Done()
        self._collect(piece, "failure")
        return Done()

    # ---- rescue

    def finalize_rescue(self, piece: Slice) -> StepResult:
        """The password, as a hash; the agent serves no more after that."""
        sealed = (piece.node.get("sealed_instance") or {}).get(PASSWORD)
        if not sealed:
            raise Conflict("no rescue password is known for this node: ask for the rescue again")
        params = {"rescue_password": self._by.sealer.open(sealed), "hashed": True}

        def ask() -> StepResult:
            self._by.inband.ask(piece, "rescue.finalize_rescue", params)
            self._by.ramdisks.local(piece)
            self._by.agents.forget(piece.node["uuid"])
            return Done()

        return self._by.inband.asking(piece, ask)

    # ---- what other works ask of the agent, too

    def steps(self, piece: Slice, kind: str) -> tuple[list[Mapping[str, Any]], Any]:
        """→ those of all its hardware managers, and their versions. Errors: those of the agent."""
        command = self._by.inband.ask(piece, f"{kind}.get_{kind}_steps", self._told(piece), READ_TIMEOUT_S)
        result = command.result if isinstance(command.result, Mapping) else {}
        by_manager = result.get(f"{kind}_steps")
        listed = by_manager.values() if isinstance(by_manager, Mapping) else ()
        steps = [step for each in listed if isinstance(each, list) for step in each if isinstance(step, Mapping)]
        version = result.get("hardware_manager_version") or {}
        self._by.agents.remember(piece.node["uuid"], kind, version)
        return steps, version

    def order(self, piece: Slice, kind: str, step: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The command that lets it run one of its steps, with its parameters. Errors: Conflict when none has called."""
        version = piece.step.args.get("version") or self._by.inband.session(piece).versions.get(kind)
        params = {"step": {**step, MARK: mark(piece)}, **self._told(piece), f"{kind}_version": version}
        return f"{kind}.execute_{kind}_step", params

    def keep_logs(self, piece: Slice) -> None:
        """As it leaves, where they are always wanted. Errors: those of the agent."""
        if self._rules.logs == ALWAYS:
            self._collect(piece, "deploy")

    # ---- inside

    def _told(self, piece: Slice) -> dict[str, Any]:
        return {"node": node_for_agent(piece.node, self._rules.erasing), "ports": ports_for_agent(piece.node)}

    def _execute(self, piece: Slice, kind: str, step: dict[str, Any], words: str) -> StepResult:
        name, params = self.order(piece, kind, step)

        def then(command: Command) -> StepResult:
            if command.status == SUCCEEDED:
                return Done()
            if command.status == MISMATCH:
                return Done(facts={"agent_version_mismatch": True})
            return Failed(error=failure(words, command))

        return self._by.inband.run(piece, name, params, words, then)

    def _install(self, piece: Slice, params: Mapping[str, Any]) -> StepResult:
        def then(command: Command) -> StepResult:
            if command.status != SUCCEEDED:
                return Failed(error=failure("image.install_bootloader", command))
            self._by.ramdisks.local(piece)
            return Done()

        return self._by.inband.run(piece, "image.install_bootloader", params, "installing the boot loader", then)

    def _farewell(self, piece: Slice, *names: str) -> StepResult:
        """What the agent no longer answers is taken for done: its machine is switched by its BMC next."""
        for name in names:
            try:
                if name == POWER_OFF:
                    self._by.inband.begin(piece, name)
                else:
                    self._by.inband.ask(piece, name)
            except SteelyardError as error:
                if name == "standby.sync" and isinstance(error, DeviceRefused):
                    return Failed(error=error)
                log.warning("the agent did not say farewell", node=piece.node["uuid"], command=name, why=error.message)
        return Done()

    def _collect(self, piece: Slice, purpose: str) -> None:
        """Errors: those of the agent."""
        command = self._by.inband.ask(piece, "log.collect_system_logs", timeout_s=LOGS_TIMEOUT_S)
        result = command.result
        packed = result.get("system_logs") if isinstance(result, Mapping) else result
        try:
            content = base64.b64decode(str(packed or ""), validate=True)
            file = self._by.logs.keep(piece.node["uuid"], purpose, content, self._by.clock())
        except (binascii.Error, OSError) as error:
            log.warning("the agent's logs were not kept", node=piece.node["uuid"], reason=str(error))
            return
        log.info("the agent's logs are kept", node=piece.node["uuid"], file=str(file))


def _kind(piece: Slice) -> str:
    kind = str(piece.step.args.get("kind"))
    if kind not in KINDS:
        raise Unsupported(f"the agent has no steps of the kind '{kind}'")
    return kind


def _loader_params(found: Any, mode: str, node: Mapping[str, Any], *, is_partition: bool) -> dict[str, Any]:
    """Errors: DeviceRefused when a partition image has no root partition."""
    uuids: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    root = uuids.get("root uuid")
    if is_partition and not root:
        raise DeviceRefused("the agent found no root partition: is this a partition image?")
    arch = NodeForBoot.from_view(node).arch
    return {
        "root_uuid": root,
        "efi_system_part_uuid": uuids.get("efi system partition uuid") if is_partition and mode == "uefi" else None,
        "prep_boot_part_uuid": uuids.get("PReP Boot partition uuid") if arch.startswith("ppc64") else None,
        "target_boot_mode": mode,
    }


def _is_true(value: Any) -> bool:
    return value is True or str(value).strip().lower() in ("true", "yes", "on", "1")
