"""`/v1/lookup`, `/v1/heartbeat/{n}`, `/v1/continue_inspection`: for ramdisks, which are not signed in (facts §20)."""

from __future__ import annotations

from flask import Response
from steelyard_common.errors import InvalidRequest, NotFound, SteelyardError
from werkzeug.exceptions import MethodNotAllowed

from .answers import document, empty
from .routes import MAX_INSPECTION_BYTES, Asked, Refusal, Route, only

HEARTBEAT = "/heartbeat/<ident>"
INSPECTION = "/continue_inspection"
SINCE, INSPECTION_SINCE = 22, 84
# The agent sends its findings without a version, which is the oldest.
OLDEST = 1


def lookup(asked: Asked) -> Response:
    return document(asked.services.ramdisks.lookup(asked.call, asked.query()))


def heartbeat(asked: Asked, ident: str) -> Response:
    asked.no_query()
    asked.services.ramdisks.heartbeat(asked.call, ident, asked.json())
    return empty(202)


def continue_inspection(asked: Asked) -> Response:
    query = asked.query()
    only(query, "node_uuid")
    minor = asked.call.minor
    if minor < INSPECTION_SINCE and (minor != OLDEST or "node_uuid" in query):
        raise NotFound(f"This endpoint is supported starting with the API version 1.{INSPECTION_SINCE}")
    body = asked.json(MAX_INSPECTION_BYTES)
    return document(asked.services.ramdisks.continue_inspection(asked.call, query, body), 202)


def no_such_verb(**_parts: str) -> Exception:
    return MethodNotAllowed()


def no_node() -> SteelyardError:
    return InvalidRequest("Missing mandatory parameter: node_ident")


ROUTES = [
    Route(method="GET", path="/lookup", handler=lookup, policy="baremetal:driver:ipa_lookup", since=SINCE),
    Route(
        method="POST",
        path=HEARTBEAT,
        handler=heartbeat,
        policy="baremetal:node:ipa_heartbeat",
        since=SINCE,
        success=202,
    ),
    Route(
        method="POST",
        path=INSPECTION,
        handler=continue_inspection,
        policy="baremetal:driver:ipa_continue_inspection",
        success=202,
    ),
]
REFUSALS = [
    Refusal(methods=("GET",), path="/lookup/<ident>", error=no_such_verb),
    Refusal(methods=("POST",), path="/heartbeat", error=no_node),
]
