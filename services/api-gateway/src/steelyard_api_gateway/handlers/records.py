"""`/v1/chassis`, `/v1/portgroups`, `/v1/volume/connectors`, `/v1/volume/targets`: what they have in common."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flask import Response
from steelyard_common.errors import InvalidRequest, SteelyardError

from ..domain.values import plain
from ..service.records import Records
from .answers import document, empty
from .routes import Asked, Refusal, Route

Pick = Callable[[Asked], Records]


def routes(
    path: str, pick: Pick, policies: dict[str, str], *, since: int, has_details: bool, is_routed: bool = False
) -> list[Route]:
    """Rows of one kind. ``policies``: rule by what is done (list, get, create, update, delete)."""

    def list_records(asked: Asked) -> Response:
        return document(pick(asked).list_all(asked.call, asked.query()))

    def list_details(asked: Asked) -> Response:
        return document(pick(asked).list_all(asked.call, asked.query(), all_fields=True))

    def create(asked: Asked) -> Response:
        asked.no_query()
        uuid, body = pick(asked).create(asked.call, asked.json())
        return document(body, 201, f"{asked.call.base_url}/v1{path}/{uuid}")

    def show(asked: Asked, ident: str) -> Response:
        return document(pick(asked).show(asked.call, ident, asked.query()))

    def update(asked: Asked, ident: str) -> Response:
        asked.no_query()
        return document(pick(asked).update(asked.call, ident, asked.json()))

    def delete(asked: Asked, ident: str) -> Response:
        asked.no_query()
        pick(asked).delete(asked.call, ident)
        return empty(204)

    one = f"{path}/<ident>"
    row = partial(Route, since=since, is_routed=is_routed)
    rows = [
        row(method="GET", path=path, handler=list_records, policy=policies["list"]),
        row(method="POST", path=path, handler=create, policy=policies["create"], success=201),
        row(method="GET", path=one, handler=show, policy=policies["get"]),
        row(method="PATCH", path=one, handler=update, policy=policies["update"]),
        row(method="DELETE", path=one, handler=delete, policy=policies["delete"], success=204),
    ]
    if has_details:
        rows.insert(2, row(method="GET", path=f"{path}/detail", handler=list_details, policy=policies["list"]))
    return rows


def show_field(pick: Pick) -> Callable[..., Response]:
    """`…/{ident}/{name}`: Ironic reads it as ``fields=name``."""

    def show_one_field(asked: Asked, ident: str, name: str) -> Response:
        asked.no_query()
        if name not in pick(asked).fields:
            raise InvalidRequest(f'Field(s) "{plain(name)}" are not valid')
        return document(pick(asked).show(asked.call, ident, {"fields": [name]}))

    return show_one_field


def without_ident(path: str, name: str) -> Refusal:
    """Changing or deleting a collection."""

    def no_ident() -> SteelyardError:
        return InvalidRequest(f"Missing mandatory parameter: {name}")

    return Refusal(methods=("PATCH", "DELETE"), path=path, error=no_ident)


def below_another(path: str, where: str) -> list[Refusal]:
    """Records are listed below what they belong to, and changed where they are at home."""

    def malformed(**parts: str) -> SteelyardError:
        del parts
        return InvalidRequest(f"Malformed request URI. These are created, shown, changed and deleted at {where}.")

    return [
        Refusal(methods=("POST", "PATCH", "DELETE"), path=path, error=malformed),
        Refusal(methods=("GET", "POST", "PATCH", "DELETE"), path=f"{path}/<name>", error=malformed),
    ]
