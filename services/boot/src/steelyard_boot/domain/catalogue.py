"""The steps that boot provides, as announced to inventory, and what a node must have for them. Pure.

What follows a deploy step (power, boot device) and what the agent's own steps are is the planner's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from steelyard_common.contracts.catalogue import Offer, StepSpec, args_schema
from steelyard_common.errors import InvalidRequest

BOOTS = ("ipxe", "pxe", "http-ipxe", "http", "redfish-virtual-media", "redfish-https")
# Implementations whose work an agent does on the node itself; those of them that write the disk; those that have one
# for cleaning and service.
AGENT_DEPLOYS = ("direct", "custom-agent", "anaconda")
WRITING = ("direct", "custom-agent")
WITH_AGENT = (*AGENT_DEPLOYS, "ramdisk")
ADOPTING = "adopting"
FETCHING_S = 3600.0  # a ramdisk or image may have to be fetched first
IN_BAND_S = 86_400.0  # erasing large disks; each wait has the engine's own limit
_FLAG = {"type": "boolean", "description": "The agent runs already: leave it alone."}
KEEP = args_schema({"keep_agent": _FLAG})
_KIND = {"type": "string", "enum": ["clean", "deploy", "service"], "description": "Kind of steps."}
_STEP = {"type": "object", "description": "The step as the agent announced it, with its args."}


def _core(interface: str, name: str, description: str, *kinds: str, **more: Any) -> StepSpec:
    return StepSpec(
        interface=interface, name=name, description=description, kinds=dict.fromkeys(kinds, 0), core=True, **more
    )


def _bringing(interface: str, name: str, description: str, *kinds: str, **more: Any) -> StepSpec:
    return _core(
        interface, name, description, *kinds, args=KEEP, timeout_s=FETCHING_S, effects=("boots a ramdisk",), **more
    )


def _deploying(name: str, priority: int, description: str, *implementations: str, **more: Any) -> StepSpec:
    return StepSpec(
        interface="deploy", name=name, description=description, kinds={"deploy": priority},
        implementations=implementations, **more,
    )  # fmt: skip


_CORE: tuple[StepSpec, ...] = (
    _bringing("deploy", "prepare", "Get everything ready that the deployment needs.", "deploy", "adopt"),
    _core("deploy", "clean_up", "Take away what the deployment no longer needs.", "undeploy", "tidy"),
    _core("deploy", "tear_down", "Take the instance off the node.", "undeploy", abortable=False),
    _core("deploy", "take_over", "Look after an instance that is there already.", "adopt"),
    _bringing("deploy", "prepare_cleaning", "Get the ramdisk ready that cleans.", "clean"),
    _core("deploy", "tear_down_cleaning", "Take the ramdisk away that cleaned.", "clean", "tidy", args=KEEP),
    _bringing("deploy", "prepare_service", "Get the ramdisk ready that services.", "service"),
    _core("deploy", "tear_down_service", "Take the ramdisk away that serviced.", "service", "tidy", args=KEEP),
)
_AGENT: tuple[StepSpec, ...] = (
    _core(
        "deploy", "find_agent", "See if the agent is running still.", "clean", "deploy", implementations=WITH_AGENT,
        alone=True,
    ),
    _core(
        "deploy", "read_agent_steps", "Ask the agent which steps it has.", "clean", "deploy", "service",
        implementations=WITH_AGENT, args=args_schema({"kind": _KIND}, "kind"), alone=True, timeout_s=300,
    ),
    _core(
        "deploy", "execute_in_band", "Let the agent run one of its steps.", "clean", "deploy", "service",
        implementations=WITH_AGENT, alone=True, timeout_s=IN_BAND_S, retries=0,
        args=args_schema({"kind": _KIND, "step": _STEP, "version": {"type": "object"}}, "kind", "step"),
    ),
    _core(
        "deploy", "start_by_kexec", "Let the agent start the instance, where that is asked for.", "deploy",
        implementations=WRITING, alone=True, timeout_s=1800, retries=0, effects=("starts the instance",),
    ),
    _core(
        "deploy", "collect_logs", "Keep the agent's logs of what failed.", "tidy", implementations=WITH_AGENT,
        alone=True,
    ),
    _core(
        "deploy", "watch_installer", "Wait until the installer says that it is done.", "deploy",
        implementations=("anaconda",), alone=True, timeout_s=IN_BAND_S,
    ),
)  # fmt: skip
_DEPLOY: tuple[StepSpec, ...] = (
    StepSpec(
        interface="deploy",
        name="deploy",
        description="Bring the image to the node, or the node to the image.",
        kinds={"deploy": 100},
        effects=("replaces what is on the node by the image",),
        undo="undeploy the node; what was on its disks before does not come back",
    ),
    _deploying(
        "write_image", 80, "Write the image and the config drive to the root disk.", "direct", alone=True,
        timeout_s=IN_BAND_S, retries=0, effects=("overwrites the root disk",),
        undo="undeploy the node; what was on its disk before does not come back",
    ),
    _deploying(
        "prepare_instance_boot", 60, "Install the boot loader; boot from the disk from now on.", *WRITING,
        alone=True, timeout_s=1800, effects=("changes the boot loader",),
    ),
    _deploying("tear_down_agent", 40, "Let the agent flush the disks and go.", *WRITING, alone=True, timeout_s=600),
    _deploying("switch_to_tenant_network", 30, "Connect the instance to its own networks.", *WRITING),
    _deploying("boot_instance", 20, "Take the ramdisk away, so that the instance boots.", *WRITING, timeout_s=600),
)  # fmt: skip
_RESCUERS = ("fake", "agent")
_RESCUE: tuple[StepSpec, ...] = (
    _core(
        "rescue", "prepare", "Get the rescue ramdisk ready.", "rescue",
        implementations=("agent",), timeout_s=FETCHING_S, effects=("boots a ramdisk",),
    ),
    _core(
        "rescue", "rescue", "Open the rescue ramdisk to its user.", "rescue", implementations=_RESCUERS,
        timeout_s=600, effects=("boots a ramdisk",), undo="unrescue the node",
    ),
    _core("rescue", "unrescue", "Boot the instance again.", "unrescue", implementations=_RESCUERS, timeout_s=600),
    _core(
        "rescue", "clean_up", "Take the rescue ramdisk away.", "undeploy", "tidy", implementations=_RESCUERS,
        timeout_s=600,
    ),
)  # fmt: skip
_INSPECTION: tuple[StepSpec, ...] = (
    _core(
        "boot", "prepare_inspection", "Get the ramdisk ready that inspects.", "inspect", implementations=BOOTS,
        timeout_s=FETCHING_S, effects=("boots a ramdisk",),
    ),
    _core(
        "boot", "tear_down_inspection", "Take the ramdisk away that inspected.", "inspect", "tidy",
        implementations=BOOTS, args=KEEP, timeout_s=600,
    ),
)  # fmt: skip
# Announced where there is a DNS server that takes updates; what becomes of them never fails a deployment.
DNS_STEPS: tuple[StepSpec, ...] = (
    _core(
        "deploy", "write_dns_records", "Write the DNS records of the instance.", "deploy", implementations=WITH_AGENT,
        alone=True, timeout_s=120, retries=0, effects=("writes DNS records",), undo="undeploy the node",
    ),
    _core(
        "deploy", "remove_dns_records", "Remove the DNS records of the instance.", "undeploy",
        implementations=WITH_AGENT, alone=True, timeout_s=120, retries=0,
    ),
)  # fmt: skip
STEPS: tuple[StepSpec, ...] = (*_CORE, *_AGENT, *_DEPLOY, *_RESCUE, *_INSPECTION)

OFFER = Offer(
    service="boot",
    provides={
        "boot": ("fake", *BOOTS),
        "deploy": ("fake", "noop", "ramdisk", *AGENT_DEPLOYS),
        "rescue": ("fake", "agent", "no-rescue"),
        "storage": ("fake", "noop", "external"),
        "network": ("noop", "flat"),
    },
    steps=STEPS,
)


def offer(*, dns: bool, ramdisks: Iterable[str] = ()) -> Offer:
    """``dns``: there is a DNS server that takes updates; ``ramdisks``: keys of those that nodes need not name."""
    return replace(OFFER, steps=(*STEPS, *(DNS_STEPS if dns else ())), supplies=sorted(ramdisks))


def check_ramdisk(instance_info: Mapping[str, Any]) -> None:
    """What a deployment that runs from memory needs (lifecycle facts §9).

    Errors: InvalidRequest for an image that is not told whole.
    """
    kernel, ramdisk, iso = (instance_info.get(name) for name in ("kernel", "ramdisk", "boot_iso"))
    if iso and instance_info.get("image_source"):
        raise InvalidRequest("instance_info has both boot_iso and image_source: leave one out")
    if not iso and not (kernel and ramdisk):
        raise InvalidRequest("instance_info needs kernel and ramdisk, or boot_iso, for the deploy interface 'ramdisk'")
