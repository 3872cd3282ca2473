"""Table of contents of inspector: step → implementation → what runs it; and what is asked of it by the bus."""

from __future__ import annotations

from collections.abc import Sequence

from marshmallow import EXCLUDE, Schema, fields
from steelyard_common.bus import Endpoint
from steelyard_common.contracts import subjects
from steelyard_common.provider import Clock, Functions
from steelyard_common.provider.fakes import FAKE, switched
from steelyard_common.provider.slices import by_implementation, nothing_to_do

from .domain.findings import PXE
from .service import inspect_fake
from .service.inspections import Inspections, inspect_by_agent

SERVICE = "inspector"


class FindingsSchema(Schema):
    """``findings``: as the ramdisk sent them, without its logs."""

    class Meta:
        unknown = EXCLUDE  # the newer side may speak first

    addresses = fields.List(fields.String(), load_default=list)
    bmc_addresses = fields.List(fields.String(), load_default=list)
    node_uuid = fields.String(allow_none=True, load_default=None)
    findings = fields.Dict(keys=fields.String(), required=True)


def endpoints(site: str, inspections: Inspections) -> Sequence[Endpoint]:
    """What ``Bus.serve`` takes."""
    return [
        Endpoint(
            subject=subjects.command(site, SERVICE, "take-inspection"), schema=FindingsSchema,
            handler=lambda request: inspections.take(**request.body),
        )
    ]  # fmt: skip


def step_functions(clock: Clock, add_ports: str = PXE) -> Functions:
    """The rows of ``domain.STEPS``."""
    return {
        ("inspect", "inspect_hardware"): by_implementation(
            {FAKE: switched(clock, inspect_fake), "agent": inspect_by_agent(add_ports)}
        ),
        ("inspect", "abort"): by_implementation({FAKE: switched(clock), "agent": nothing_to_do}),
    }
