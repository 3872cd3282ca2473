"""How a machine comes into a ramdisk, runs steps there, and comes back: the steps around those that were chosen. Pure.

Rule 1  A ramdisk is booted once: after a reboot that is meant to lead into it again the boot device is set again.
Rule 2  What is not needed when the agent is running already says so (``unless``).
Rule 3  A boot device that the BMC cannot set matters only where nothing boots without it (CD, HTTP).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from . import agent_steps, boot_settings
from .agent_steps import ALIVE_FACT, AgentStep, AgentSteps
from .choosing import RESERVED_POWER, Offer
from .plans import ANY, UNSUPPORTED, PlannedStep
from .ramdisks import is_fast
from .workflows import (
    BMC_ALLOWANCE_S,
    HARD_TIMEOUT_S,
    REBOOTS,
    SOFT,
    SOFT_TIMEOUT_S,
    Kind,
    PowerTarget,
)  # fmt: skip

# Deploy interfaces whose machine is switched by us (the others leave power alone), and those that run an agent.
AGENT_CLEANS = frozenset({"direct", "custom-agent", "ansible", "anaconda", "ramdisk", "bootc", "autodetect"})
AGENT_DEPLOYS = AGENT_CLEANS - {"anaconda", "ramdisk"}
POWERED = AGENT_CLEANS
KEEPS = {"keep_agent": True}
# Without these devices a machine still boots what comes first in its own order.
CAN_DO_WITHOUT = frozenset({"pxe", "disk"})
NO_MANAGEMENT = "noop"  # the order is fixed in the firmware


# ---- power


def set_power(offer: Offer, target: PowerTarget, timeout_s: int | None = None, unless: str = "") -> PlannedStep:
    """A power change by the provider of power, with the patience that the target needs."""
    timeout_s = timeout_s or (SOFT_TIMEOUT_S if target in SOFT else HARD_TIMEOUT_S)
    # A reboot, and a soft action that falls back to a hard one, waits twice.
    waits = 2 if target in REBOOTS else 1
    args = {"target": str(target), "timeout_s": timeout_s}
    return offer.builtin(
        "power", "set_power", args, retries=1, alone=True, timeout_s=waits * timeout_s + BMC_ALLOWANCE_S, unless=unless
    )


def switch_off(offer: Offer, unless: str = "") -> list[PlannedStep]:
    """Nothing for a machine that may not be switched off."""
    return [] if offer.node.disable_power_off else [set_power(offer, PowerTarget.OFF, unless=unless)]


def switch_on(offer: Offer, unless: str = "") -> PlannedStep:
    """A machine that may not be switched off is on already: it is rebooted instead."""
    return set_power(offer, PowerTarget.REBOOT if offer.node.disable_power_off else PowerTarget.ON, unless=unless)


# ---- what to boot


def boot_mode(offer: Offer, unless: str = "") -> list[PlannedStep]:
    """The mode that was asked for, where it is not what the BMC told. A BMC that tells none may not set one either."""
    wanted, known = boot_settings.wanted_boot_mode(offer.node), offer.node.boot_mode
    if wanted is None or wanted == known or offer.implementation("management") == NO_MANAGEMENT:
        return []
    optional = UNSUPPORTED if known is None else ""
    args = {"target": wanted}
    return [offer.builtin("management", "set_boot_mode", args, retries=1, optional=optional, unless=unless)]


def secure_boot(offer: Offer, *, on: bool) -> list[PlannedStep]:
    """On before an instance boots that wants it, off when it goes: the next ramdisk may not be signed (lifecycle facts
    §9). A BMC that cannot switch it on fails the deployment."""
    if not boot_settings.wants_secure_boot(offer.node) or offer.implementation("management") == NO_MANAGEMENT:
        return []
    optional = "" if on else UNSUPPORTED
    return [offer.builtin("management", "set_secure_boot", {"target": on}, retries=1, optional=optional)]


def boot_device(offer: Offer, device: str | None, *, persistent: bool, unless: str = "") -> list[PlannedStep]:
    if device is None or offer.implementation("management") == NO_MANAGEMENT:
        return []
    optional = UNSUPPORTED if device in CAN_DO_WITHOUT else ""
    args = {"device": device, "persistent": persistent}
    return [offer.builtin("management", "set_boot_device", args, retries=1, optional=optional, unless=unless)]


def ramdisk_device(offer: Offer, unless: str = "") -> list[PlannedStep]:
    node = offer.node
    device = boot_settings.ramdisk_device(node)
    return boot_device(offer, device, persistent=boot_settings.ramdisk_persists(node), unless=unless)


def is_diskless(offer: Offer) -> bool:
    """The instance boots as a ramdisk does each time: it runs from memory, or from a volume."""
    return offer.deploy_interface == "ramdisk" or boot_settings.boots_from_volume(offer.node)


def instance_device(offer: Offer) -> list[PlannedStep]:
    """What the instance boots from: its disk, or what a ramdisk comes from, too."""
    node = offer.node
    device = boot_settings.ramdisk_device(node) if is_diskless(offer) else boot_settings.DISK
    return boot_device(offer, device, persistent=boot_settings.instance_persists(node))


def dns_records(offer: Offer, verb: str) -> list[PlannedStep]:
    """``verb``: write or remove. Where somebody offers it; nothing fails for it."""
    step = offer.core_if_any("deploy", f"{verb}_dns_records")
    return [] if step is None else [replace(step, optional=ANY)]


# ---- into a ramdisk, and on in it


def into_ramdisk(offer: Offer, prepare: PlannedStep, *, switches: bool) -> list[PlannedStep]:
    """``switches``: off before it is prepared and on behind it; else a reboot behind it. A CD is never changed under a
    running machine."""
    prepare = replace(prepare, unless=ALIVE_FACT, instead=KEEPS)
    device = [*boot_mode(offer, ALIVE_FACT), *ramdisk_device(offer, ALIVE_FACT)]
    if switches or offer.implementation("boot") == boot_settings.VIRTUAL_MEDIA:
        return [*switch_off(offer, ALIVE_FACT), prepare, *device, switch_on(offer, ALIVE_FACT)]
    return [prepare, *device, set_power(offer, PowerTarget.REBOOT, unless=ALIVE_FACT)]


def meet_agent(offer: Offer, without: Iterable[str] = ()) -> list[PlannedStep]:
    """Its first call, and what it says it can do; ``without``: steps that it is not to bring."""
    return [offer.heartbeat(unless=ALIVE_FACT), *read_steps(offer, without)]


def read_steps(offer: Offer, without: Iterable[str] = ()) -> list[PlannedStep]:
    reading = offer.core_if_any("deploy", agent_steps.READ)
    if reading is None:
        return []
    return [replace(reading, args={"kind": str(offer.kind)}, alone=True, without=tuple(sorted(without)))]


def find_agent(offer: Offer) -> list[PlannedStep]:
    """Asks if the agent is running still, where it may be."""
    if not keeps_agent(offer) or offer.node.power_state != "power on":
        return []
    found = offer.core_if_any("deploy", agent_steps.FIND)
    return [] if found is None else [replace(found, alone=True)]


def keeps_agent(offer: Offer) -> bool:
    """Fast track: the agent is kept running between two works, but for one that leaves the instance in place."""
    may = offer.deploy_interface in AGENT_DEPLOYS and offer.kind in (Kind.CLEAN, Kind.DEPLOY, Kind.INSPECT)
    return may and is_fast(offer.node.driver_info, default=offer.rules.fast_track)


def again_into_ramdisk(offer: Offer) -> list[PlannedStep]:
    """A reboot that leads into the same ramdisk, and the wait for its agent."""
    return [*ramdisk_device(offer), set_power(offer, PowerTarget.REBOOT), offer.heartbeat()]


def in_ramdisk(offer: Offer, steps: Iterable[PlannedStep]) -> list[PlannedStep]:
    """Steps as they run while a ramdisk is up: who starts the machine in between wants it to come back there."""
    found: list[PlannedStep] = []
    for step in steps:
        if is_restart(step):
            found += ramdisk_device(offer)
        found.append(step)
        if step.name == agent_steps.EXECUTE and step.args["step"].get("reboot_requested"):
            found += again_into_ramdisk(offer)
    return found


def is_restart(step: PlannedStep) -> bool:
    """A reserved step that starts the machine."""
    asked = step.asked.partition(".")[2]
    return asked in RESERVED_POWER and asked != "power_off"


def in_band(offer: Offer, step: AgentStep, known: AgentSteps, asked: PlannedStep) -> PlannedStep:
    """``asked``, run by the agent. Errors: InvalidRequest for arguments that do not fit; those of ``Offer.core``."""
    step.check_args(asked.args)
    runs = offer.core("deploy", agent_steps.EXECUTE)
    told = step.to_dict() | {"args": asked.args, "priority": asked.priority}
    return replace(
        runs, args={"kind": str(offer.kind), "step": told, "version": known.version}, asked=step.label,
        source=asked.source, priority=asked.priority, abortable=step.abortable, requires_ramdisk=True, alone=True,
    )  # fmt: skip


def by_agent(step: AgentStep, priority: int) -> PlannedStep:
    """A step that the agent brings by itself."""
    return PlannedStep(interface=step.interface, name=step.name, source="agent", priority=priority, is_known=False)
