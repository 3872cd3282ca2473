"""How a request of the API is read: the version to answer in, and what a list is asked for."""

from __future__ import annotations

from collections.abc import Callable

import orjson
from marshmallow import EXCLUDE, Schema, fields, validate
from steelyard_common.bus import CALLER, Endpoint, Request
from steelyard_common.bus.types import Reply
from steelyard_common.contracts import subjects
from steelyard_common.contracts.api import MAX_MINOR, MIN_MINOR

from ..service.context import EVERYTHING, Api, Asked, Sight
from ..store.pages import Page

MAX_LIMIT = 1000


class BusSchema(Schema):
    """A body from the bus: what is unknown is ignored, so that the newer side may speak first."""

    class Meta:
        unknown = EXCLUDE


class ApiSchema(BusSchema):
    minor = fields.Integer(required=True, strict=True, validate=validate.Range(MIN_MINOR, MAX_MINOR))
    base_url = fields.String(required=True)


class ApiFacing(BusSchema):
    """A body that the gateway made from a request of the API."""

    api = fields.Nested(ApiSchema, required=True)


class IdentSchema(ApiFacing):
    ident = fields.String(required=True)


class ShowSchema(IdentSchema):
    fields_ = fields.List(fields.String(), data_key="fields", allow_none=True, load_default=None)


class ListSchema(ApiFacing):
    filters = fields.Dict(keys=fields.String(), load_default=dict)
    fields_ = fields.List(fields.String(), data_key="fields", allow_none=True, load_default=None)
    detail = fields.Boolean(load_default=False)
    limit = fields.Integer(load_default=MAX_LIMIT, strict=True, validate=validate.Range(1, MAX_LIMIT))
    marker = fields.String(allow_none=True, load_default=None)
    sort_key = fields.String(load_default="id")
    sort_dir = fields.String(load_default="asc")
    resource_url = fields.String(required=True)
    query = fields.Dict(keys=fields.String(), load_default=dict)


class UpdateSchema(IdentSchema):
    patch = fields.Raw(required=True)


def api(request: Request) -> Api:
    given = request.body["api"]
    return Api(minor=given["minor"], base_url=given["base_url"], sight=_sight(request.headers.get(CALLER) or ""))


def _sight(caller: str) -> Sight:
    """Whoever sees everything has no word of it in the header."""
    if '"redacted"' not in caller:
        return EVERYTHING
    told = orjson.loads(caller)
    if "redacted" not in told:  # the word stood in a name
        return EVERYTHING
    visible, redacted = told["visible"], told["redacted"]
    return Sight(
        visible=None if visible is None else visible["project"],
        project=redacted["project"],
        redacted=tuple(sorted((name, tuple(whom)) for name, whom in redacted["fields"].items())),
    )


def asked(request: Request) -> Asked:
    body = request.body
    page = Page(
        sort_key=body["sort_key"], sort_dir=body["sort_dir"], limit=body["limit"], marker=body["marker"]
    )  # fmt: skip
    return Asked(
        page=page, filters=body["filters"], fields=body["fields_"], is_detail=body["detail"],
        resource_url=body["resource_url"], query=body["query"],
    )  # fmt: skip


Handler = Callable[[Request], Reply]


class Table:
    """The rows of a service's table of contents."""

    def __init__(self, site: str) -> None:
        self._site = site
        self.rows: list[Endpoint] = []

    def query(self, verb: str, schema: type[Schema], handler: Handler) -> None:
        subject = subjects.query(self._site, "inventory", verb)
        self.rows.append(Endpoint(subject=subject, handler=handler, schema=schema))

    def command(self, verb: str, schema: type[Schema], handler: Handler) -> None:
        subject = subjects.command(self._site, "inventory", verb)
        self.rows.append(Endpoint(subject=subject, handler=handler, schema=schema))
