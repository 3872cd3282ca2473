"""What machines ask of boot by HTTP. They are not signed in: whoever may speak for a node shows a token."""

from __future__ import annotations

from collections.abc import Iterable

import orjson
from flask import Blueprint, Flask, Response
from steelyard_common.errors import InternalError, InvalidRequest, NotFound, SteelyardError
from steelyard_common.http import problem
from steelyard_common.telemetry import get_logger
from werkzeug.exceptions import HTTPException

log = get_logger(__name__)
PROBLEM = "application/problem+json"


def make_app(blueprints: Iterable[Blueprint]) -> Flask:
    """The blueprints behind one way of telling errors: ``application/problem+json`` (RFC 9457)."""
    app = Flask("steelyard_boot", static_folder=None)
    app.register_error_handler(SteelyardError, _known)
    app.register_error_handler(HTTPException, _by_routing)
    app.register_error_handler(Exception, _unknown)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    return app


def _known(error: SteelyardError) -> Response:
    return Response(orjson.dumps(problem(error)), error.http_status, content_type=PROBLEM)


def _by_routing(error: HTTPException) -> Response:
    told = NotFound("there is nothing here") if error.code == 404 else InvalidRequest(error.name)
    return Response(orjson.dumps(problem(told)), error.code or 400, content_type=PROBLEM)


def _unknown(error: Exception) -> Response:
    log.exception("request failed", error=type(error).__name__)
    return _known(InternalError())
