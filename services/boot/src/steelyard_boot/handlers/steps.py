"""Table of contents of boot: step → implementation → what runs it.

What an agent or a ramdisk is needed for comes as ``Works``; a boot service without them has none of these steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from steelyard_common.contracts.steps import Failed, StepResult
from steelyard_common.errors import Conflict
from steelyard_common.provider import Clock, Functions, Slice, StepFunction
from steelyard_common.provider.fakes import FAKE, switched
from steelyard_common.provider.slices import by_implementation, nothing_to_do

from ..domain.boot_model import Purpose
from ..domain.catalogue import BOOTS, DNS_STEPS, STEPS
from ..service.artifacts import Unmade
from ..service.deploying import Deploying
from ..service.dns import DnsRecords
from ..service.installing import Installing
from ..service.kexec import Kexec
from ..service.ramdisks import Ramdisks
from ..service.steps import in_order, look_at_image, look_at_ramdisk, unless_adopted
from ..service.volume_boots import VolumeBoots

Row = Mapping[str, StepFunction]


@dataclass(frozen=True, kw_only=True)
class Works:
    """Who brings ramdisks, and who speaks to agents."""

    ramdisks: Ramdisks
    deploying: Deploying
    installing: Installing
    kexec: Kexec
    volumes: VolumeBoots
    dns: DnsRecords | None = None


def step_functions(clock: Clock, works: Works | None = None) -> Functions:
    """The rows of ``domain.catalogue``."""
    fake = switched(clock)
    own = _functions(works) if works is not None else {}
    table: dict[tuple[str, str], StepFunction] = {}
    for spec in (*STEPS, *(DNS_STEPS if works is not None and works.dns is not None else ())):
        row: dict[str, StepFunction] = {FAKE: fake}
        if spec.interface == "deploy":
            row["noop"] = nothing_to_do
        table[spec.interface, spec.name] = settled(
            by_implementation({**row, **_always(spec.name), **own.get((spec.interface, spec.name), {})})
        )
    return table


def settled(function: StepFunction) -> StepFunction:
    """What cannot be fetched or made here fails the step: a message that is given again would go round for hours."""

    def run(piece: Slice) -> StepResult:
        try:
            return function(piece)
        except Unmade as error:
            return Failed(error=Conflict(error.message))

    return run


def _always(name: str) -> Row:
    """What needs neither agent nor ramdisk."""
    if name == "take_over":
        return {"ramdisk": look_at_ramdisk, **dict.fromkeys(("direct", "custom-agent", "anaconda"), nothing_to_do)}
    if name == "tear_down":
        return dict.fromkeys(("ramdisk", "direct", "custom-agent", "anaconda"), nothing_to_do)
    return {}


def _functions(works: Works) -> dict[tuple[str, str], Row]:
    ramdisks, deploying = works.ramdisks, works.deploying
    bring = ramdisks.prepare
    takes_down = _for(ramdisks.tear_down)
    image_first = in_order(deploying.prepare, bring(Purpose.DEPLOY))
    rescue_off: Row = {"agent": ramdisks.tear_down}
    return {
        ("deploy", "prepare"): {
            "direct": unless_adopted(works.volumes.instead_of(image_first, writes=True)),
            "custom-agent": unless_adopted(bring(Purpose.DEPLOY)),
            "anaconda": unless_adopted(works.installing.prepare),
            "ramdisk": in_order(
                look_at_ramdisk, unless_adopted(works.volumes.instead_of(in_order(look_at_image, ramdisks.bring_image)))
            ),
        },
        ("deploy", "deploy"): {**_for(nothing_to_do), "ramdisk": look_at_ramdisk},
        ("deploy", "clean_up"): _for(deploying.clean_up),
        ("deploy", "prepare_cleaning"): _for(bring(Purpose.CLEAN)),
        ("deploy", "tear_down_cleaning"): takes_down,
        ("deploy", "prepare_service"): _for(bring(Purpose.SERVICE)),
        ("deploy", "tear_down_service"): takes_down,
        ("deploy", "find_agent"): _for(deploying.find_agent),
        ("deploy", "read_agent_steps"): _for(deploying.read_agent_steps),
        ("deploy", "execute_in_band"): _for(deploying.execute_in_band),
        ("deploy", "collect_logs"): _for(deploying.collect_logs),
        ("deploy", "watch_installer"): {"anaconda": works.installing.watch},
        ("deploy", "write_image"): {"direct": deploying.write_image},
        ("deploy", "prepare_instance_boot"): {
            "direct": deploying.prepare_instance_boot, "custom-agent": deploying.prepare_custom_boot,
        },
        ("deploy", "start_by_kexec"): _writing(works.kexec.start),
        ("deploy", "tear_down_agent"): _writing(deploying.tear_down_agent),
        ("deploy", "switch_to_tenant_network"): _writing(nothing_to_do),
        ("deploy", "boot_instance"): _writing(deploying.boot_instance),
        ("rescue", "prepare"): {"agent": bring(Purpose.RESCUE)},
        ("rescue", "rescue"): {"agent": deploying.finalize_rescue},
        ("rescue", "unrescue"): rescue_off,
        ("rescue", "clean_up"): rescue_off,
        ("boot", "prepare_inspection"): dict.fromkeys(BOOTS, bring(Purpose.INSPECT)),
        ("boot", "tear_down_inspection"): dict.fromkeys(BOOTS, ramdisks.tear_down),
        **(_of_dns(works.dns) if works.dns is not None else {}),
    }  # fmt: skip


def _of_dns(dns: DnsRecords) -> dict[tuple[str, str], Row]:
    return {("deploy", "write_dns_records"): _for(dns.write), ("deploy", "remove_dns_records"): _for(dns.remove)}


def _for(function: StepFunction) -> Row:
    """Of all that boot an agent for some work."""
    return dict.fromkeys(("direct", "custom-agent", "anaconda", "ramdisk"), function)


def _writing(function: StepFunction) -> Row:
    return dict.fromkeys(("direct", "custom-agent"), function)
