"""Vendor passthru and virtual media: checked here, done by the power service (facts §7.3, §11)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import orjson
from steelyard_common.contracts.hardware import HARDWARE_TYPES
from steelyard_common.errors import Busy, InvalidRequest, NotFound

from ..domain import identifiers, values
from ..drivers import Upstream
from .arguments import read_arguments
from .call import Call

DEVICE_TYPES = ("cdrom", "disk", "floppy")
SOURCES = ("http", "local")
SCHEMES = ("http", "https", "nfs", "cifs", "smb")
_NO_METHODS = orjson.dumps({})


class Vendor:
    """Questions and commands on `vendor_passthru` of nodes and drivers, and on a node's `vmedia`."""

    def __init__(self, power: Upstream, boot: Upstream) -> None:
        self._power, self._boot = power, boot

    def methods(self, call: Call, ident: str) -> bytes:
        reply = self._power.query("vendor-methods", _node(call, ident), call.headers())
        return orjson.dumps(orjson.loads(reply)["methods"])

    def call_method(self, call: Call, ident: str, name: str | None, verb: str, body: Any) -> bytes | None:
        """What the method says, None when it goes on by itself. Errors: InvalidRequest."""
        asked = _node(call, ident) | {"method": _named(name), "http_method": verb, "arguments": _arguments(body)}
        reply = orjson.loads(self._power.command("call-vendor", asked, call.headers()))
        return None if reply["async"] else orjson.dumps(reply["return"])

    def driver_methods(self, name: str) -> bytes:
        """None of our hardware types has a method that needs no node. Errors: NotFound."""
        _check_driver(name)
        return _NO_METHODS

    def call_driver_method(self, name: str, method: str | None, body: Any) -> None:
        """Errors: NotFound, InvalidRequest."""
        method = _named(method)
        _arguments(body)
        _check_driver(name)
        raise InvalidRequest(f"No handler for method {values.plain(method)}: {name} has no methods without a node")

    def media(self, call: Call, ident: str) -> bytes:
        reply = self._power.query("virtual-media", _node(call, ident), call.headers())
        return orjson.dumps(orjson.loads(reply)["media"])

    def attach_media(self, call: Call, ident: str, body: Any) -> None:
        """``image_download_source`` http: the BMC fetches it itself; local: boot does, and serves it to the BMC.

        Errors: InvalidRequest, Unsupported, Busy while it is fetched.
        """
        node, given = _node(call, ident), _media(body)
        source = given.pop("image_download_source")
        if source == "local" and given["image_url"].startswith(("http://", "https://")):
            self._power.query("virtual-media", node, call.headers())  # before anything is fetched for nobody
            given["image_url"] = self._served(call, given)
        self._power.command("attach-virtual-media", node | given, call.headers())

    def _served(self, call: Call, given: dict[str, Any]) -> str:
        """Where boot serves the image. Errors: InvalidRequest, Busy."""
        if call.sight is not None:
            raise InvalidRequest("image_download_source 'local' is for operators: use 'http', and the BMC fetches it")
        if given["device_type"] != "cdrom":
            raise InvalidRequest("the boot service serves CDs only: use image_download_source 'http'")
        wish = {"url": given["image_url"], "kind": "iso", "api": call.api()}
        found = orjson.loads(self._boot.command("fetch-artifact", wish, call.headers()))
        if found["status"] != "here":
            raise Busy(f"the image is being fetched, ask again soon: {found['text']}")
        return str(found["url"])

    def detach_media(self, call: Call, ident: str, device_types: str | None) -> None:
        """``device_types``: with commas between them; None is all of them."""
        types = [word.strip().lower() for word in (device_types or "").split(",") if word.strip()]
        for each in types:
            _one_of("device_types", each, DEVICE_TYPES)
        self._power.command("detach-virtual-media", _node(call, ident) | {"device_types": types}, call.headers())


def _node(call: Call, ident: str) -> dict[str, Any]:
    return {"ident": identifiers.from_path("node", ident, call.minor)}


def _named(method: str | None) -> str:
    if not method:
        raise InvalidRequest("Missing mandatory parameter: method")
    return values.text("method", method)


def _arguments(body: Any) -> dict[str, Any]:
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise InvalidRequest("the body must be a JSON object with the method's arguments")
    return body


def _check_driver(name: str) -> None:
    if name not in HARDWARE_TYPES:
        raise NotFound(f"The driver '{values.plain(name)}' is unknown.")


def _media(body: Any) -> dict[str, Any]:
    """Errors: InvalidRequest."""
    readers = {
        "device_type": lambda name, value: _one_of(name, value, DEVICE_TYPES),
        "image_url": values.text,
        "image_download_source": lambda name, value: _one_of(name, value, SOURCES),
    }
    given = read_arguments(body, readers, required="device_type")
    if "image_url" not in given:
        raise InvalidRequest("Missing mandatory parameter: image_url")
    try:
        scheme = urlsplit(given["image_url"]).scheme
    except ValueError:
        scheme = ""
    if scheme not in SCHEMES:
        raise InvalidRequest(f"Unsupported or missing URL scheme: {values.plain(scheme)}; use {', '.join(SCHEMES)}")
    return {"image_download_source": "local"} | given


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise InvalidRequest(f"Invalid {name} {values.plain(value)}; use one of {', '.join(known)}")
    return str(value)
