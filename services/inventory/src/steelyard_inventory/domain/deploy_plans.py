"""How chosen deploy steps become a deployment: what the machinery does before, between and after them. Pure.

AFTER is a table: a deploy step → what follows it (lifecycle facts §3, §7). So that a step which a user took out takes
what belongs to it along, and one that the agent brings finds its place by its priority.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from . import agent_steps, kexec
from .choosing import Offer
from .plans import ANY, PlannedStep
from .ramdisk_plans import (
    AGENT_DEPLOYS,
    POWERED,
    boot_mode,
    dns_records,
    find_agent,
    in_ramdisk,
    instance_device,
    into_ramdisk,
    is_diskless,
    meet_agent,
    ramdisk_device,
    secure_boot,
    set_power,
    switch_off,
    switch_on,
)
from .workflows import PowerTarget

LEAVES_S = 120  # an installer that is asked to go has so long
BOOTS = "deploy.deploy"  # the step that leads into the ramdisk
LEAVES = "deploy.tear_down_agent"
POWER = "power.set_power"
Chosen = Sequence[PlannedStep]


def deployment(offer: Offer, chosen: Chosen, without: Iterable[str] = ()) -> list[PlannedStep]:
    """``chosen``: by priority; ``without``: steps that the agent's are not to bring back. Errors: those of
    ``Offer.core``."""
    prepare = offer.core("deploy", "prepare")
    if meets_agent(offer):
        return _by_agent(offer, prepare, chosen, without)
    if offer.deploy_interface not in POWERED:
        return [prepare, *chosen, *_ended(offer)]
    diskless = is_diskless(offer)
    device = instance_device(offer) if diskless else ramdisk_device(offer)
    steps = [*switch_off(offer), prepare, *boot_mode(offer), *device]
    for step in chosen:
        if diskless and step.source == "driver" and step.interface == "deploy" and step.label != BOOTS:
            continue  # what an agent would do to a disk
        steps.append(step)
        if step.label == BOOTS:
            steps += [*secure_boot(offer, on=True)] if diskless else []
            steps += [switch_on(offer), *([] if diskless else _installed(offer))]
    return [*steps, *_ended(offer)]


def meets_agent(offer: Offer) -> bool:
    """Whether a deployment boots an agent, which a node without anything to write has no use for."""
    return offer.deploy_interface in AGENT_DEPLOYS and not is_diskless(offer)


def _by_agent(offer: Offer, prepare: PlannedStep, chosen: Chosen, without: Iterable[str]) -> list[PlannedStep]:
    *into, on = into_ramdisk(offer, prepare, switches=True)
    place = next((number for number, step in enumerate(chosen) if step.label == BOOTS), None)
    if place is None:
        return [*into, *rest(offer, chosen)]
    before = [step for step in chosen[:place] if not is_in_band(step)]
    early = [step for step in chosen[:place] if is_in_band(step)]
    left = rest(offer, [*early, *chosen[place + 1 :]])
    return [*find_agent(offer), *into, *before, chosen[place], on, *meet_agent(offer, without), *left]


def rest(offer: Offer, chosen: Chosen) -> list[PlannedStep]:
    """What is left of a deployment once its agent is up."""
    inside, outside = _parted(chosen)
    start, last = _by_kexec(offer, _followed(offer, outside, chosen))
    return [*_followed(offer, in_ramdisk(offer, inside), chosen), *start, *last, *_ended(offer)]


def _followed(offer: Offer, steps: Chosen, chosen: Chosen) -> list[PlannedStep]:
    """Each with what belongs behind it."""
    return [each for step in steps for each in (step, *AFTER.get(step.label, _nothing)(offer, chosen))]


def _by_kexec(offer: Offer, last: Chosen) -> tuple[Chosen, Chosen]:
    """``last``: from the agent's leave on. → the step that starts the instance instead, where somebody asks for that
    and it is offered, and ``last`` with what that spares. If it fails, the machine goes through its firmware."""
    start = offer.core_if_any("deploy", kexec.STEP) if last and kexec.is_wanted(offer.node) else None
    if start is None:
        return [], last
    told = [replace(step, unless=kexec.FACT) if _switches(step) else step for step in last]
    return [replace(start, optional=ANY, retries=0, alone=True)], told


def _switches(step: PlannedStep) -> bool:
    """It brings the machine out of the ramdisk, and nobody asked for it."""
    return step.label == LEAVES or (step.label == POWER and step.source == "core")


def _parted(chosen: Chosen) -> tuple[Chosen, Chosen]:
    """Before and after the agent leaves. In-band steps of a lower priority run as late as they can: before that."""
    place = next((number for number, step in enumerate(chosen) if step.label == LEAVES), len(chosen))
    late = [step for step in chosen[place:] if is_in_band(step)]
    return [*chosen[:place], *late], [step for step in chosen[place:] if not is_in_band(step)]


def _nothing(_offer: Offer, _chosen: Chosen) -> list[PlannedStep]:
    return []


def _switched_off(offer: Offer, _chosen: Chosen) -> list[PlannedStep]:
    return switch_off(offer)


def _booted(offer: Offer, chosen: Chosen) -> list[PlannedStep]:
    """Whoever took out the step that switches the machine off gets it rebooted: it must leave the ramdisk."""
    is_off = any(step.label == LEAVES for step in chosen)
    return [*secure_boot(offer, on=True), switch_on(offer) if is_off else set_power(offer, PowerTarget.REBOOT)]


AFTER: dict[str, Callable[[Offer, Chosen], list[PlannedStep]]] = {
    "deploy.prepare_instance_boot": lambda offer, _chosen: instance_device(offer),
    "deploy.set_boot_to_disk": lambda offer, _chosen: instance_device(offer),
    LEAVES: _switched_off,
    "deploy.boot_instance": _booted,
}


def _installed(offer: Offer) -> list[PlannedStep]:
    """An installer of its own tells how it goes; when it is done the machine boots what it wrote.

    It switches the machine off by itself when it has left the disk. One that does not is asked to before the power is
    cut, so that what it wrote is on the disk.
    """
    watch = offer.core_if_any("deploy", "watch_installer")
    if watch is None:
        return []
    off = switch_off(offer)
    asked = [replace(set_power(offer, PowerTarget.SOFT_OFF, LEAVES_S), optional=ANY)] if off else []
    return [watch, *asked, *off, *instance_device(offer), *secure_boot(offer, on=True), switch_on(offer)]


def is_in_band(step: PlannedStep) -> bool:
    """It cannot run before the agent is up."""
    return step.requires_ramdisk or not step.is_known or step.name == agent_steps.EXECUTE


def _ended(offer: Offer) -> list[PlannedStep]:
    """The instance runs: its names in the DNS, its console."""
    start = offer.core_if_any("console", "start") if offer.node.console_enabled else None
    return [*dns_records(offer, "write"), *([start] if start else [])]
