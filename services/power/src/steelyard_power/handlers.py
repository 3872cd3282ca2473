"""Table of contents of power: what can be asked of it. (Its steps: ``domain.catalogue``.)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from marshmallow import EXCLUDE, Schema, fields, validate
from steelyard_common.bus import CALLER, Endpoint, Request
from steelyard_common.contracts import subjects

from .domain.media import KINDS
from .service.direct import Asked, Direct

PASSED_ON = (CALLER, "traceparent")


class _Schema(Schema):
    class Meta:
        unknown = EXCLUDE  # the newer side may speak first


class NothingSchema(_Schema):
    pass


class IdentSchema(_Schema):
    ident = fields.String(required=True, validate=validate.Length(min=1, max=255))


class BootDeviceSchema(IdentSchema):
    boot_device = fields.String(required=True, validate=validate.Length(min=1, max=255))
    persistent = fields.Boolean(load_default=False)


class IndicatorsSchema(IdentSchema):
    component = fields.String(load_default=None, allow_none=True)


class IndicatorSchema(IdentSchema):
    name = fields.String(required=True, validate=validate.Length(min=1, max=255))


class SetIndicatorSchema(IndicatorSchema):
    state = fields.String(required=True, validate=validate.OneOf(["on", "off", "blinking", "unknown"]))


_DEVICE = validate.OneOf(tuple(KINDS))


class AttachSchema(IdentSchema):
    """``image_url``: as the BMC reaches it."""

    device_type = fields.String(required=True, validate=_DEVICE)
    image_url = fields.String(required=True, validate=validate.Length(min=1, max=4096))


class DetachSchema(IdentSchema):
    device_types = fields.List(fields.String(validate=_DEVICE), load_default=list)


class CallVendorSchema(IdentSchema):
    method = fields.String(required=True, validate=validate.Length(min=1, max=255))
    http_method = fields.String(required=True)
    arguments = fields.Dict(keys=fields.String(), load_default=dict)


Ask = Callable[[Direct, Asked, dict[str, Any]], dict[str, Any] | None]

QUERIES: dict[str, tuple[type[Schema], Ask]] = {
    "boot-device": (IdentSchema, lambda direct, asked, _: direct.boot_device(asked)),
    "supported-boot-devices": (IdentSchema, lambda direct, asked, _: direct.supported_boot_devices(asked)),
    "indicators": (IndicatorsSchema, lambda direct, asked, body: direct.indicators(asked, body["component"])),
    "indicator": (IndicatorSchema, lambda direct, asked, body: direct.indicator(asked, body["name"])),
    "virtual-media": (IdentSchema, lambda direct, asked, _: direct.virtual_media(asked)),
    "vendor-methods": (IdentSchema, lambda direct, asked, _: direct.vendor_methods(asked)),
    "bmc-report": (NothingSchema, lambda direct, _asked, _body: direct.bmc_report()),
}
COMMANDS: dict[str, tuple[type[Schema], Ask]] = {
    "set-boot-device": (
        BootDeviceSchema,
        lambda direct, asked, body: direct.set_boot_device(asked, body["boot_device"], body["persistent"]),
    ),
    "inject-nmi": (IdentSchema, lambda direct, asked, _: direct.inject_nmi(asked)),
    "set-indicator": (
        SetIndicatorSchema,
        lambda direct, asked, body: direct.set_indicator(asked, body["name"], body["state"]),
    ),
    "attach-virtual-media": (
        AttachSchema,
        lambda direct, asked, body: direct.attach_media(asked, body["device_type"], body["image_url"]),
    ),
    "detach-virtual-media": (
        DetachSchema,
        lambda direct, asked, body: direct.detach_media(asked, body["device_types"]),
    ),
    "call-vendor": (
        CallVendorSchema,
        lambda direct, asked, body: direct.call_vendor(asked, body["method"], body["http_method"], body["arguments"]),
    ),
}


def endpoints(site: str, direct: Direct) -> Sequence[Endpoint]:
    """What ``Bus.serve`` takes."""

    def row(subject: str, schema: type[Schema], ask: Ask) -> Endpoint:
        return Endpoint(
            subject=subject, schema=schema, handler=lambda request: ask(direct, _asked(request), request.body)
        )

    return [
        *(row(subjects.query(site, "power", verb), schema, ask) for verb, (schema, ask) in QUERIES.items()),
        *(row(subjects.command(site, "power", verb), schema, ask) for verb, (schema, ask) in COMMANDS.items()),
    ]


def _asked(request: Request) -> Asked:
    headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
    return Asked(ident=request.body.get("ident", ""), deadline=request.deadline, headers=headers)
