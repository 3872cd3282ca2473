"""From "this node, that kernel" to a boot model. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard_common.errors import InvalidRequest

from .boot_model import BootModel, Chap, File, Purpose
from .kernel_arguments import appended
from .node_for_boot import BootOf, NodeForBoot

# What every agent's kernel is told: ramdisks made from a distribution would relabel or ask on the console otherwise.
AGENT_ARGUMENTS = ("selinux=0", "troubleshoot=0", "text")
MEDIA_ARGUMENT = "boot_method=vmedia"


@dataclass(frozen=True, kw_only=True)
class Site:
    """What is the same for all nodes. ``api_url``: the API as machines reach it, several addresses with commas;
    ``arguments``: to every kernel."""

    api_url: str = ""
    arguments: str = ""


def compose(boot_id: str, node: NodeForBoot, what: BootOf, site: Site) -> BootModel:
    """Errors: InvalidRequest for arguments no loader carries, or an agent where nobody said where the API is."""
    volumes = what.volumes
    chap = Chap(username=volumes.username, password=volumes.password or "") if volumes and volumes.username else None
    return BootModel(
        boot_id=boot_id,
        purpose=what.purpose,
        kernel=File.of(what.kernel),
        ramdisk=File.of(what.ramdisk),
        iso=File.of(what.iso),
        arguments=arguments(node, what, site) if what.kernel is not None else (),
        drives=volumes.drives if volumes else (),
        initiator=volumes.initiator if volumes else None,
        chap=chap,
        storage_macs=volumes.storage_macs if volumes else (),
        names_nic=(what.agent or what.purpose is Purpose.INSTALL) and not node.by_media,
    )


def arguments(node: NodeForBoot, what: BootOf, site: Site) -> tuple[str, ...]:
    """The site's, the node's own, the agent's, and those of this boot. Errors: InvalidRequest."""
    found = appended(node.own_arguments, site.arguments)
    if what.agent:
        found += (*AGENT_ARGUMENTS, *agent_arguments(what, site))
        if node.by_media:
            found += (MEDIA_ARGUMENT,)
    return found + what.arguments


def agent_arguments(what: BootOf, site: Site) -> tuple[str, ...]:
    """Where the agent finds the API (lifecycle facts §11). Never the token: a script can be read by anybody."""
    if what.called is not None:
        return ()
    if not site.api_url:
        raise InvalidRequest(
            "the agent cannot be told where the API is: set STEELYARD_AGENT_API_URL of the boot service to the API's"
            " address as machines reach it"
        )
    found = [f"ipa-api-url={site.api_url}"]
    if what.purpose is Purpose.INSPECT:
        callbacks = ",".join(f"{url}/v1/continue_inspection" for url in site.api_url.split(","))
        found.append(f"ipa-inspection-callback-url={callbacks}")
    return tuple(found)


def local(boot_id: str) -> BootModel:
    """The node's own disk."""
    return BootModel(boot_id=boot_id, purpose=Purpose.LOCAL)
