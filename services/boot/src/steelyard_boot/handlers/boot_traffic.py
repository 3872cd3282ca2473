"""Notes what machines fetch of their boots: requests that name one (``?boot=<id>&as=kernel``), on any path of ours."""

from __future__ import annotations

import time
from dataclasses import dataclass

from flask import Flask, Response, g, request
from steelyard_common.errors import SteelyardError
from steelyard_common.telemetry import get_logger

from ..domain.naming import as_ip, as_uuid
from ..service.traffic import Fetch, Traffic

log = get_logger(__name__)


@dataclass(kw_only=True)
class Watched:
    """One request. ``status`` and ``length`` are known once it is answered, how much went once all is over."""

    boot_id: str
    what: str
    address: str | None
    traffic: Traffic
    began: float
    status: int = 0
    length: int = 0

    def sent(self, count: int) -> None:
        fetch = Fetch(
            boot_id=self.boot_id, what=self.what, status=self.status, sent=count, of_bytes=self.length,
            took_s=time.monotonic() - self.began, address=self.address,
        )  # fmt: skip
        try:
            self.traffic.ended(fetch)
        except SteelyardError as error:
            log.warning("a boot's fetch could not be noted", reason=error.message)


def begin(traffic: Traffic, boot_id: str, what: str) -> None:
    """The present request is one of this boot. Whoever sends the answer's file calls ``g.when_sent``."""
    g.boot_fetch = Watched(
        boot_id=boot_id, what=what, address=as_ip(request.remote_addr or ""), traffic=traffic, began=time.monotonic()
    )
    g.when_sent = g.boot_fetch.sent


def watch(app: Flask, traffic: Traffic) -> None:
    """Every answer of ``app`` to a request that names a boot is noted when its last byte is gone, or its reader."""

    @app.before_request
    def named() -> None:
        boot_id = as_uuid(request.args.get("boot", "")) if request.method == "GET" else None
        if boot_id is not None and request.args.get("as"):
            begin(traffic, boot_id, request.args["as"])

    @app.after_request
    def answered(response: Response) -> Response:
        watched: Watched | None = g.get("boot_fetch")
        if watched is not None:
            watched.status, watched.length = response.status_code, response.content_length or 0
            if response.status_code >= 400:
                watched.sent(0)
        return response
