"""The forms of a config drive: a URL, base64 of a gzipped ISO, or (V56) an object to build from (facts §7.1)."""

from __future__ import annotations

import binascii
from typing import Any

from steelyard_common.errors import InvalidRequest

from .versions import too_new

OBJECT_SINCE = 56
VENDOR_DATA_SINCE = 59
GZIP = b"\x1f\x8b"
# Key → the types it may have.
KEYS: dict[str, tuple[type, ...]] = {
    "meta_data": (dict,),
    "network_data": (dict,),
    "user_data": (dict, list, str, type(None)),
    "vendor_data": (dict,),
}


def check(name: str, value: Any, minor: int) -> None:
    """Errors: InvalidRequest, NotAcceptable. The value is never repeated: it may hold secrets."""
    if isinstance(value, str):
        _check_text(name, value)
    elif isinstance(value, dict):
        if minor < OBJECT_SINCE:
            raise too_new(f"{name} as an object", OBJECT_SINCE)
        _check_object(name, value, minor)
    else:
        raise InvalidRequest(f"{name} must be a URL, base64 text or an object, not {type(value).__name__}")


def _check_text(name: str, text: str) -> None:
    if "://" in text:
        return
    try:
        data = binascii.a2b_base64("".join(text.split()).encode(), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise InvalidRequest(f"{name} is neither a URL nor base64 of a gzipped ISO image") from error
    if not data.startswith(GZIP):  # the agent would find out when the machine is up and its disk overwritten
        raise InvalidRequest(
            f"{name} is base64, but not of a gzipped ISO image: make it by `gzip -c drive.iso | base64 -w0`, or give "
            "an object with meta_data, user_data and network_data"
        )


def _check_object(name: str, value: dict[str, Any], minor: int) -> None:
    for key, item in value.items():
        if key not in KEYS:
            raise InvalidRequest(f"{name} has a key that is not one of {', '.join(KEYS)}; leave it out")
        if not isinstance(item, KEYS[key]):
            raise InvalidRequest(f"{name}: {key} has the wrong type {type(item).__name__}")
    if value.get("vendor_data") and minor < VENDOR_DATA_SINCE:
        raise too_new(f"vendor_data in {name}", VENDOR_DATA_SINCE)
