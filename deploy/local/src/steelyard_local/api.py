"""A small client of our own REST API, for what the runner itself asks: is it there, enrol a rack, show a demo."""

from __future__ import annotations

import base64
import http.client
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from steelyard_common.errors import Conflict, InvalidRequest, SteelyardError, Unavailable

VERSION = "1.115"
_KINDS: dict[int, type[SteelyardError]] = {400: InvalidRequest, 409: Conflict}


@dataclass(frozen=True, kw_only=True)
class Api:
    """``user`` and ``password`` for http_basic; empty for none."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self.call("POST", path, body)

    def put(self, path: str, body: dict[str, Any]) -> Any:
        return self.call("PUT", path, body)

    def call(self, method: str, path: str, body: Any = None, *, timeout_s: float = 30) -> Any:
        """The decoded answer. Errors: InvalidRequest (400), Conflict (409), else Unavailable with the API's words."""
        where = urlsplit(self.url)
        connection = http.client.HTTPConnection(where.hostname or "127.0.0.1", where.port, timeout=timeout_s)
        try:
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, path, data, self._headers())
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"the API at {self.url} does not answer", detail=repr(error)) from error
        finally:
            connection.close()
        if answer.status >= 300:
            raise _KINDS.get(answer.status, Unavailable)(f"{method} {path}: {answer.status} {_message(content)}")
        return json.loads(content) if content else None

    def _headers(self) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "X-OpenStack-Ironic-API-Version": VERSION,
        }
        if self.user:
            pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        return headers


def _message(content: bytes) -> str:
    """The text of an error answer: plain, or JSON within JSON as the API's clients expect it."""
    try:
        text = json.loads(content)["error_message"]
        inner = json.loads(text) if isinstance(text, str) else text
        return str(inner["faultstring"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace")[:300]
