"""What is asked of boot by the bus about agents: their lookups and heartbeats, as the gateway let them through."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from marshmallow import EXCLUDE, Schema, fields
from steelyard_common.bus import CALLER, Endpoint, Request
from steelyard_common.contracts import subjects

from ..service.agents import Agents

SERVICE = "boot"


class _Schema(Schema):
    class Meta:
        unknown = EXCLUDE  # the newer side may speak first


class ApiSchema(_Schema):
    minor = fields.Integer(required=True, strict=True)
    base_url = fields.String(required=True)


class LookupSchema(_Schema):
    """``api``: the version to answer in, and where the API is: for the links of the answer."""

    api = fields.Nested(ApiSchema, required=True)
    addresses = fields.List(fields.String(), load_default=list)
    node_uuid = fields.String(allow_none=True, load_default=None)


class HeartbeatSchema(_Schema):
    """``url`` may be empty: a ramdisk that cannot be called."""

    ident = fields.String(required=True)
    url = fields.String(required=True)
    token = fields.String(required=True)
    version = fields.String(allow_none=True, load_default=None)
    verify_ca = fields.String(allow_none=True, load_default=None)
    status = fields.String(allow_none=True, load_default=None)
    status_message = fields.String(allow_none=True, load_default=None)


def endpoints(site: str, agents: Agents) -> Sequence[Endpoint]:
    """What ``Bus.serve`` takes."""

    def heartbeat(request: Request) -> None:
        body = dict(request.body)
        agents.heartbeat(body.pop("ident"), body)

    return [
        Endpoint(
            subject=subjects.command(site, SERVICE, "agent-lookup"), schema=LookupSchema,
            handler=lambda request: agents.lookup(request.body, _request_id(request)),
        ),
        Endpoint(
            subject=subjects.command(site, SERVICE, "agent-heartbeat"), schema=HeartbeatSchema, handler=heartbeat
        ),
    ]  # fmt: skip


def _request_id(request: Request) -> str:
    """Of the HTTP request behind it: the gateway makes a new one for each, and no client chooses it. Empty: unknown."""
    return str(orjson.loads(request.headers.get(CALLER) or "{}").get("request_id") or "")
