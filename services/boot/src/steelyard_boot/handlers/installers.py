"""``/installers/<random>/…``: what an installer is started with names this folder; it holds what it then fetches.

``ks.cfg``: the kickstart, told to the machine that names its NICs as ``inst.ks.sendmac`` has it done (headers
``X-RHN-Provisioning-MAC-<n>: <name> <MAC>``). ``LiveOS/squashfs.img`` and ``images/install.img``: its second stage,
where dracut looks for it below ``inst.stage2``. No answer of here is to be kept by anybody in between.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, g, request
from steelyard_common.errors import NotFound

from ..domain.naming import as_ip, as_mac
from ..domain.waterfall import Hop
from ..service.kickstarts import FOLDER, Kickstarts
from ..service.traffic import Traffic
from .boot_traffic import begin

HEADER = "X-RHN-Provisioning-MAC-"
MOST_NICS = 64
STAGE2 = ("LiveOS/squashfs.img", "images/install.img")
Serve = Callable[[str], Response]


def blueprint(kickstarts: Kickstarts, traffic: Traffic, serve: Serve) -> Blueprint:
    """``serve``: answers the request with an artifact."""
    pages = Blueprint("installers", __name__, url_prefix=f"/{FOLDER}")

    @pages.get("/<name>/ks.cfg")
    def kickstart(name: str) -> Response:
        found = kickstarts.find(name)
        if request.method == "GET":
            begin(traffic, found.boot_id, Hop.KICKSTART.value)  # before it is judged: that it was refused is told, too
        text = kickstarts.text(found, _macs(), as_ip(request.remote_addr or ""))
        response = Response(text, content_type="text/plain; charset=utf-8")
        response.headers["Cache-Control"] = "no-store"
        if request.method == "GET":
            size, sent = len(response.get_data()), g.when_sent
            response.call_on_close(lambda: sent(size))
        return response

    def stage2(name: str) -> Response:
        found = kickstarts.find(name)
        if found.kickstart.stage2 is None:
            raise NotFound("there is no stage2: the tree has one")
        if request.method == "GET":
            begin(traffic, found.boot_id, Hop.STAGE2.value)
        return serve(found.kickstart.stage2)

    for path in STAGE2:
        pages.add_url_rule(f"/<name>/{path}", f"stage2-{path.partition('/')[0]}", stage2)
    return pages


def _macs() -> list[str]:
    """Of all NICs, as the machine names them."""
    told = (request.headers.get(f"{HEADER}{number}", "") for number in range(MOST_NICS))
    found = (as_mac(text.split()[-1]) for text in told if text.split())
    return [mac for mac in found if mac]
