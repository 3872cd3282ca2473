"""What is asked of boot by the bus about artifacts: by operators, through the gateway."""

from __future__ import annotations

from collections.abc import Sequence

from marshmallow import EXCLUDE, Schema, fields, validate
from steelyard_common.bus import Endpoint, Request
from steelyard_common.contracts import subjects

from ..domain.artifacts import KINDS, Wish
from ..service.artifact_desk import ArtifactDesk

SERVICE = "boot"
MOST = 1000
SHA256 = validate.Regexp(r"[0-9a-f]{64}\Z")


class _Schema(Schema):
    class Meta:
        unknown = EXCLUDE  # the newer side may speak first


class ApiSchema(_Schema):
    base_url = fields.String(required=True)


class _ApiFacing(_Schema):
    api = fields.Nested(ApiSchema, required=True)


class ArtifactsSchema(_ApiFacing):
    limit = fields.Integer(load_default=100, strict=True, validate=validate.Range(1, MOST))
    marker = fields.String(allow_none=True, load_default=None, validate=SHA256)
    kind = fields.String(allow_none=True, load_default=None, validate=validate.OneOf(KINDS))


class ArtifactSchema(_ApiFacing):
    sha256 = fields.String(required=True, validate=SHA256)


class FetchSchema(_ApiFacing):
    """``authorization``: sealed."""

    url = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    checksum = fields.String(allow_none=True, load_default=None)
    authorization = fields.String(allow_none=True, load_default=None)
    convert_to_raw = fields.Boolean(load_default=False)


def endpoints(site: str, desk: ArtifactDesk) -> Sequence[Endpoint]:
    """What ``Bus.serve`` takes."""

    def list_all(request: Request) -> bytes:
        body = request.body
        return desk.list_all(body["marker"], body["limit"], body["kind"], body["api"]["base_url"])

    def fetch(request: Request) -> bytes:
        given = dict(request.body)
        api = given.pop("api")
        return desk.fetch(Wish(**given), api["base_url"])

    return [
        Endpoint(subject=subjects.query(site, SERVICE, "artifacts"), schema=ArtifactsSchema, handler=list_all),
        Endpoint(
            subject=subjects.query(site, SERVICE, "artifact"), schema=ArtifactSchema,
            handler=lambda request: desk.show(request.body["sha256"], request.body["api"]["base_url"]),
        ),
        Endpoint(subject=subjects.command(site, SERVICE, "fetch-artifact"), schema=FetchSchema, handler=fetch),
        Endpoint(
            subject=subjects.command(site, SERVICE, "delete-artifact"), schema=ArtifactSchema,
            handler=lambda request: desk.delete(request.body["sha256"]),
        ),
    ]  # fmt: skip
