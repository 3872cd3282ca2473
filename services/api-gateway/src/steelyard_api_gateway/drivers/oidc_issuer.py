"""An OpenID Connect issuer reached by HTTP: its discovery document, and the keys that this points at."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
from steelyard_common.errors import Unavailable

WELL_KNOWN = "/.well-known/openid-configuration"
MAX_BYTES = 256 * 1024
MAX_KEYS = 100
CHUNK = 16 * 1024
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class IssuerApi:
    """Both documents are read anew each time, so that an issuer may move its keys; ``timeout_s`` is for each."""

    def __init__(self, issuer: str, *, ca_file: str = "", timeout_s: float = 5.0) -> None:
        self._issuer = issuer
        self._ca = ca_file or True
        self._timeout_s = timeout_s

    def keys(self) -> Sequence[Mapping[str, Any]]:
        found = self._read(self._issuer.rstrip("/") + WELL_KNOWN)
        if found.get("issuer") != self._issuer:
            raise _away(f"its discovery document is of another issuer than {self._issuer}")
        place = found.get("jwks_uri")
        if not isinstance(place, str) or not is_safe(place):
            raise _away("its discovery document names no jwks_uri with https")
        keys = self._read(place).get("keys")
        if not isinstance(keys, list):
            raise _away("its key set has no keys")
        return [key for key in keys[:MAX_KEYS] if isinstance(key, dict)]

    def _read(self, url: str) -> dict[str, Any]:
        """A JSON object of bounded size, within the deadline however slowly it drips. Redirects are not followed."""
        end = time.monotonic() + self._timeout_s
        try:
            # A session each time: this happens every few minutes, and nothing of the last one shall linger.
            with (
                requests.Session() as session,
                session.get(
                    url, timeout=self._timeout_s, verify=self._ca, allow_redirects=False, stream=True
                ) as answer,
            ):
                if answer.status_code != 200:
                    raise _away(f"{url} answers with status {answer.status_code}")
                body = b""
                for chunk in answer.iter_content(CHUNK):
                    body += chunk
                    if len(body) > MAX_BYTES or time.monotonic() > end:
                        raise _away(f"{url} answers with too much or too slowly")
            document = orjson.loads(body)
        except (requests.RequestException, ValueError, OSError) as error:
            raise _away(f"{type(error).__name__}: {error}") from error
        if not isinstance(document, dict):
            raise _away(f"{url} answers with no object")
        return document


def is_safe(url: str) -> bool:
    """https, or on this very machine: whoever can change keys on their way can sign in as anybody."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    )


def _away(detail: str) -> Unavailable:
    return Unavailable("The token issuer cannot be asked; please try again in a moment", detail=detail)
