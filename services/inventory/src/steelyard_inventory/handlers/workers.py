"""Entrances for workers: their announcements, and the API's drivers and conductors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from marshmallow import fields, validate
from steelyard_common.bus import Endpoint
from steelyard_common.contracts.subjects import ANNOUNCE_STEPS

from ..service.conductors import Conductors
from ..service.workers import Workers
from .requests import ApiFacing, BusSchema, ListSchema, Table, api, asked

_NAME = validate.Length(min=1, max=255)


class AnnounceSchema(BusSchema):
    """A worker's word about itself; ``steps`` are kept as they are, for the catalogue of steps."""

    instance = fields.String(required=True, validate=_NAME)
    service = fields.String(required=True, validate=_NAME)
    conductor_group = fields.String(load_default="")
    provides = fields.Dict(keys=fields.String(), values=fields.List(fields.String()), load_default=dict)
    hardware_types = fields.List(fields.String(), load_default=list)
    supplies = fields.List(fields.String(), load_default=list)
    steps = fields.List(fields.Dict(keys=fields.String()), load_default=list)
    version = fields.String(load_default="")
    online = fields.Boolean(load_default=True)


class DriversSchema(ApiFacing):
    type = fields.String(allow_none=True, load_default=None)
    detail = fields.Boolean(load_default=False)
    fields_ = fields.List(fields.String(), data_key="fields", allow_none=True, load_default=None)


class DriverSchema(ApiFacing):
    name = fields.String(required=True)
    fields_ = fields.List(fields.String(), data_key="fields", allow_none=True, load_default=None)


class ConductorSchema(ApiFacing):
    hostname = fields.String(required=True)
    fields_ = fields.List(fields.String(), data_key="fields", allow_none=True, load_default=None)


def endpoints(site: str, workers: Workers, conductors: Conductors) -> Sequence[Endpoint]:
    table = Table(site)
    table.command("announce", AnnounceSchema, lambda r: workers.announce(_columns(r.body)))
    table.command(
        f"{ANNOUNCE_STEPS}.*", AnnounceSchema,
        lambda r: workers.announce(_columns(r.body), user=r.subject.rsplit(".", 1)[1]),
    )  # fmt: skip
    table.query(
        "drivers", DriversSchema,
        lambda r: conductors.list_drivers(
            r.body["type"], is_detail=r.body["detail"], fields=r.body["fields_"], api=api(r)
        ),
    )  # fmt: skip
    table.query(
        "driver", DriverSchema, lambda r: conductors.show_driver(r.body["name"], r.body["fields_"], api(r))
    )  # fmt: skip
    table.query("conductors", ListSchema, lambda r: conductors.list_conductors(asked(r), api(r)))
    table.query(
        "conductor", ConductorSchema,
        lambda r: conductors.show_conductor(r.body["hostname"], r.body["fields_"], api(r)),
    )  # fmt: skip
    return table.rows


def _columns(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in AnnounceSchema._declared_fields}
