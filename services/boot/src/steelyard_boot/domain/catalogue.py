"""The steps that boot provides, as announced to inventory, and what a node must have for them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steelyard_common.contracts.catalogue import Offer, StepSpec
from steelyard_common.errors import InvalidRequest, Unsupported

# Implementations whose work an agent does on the node itself.
AGENT_DEPLOYS = ("direct", "custom-agent", "anaconda")
ADOPTING = "adopting"

WHAT_INSTEAD = {
    "deploy": "Set deploy_interface to 'ramdisk' (an image that runs from memory), 'noop' or 'fake', or adopt a "
    "machine that is installed already.",
    "clean": "Set automated_clean to false, clean by hand with disable_ramdisk, or set deploy_interface to 'noop'.",
    "service": "Choose steps that need no ramdisk and set disable_ramdisk.",
    "rescue": "Use the BMC's console and virtual media, or set rescue_interface to 'fake'.",
}


def _core(interface: str, name: str, description: str, *kinds: str, **more: Any) -> StepSpec:
    return StepSpec(
        interface=interface, name=name, description=description, kinds=dict.fromkeys(kinds, 0), core=True, **more
    )


STEPS: tuple[StepSpec, ...] = (
    _core("deploy", "prepare", "Get everything ready that the deployment needs.", "deploy", "adopt"),
    StepSpec(
        interface="deploy",
        name="deploy",
        description="Bring the image to the node, or the node to the image.",
        kinds={"deploy": 100},
        effects=("replaces what is on the node by the image",),
        undo="undeploy the node; what was on its disks before does not come back",
    ),
    _core("deploy", "clean_up", "Take away what the deployment no longer needs.", "undeploy", "tidy"),
    _core("deploy", "tear_down", "Take the instance off the node.", "undeploy", abortable=False),
    _core("deploy", "take_over", "Look after an instance that is there already.", "adopt"),
    _core("deploy", "prepare_cleaning", "Get the ramdisk ready that cleans.", "clean", effects=("boots a ramdisk",)),
    _core("deploy", "tear_down_cleaning", "Take the ramdisk away that cleaned.", "clean", "tidy"),
    _core("deploy", "prepare_service", "Get the ramdisk ready that services.", "service", effects=("boots a ramdisk",)),
    _core("deploy", "tear_down_service", "Take the ramdisk away that serviced.", "service", "tidy"),
    _core(
        "rescue", "rescue", "Boot the rescue ramdisk.", "rescue",
        implementations=("fake", "agent"), effects=("boots a ramdisk",), undo="unrescue the node",
    ),
    _core("rescue", "unrescue", "Boot the instance again.", "unrescue", implementations=("fake", "agent")),
    _core(
        "rescue", "clean_up", "Take the rescue ramdisk away.", "undeploy", "tidy", implementations=("fake", "agent")
    ),
)  # fmt: skip

OFFER = Offer(
    service="boot",
    provides={
        "boot": ("fake", "ipxe", "pxe", "http-ipxe", "http", "redfish-virtual-media", "redfish-https"),
        "deploy": ("fake", "noop", "ramdisk", *AGENT_DEPLOYS),
        "rescue": ("fake", "agent", "no-rescue"),
        "storage": ("fake", "noop", "external"),
        "network": ("noop", "flat"),
    },
    steps=STEPS,
)


def check_ramdisk(interfaces: Mapping[str, Any], instance_info: Mapping[str, Any]) -> None:
    """What a deployment that runs from memory needs (lifecycle facts §9).

    Errors: InvalidRequest for an image that is not told whole, Unsupported for a boot interface that cannot bring it.
    """
    kernel, ramdisk, iso = (instance_info.get(name) for name in ("kernel", "ramdisk", "boot_iso"))
    if iso and instance_info.get("image_source"):
        raise InvalidRequest("instance_info has both boot_iso and image_source: leave one out")
    if not iso and not (kernel and ramdisk):
        raise InvalidRequest("instance_info needs kernel and ramdisk, or boot_iso, for the deploy interface 'ramdisk'")
    if interfaces.get("boot") != "fake":
        raise Unsupported(
            f"the boot interface '{interfaces.get('boot')}' cannot bring an image to the node yet; "
            "'fake' can, where something else boots the node (its own boot order, a DHCP server of yours)"
        )
