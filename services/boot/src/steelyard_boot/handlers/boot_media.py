"""``/media/<random>.iso``: what a BMC was told to insert. Whoever knows the name may read; it is gone with the boot."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, request

from ..service.media import Media
from ..service.traffic import Traffic
from .boot_traffic import begin

Serve = Callable[[str], Response]


def blueprint(media: Media, traffic: Traffic, serve: Serve) -> Blueprint:
    """``serve``: answers the request with an artifact."""
    pages = Blueprint("boot_media", __name__)

    @pages.get("/media/<name>")
    def medium(name: str) -> Response:
        found = media.find(name)
        if request.method == "GET":
            begin(traffic, found.boot_id, "iso")
        return serve(found.artifact)

    return pages
