"""Errors of calls on a node: answered as all errors are, and noted for the node's timeline."""

from __future__ import annotations

import time

from flask import Response, request
from steelyard_common.errors import NotFound, SteelyardError, Unauthenticated

from ..domain.refusals import told
from ..service.refusals import Refusal, Refusals
from .answers import error_parts, steelyard_error
from .routes import BEGAN, BODY, CALL

BELOW = "/nodes/<ident>"
READS = frozenset({"GET", "HEAD", "OPTIONS"})
FORBIDDEN = 403


def answer(refusals: Refusals, error: SteelyardError) -> Response:
    """What Flask calls for an error that a handler raised."""
    response = steelyard_error(error)
    if _is_told(error):
        environ = request.environ
        refusals.note(
            Refusal(
                call=environ[CALL],
                ident=(request.view_args or {})["ident"],
                method=request.method,
                path=f"/v1{request.url_rule}".replace("<", "{").replace(">", "}"),
                status=error_parts(error)[0],
                code=error.code,
                message=told(error.message, environ.get(BODY)),
                duration_s=time.monotonic() - environ.get(BEGAN, time.monotonic()),
            )
        )
    return response


def _is_told(error: SteelyardError) -> bool:
    """A change that was refused, or whatever was forbidden; what is not there is nobody's."""
    if isinstance(error, (NotFound, Unauthenticated)) or CALL not in request.environ:
        return False
    rule = str(request.url_rule or "")
    if not rule.startswith(BELOW) or "ident" not in (request.view_args or {}):
        return False
    return request.method not in READS or error.http_status == FORBIDDEN
