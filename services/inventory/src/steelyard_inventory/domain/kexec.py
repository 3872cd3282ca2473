"""An instance that its ramdisk's agent starts (kexec), so that the machine spares its firmware: who asks for it, and
who may. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from .boot_settings import Asking, asked, boots_from_volume, wants_secure_boot

CAPABILITY = "kexec"
STEP, FACT = "start_by_kexec", "kexec"
DEPLOYS = ("direct", "custom-agent")
NETWORKS = ("flat", "noop")
WORDS = ("", "true", "false")


def is_wanted(node: Asking) -> bool:
    """It is asked for, and nothing stands against it."""
    return asked(node, CAPABILITY) == "true" and not any(obstacles(node))


def obstacles(node: Asking) -> Iterator[str]:
    """Why what is asked for cannot be, with what to do instead; nothing where nobody asks."""
    told = asked(node, CAPABILITY)
    if told not in WORDS:
        yield f"The capability kexec is '{told}': it can be true or false."
    if told != "true":
        return
    deploy, network = node.interfaces.get("deploy"), node.interfaces.get("network")
    if deploy not in DEPLOYS:
        yield _instead(f"needs deploy_interface {' or '.join(DEPLOYS)}, and this is '{deploy}'")
    if network is not None and network not in NETWORKS:
        # The ramdisk would take the instance with it into the provisioning network.
        yield _instead(f"needs network_interface {' or '.join(NETWORKS)}, and this is '{network}'")
    if wants_secure_boot(node):
        yield _instead("starts a kernel that no firmware has checked, and secure_boot is true")
    if boots_from_volume(node):
        yield _instead("starts what was written to a disk, and this instance boots from a volume")


def _instead(why: str) -> str:
    return f"The capability kexec {why}: change that, or set kexec to false."
