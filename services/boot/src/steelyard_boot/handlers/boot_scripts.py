"""What machines ask while they boot: scripts, loaders, media. Nobody here is signed in, and nothing here is secret.

| path | who asks | answer |
| --- | --- | --- |
| ``/boot.ipxe`` | every iPXE | the entry, the same for all |
| ``/ipxe?uuid=&mac=…`` | the entry | the node's script; 404: nobody knows the machine |
| ``/ipxe/trouble?boot=&at=&errno=`` | a node's script that failed | – |
| ``[/…]/grub.cfg[-…]`` | GRUB, by MAC, UUID or address | the node's configuration, or the entry |
| ``[/…]/pxelinux.cfg/…`` | PXELINUX, likewise | the node's configuration |
| ``/loaders/<name>`` | UEFI HTTP boot | a boot loader |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from flask import Blueprint, Response, request, send_file
from steelyard_common.errors import InvalidRequest, NotFound

from ..domain import grub, ipxe, pxelinux
from ..domain.naming import as_ip, as_mac, as_uuid, from_hex_ip
from ..drivers.loaders import Loaders
from ..service.scripts import Asked, Scripts

TEXT = "text/plain; charset=utf-8"
_HOST = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")
_ENTRY = ipxe.entry()
MOST_NAMES = 64


def blueprint(scripts: Scripts, loaders: Loaders) -> Blueprint:
    pages = Blueprint("boot_scripts", __name__)

    @pages.get("/boot.ipxe")
    def entry() -> Response:
        return _text(_ENTRY)

    @pages.get("/ipxe")
    def ipxe_script() -> Response:
        return _text(scripts.ipxe(_by_query()))

    @pages.get("/ipxe/trouble")
    def trouble() -> Response:
        boot_id = as_uuid(request.args.get("boot", ""))
        if boot_id is not None:
            scripts.trouble(boot_id, request.args.get("at", "")[:32], request.args.get("errno", "")[:32], _address())
        return _text("noted\n")

    @pages.get("/loaders/<name>")
    def loader(name: str) -> Response:
        return send_file(loaders.find(name), mimetype="application/octet-stream", conditional=True, etag=False)

    _grub_routes(pages, scripts)
    _pxelinux_routes(pages, scripts)
    return pages


def _grub_routes(pages: Blueprint, scripts: Scripts) -> None:
    @pages.get("/grub.cfg")
    @pages.get("/<path:_folder>/grub.cfg")
    def grub_entry(_folder: str = "") -> Response:
        return _text(_or(lambda: scripts.grub(_by_address()), grub.entry))

    @pages.get("/grub.cfg-<name>")
    @pages.get("/<path:_folder>/grub.cfg-<name>")
    def grub_config(name: str, _folder: str = "") -> Response:
        return _text(scripts.grub(_by_name(name)))


def _pxelinux_routes(pages: Blueprint, scripts: Scripts) -> None:
    @pages.get("/pxelinux.cfg/<name>")
    @pages.get("/<path:_folder>/pxelinux.cfg/<name>")
    def pxelinux_config(name: str, _folder: str = "") -> Response:
        if name == "default":
            return _text(_or(lambda: scripts.pxelinux(_by_address(), _host()), lambda: pxelinux.UNKNOWN))
        return _text(scripts.pxelinux(_by_name(name), _host()))


def _or(ask: Callable[[], str], otherwise: Callable[[], str]) -> str:
    try:
        return ask()
    except NotFound:
        return otherwise()


def _text(body: str) -> Response:
    return Response(body, content_type=TEXT, headers={"Cache-Control": "no-store"})


def _address() -> str | None:
    return as_ip(request.remote_addr or "")


def _by_address() -> Asked:
    return Asked(address=_address())


def _by_query() -> Asked:
    return asked_by(request.args.getlist("uuid"), request.args.getlist("mac"), request.remote_addr or "")


def asked_by(uuids: Sequence[str], macs: Sequence[str], address: str) -> Asked:
    """By the names that are names."""
    known_uuids = [as_uuid(text) for text in uuids[:MOST_NAMES]]
    known_macs = [as_mac(text) for text in macs[:MOST_NAMES]]
    return Asked(
        uuids=tuple(known for known in known_uuids if known), macs=tuple(known for known in known_macs if known),
        address=as_ip(address),
    )  # fmt: skip


def _by_name(name: str) -> Asked:
    """A file name as GRUB and PXELINUX make them. Errors: NotFound."""
    mac, known, ip = as_mac(name), as_uuid(name), from_hex_ip(name)
    if mac:
        return Asked(macs=(mac,), address=_address())
    if known:
        return Asked(uuids=(known,), address=_address())
    if ip and ip == _address():
        return _by_address()
    raise NotFound("no machine has such a name")


def _host() -> str:
    """As the machine wrote it: what it could reach once it can reach again. Errors: InvalidRequest."""
    host = request.host
    if not _HOST.fullmatch(host):
        raise InvalidRequest("the header Host is malformed")
    return host
