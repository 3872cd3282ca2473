"""Notes what machines fetch of their boots: requests that name one (``?boot=<id>&as=kernel``), on any path of ours."""

from __future__ import annotations

import time

from flask import Flask, Response, g, request
from steelyard_common.errors import SteelyardError
from steelyard_common.telemetry import get_logger

from ..domain.naming import as_ip, as_uuid
from ..service.traffic import Fetch, Traffic

log = get_logger(__name__)


def watch(app: Flask, traffic: Traffic) -> None:
    """Every answer of ``app`` that is one to such a request is noted when its last byte is gone, or its reader."""

    @app.before_request
    def begin() -> None:
        boot_id = as_uuid(request.args.get("boot", "")) if request.method == "GET" else None
        if boot_id is not None and request.args.get("as"):
            g.boot_fetch = (boot_id, request.args["as"], time.monotonic())

    @app.after_request
    def end(response: Response) -> Response:
        named = g.get("boot_fetch")
        if named is not None:
            _note_at_end(response, traffic, *named)
        return response


def _note_at_end(response: Response, traffic: Traffic, boot_id: str, what: str, began: float) -> None:
    length, status, address = response.content_length or 0, response.status_code, as_ip(request.remote_addr or "")

    def note() -> None:
        fetch = Fetch(
            boot_id=boot_id, what=what, status=status, sent=length, of_bytes=length,
            took_s=time.monotonic() - began, address=address,
        )  # fmt: skip
        try:
            traffic.ended(fetch)
        except SteelyardError as error:
            log.warning("a boot's fetch could not be noted", reason=error.message)

    response.call_on_close(note)
