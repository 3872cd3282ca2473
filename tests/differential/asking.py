"""One request of the script, and one server that is asked. Answers come back with what may differ anyway made equal."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

LATEST = "1.115"
VERSION_HEADER = "X-OpenStack-Ironic-API-Version"
HEADERS = (
    "Content-Type",
    "Location",
    VERSION_HEADER,
    "X-OpenStack-Ironic-API-Minimum-Version",
    "X-OpenStack-Ironic-API-Maximum-Version",
    "Openstack-Request-Id",
    "X-Openstack-Request-Id",
)
SETTLE_S = 60.0
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?\+00:00")
_REQUEST_ID = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# The script's own UUIDs, told from those that a server makes up.
OWN_UUID = "5c217000-0000-4000-8000-"


@dataclass(frozen=True, kw_only=True)
class Ask:
    """``body``: bytes go as they are, all else as JSON.

    ``settle``: nodes, or whole paths, to wait for before the next request.
    """

    method: str
    path: str
    body: Any = None
    version: str | None = LATEST
    headers: dict[str, str] = field(default_factory=dict)
    settle: tuple[str, ...] = ()

    def __str__(self) -> str:
        body = self.body[:80].decode(errors="replace") if isinstance(self.body, bytes) else json.dumps(self.body)
        said = [
            self.method,
            self.path,
            "" if self.body is None else body,
            "" if self.version == LATEST else self.version,
        ]
        said += [f"{name}: {value}" for name, value in self.headers.items()]
        return " ".join(str(each) for each in said if each != "")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """``body``: decoded JSON, or None when there is none; both it and the headers are normalised."""

    status: int
    headers: dict[str, str]
    body: Any


class Server:
    """One of the two sides."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.url = url.rstrip("/")
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        conductors = self._conductors()
        self._hosts = {each["hostname"] for each in conductors}
        self._host = min(each["hostname"] for each in conductors if each["drivers"])

    def ask(self, ask: Ask) -> Answer:
        """Send it, wait until its nodes are at rest, give the answer."""
        headers = dict(ask.headers)
        if ask.version is not None:
            headers[VERSION_HEADER] = ask.version
        status, heads, data = self._send(ask.method, ask.path.format(host=self._host), ask.body, headers)
        for node in ask.settle:
            self._settle(node)
        body = self._plain(self._led(json.loads(data))) if data else None
        return Answer(status=status, headers={name: self._plain(heads.get(name, "")) for name in HEADERS}, body=body)

    def _send(
        self, method: str, path: str, body: Any, headers: dict[str, str]
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection(*self._address, timeout=60)
        try:
            if body is not None:
                headers = {"Content-Type": "application/json"} | headers
            data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                # A body that is too large may be refused before it is sent whole.
                connection.request(method, path, body=data, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def _conductors(self) -> list[dict[str, Any]]:
        """All that there are, once each has been heard of twice: `updated_at` is null before."""
        end = time.monotonic() + SETTLE_S
        while time.monotonic() < end:
            data = self._send("GET", "/v1/conductors?detail=true", None, {VERSION_HEADER: LATEST})[2]
            found: list[dict[str, Any]] = json.loads(data)["conductors"]
            if found and all(each["updated_at"] for each in found):
                return found
            time.sleep(0.2)
        raise TimeoutError(f"{self.url}: no conductor has a heartbeat")

    def _settle(self, what: str) -> None:
        """Wait until nothing is going on with the node or allocation (or it is gone)."""
        path = what if what.startswith("/") else f"/v1/nodes/{what}"
        end = time.monotonic() + SETTLE_S
        while time.monotonic() < end:
            status, _, data = self._send("GET", path, None, {VERSION_HEADER: LATEST})
            shown = json.loads(data)
            waiting = shown.get("target_power_state") or shown.get("reservation") or shown.get("target_provision_state")
            if status == 404 or not (waiting or shown.get("state") == "allocating"):
                return
            time.sleep(0.1)
        raise TimeoutError(f"{self.url}: {what} does not come to rest")

    def _led(self, body: Any) -> Any:
        """A list of workers, led by the one that serves drivers: the only one that both sides have."""
        if isinstance(body, dict) and isinstance(body.get("conductors"), list):
            body["conductors"].sort(key=lambda each: each.get("hostname") != self._host)
        return body

    def _plain(self, value: Any) -> Any:
        """The value with this server's name, times and made-up UUIDs replaced."""
        if isinstance(value, dict):
            return {name: self._plain(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._plain(item) for item in value]
        return self._plain_text(value) if isinstance(value, str) else value

    def _plain_text(self, text: str) -> str:
        for host in self._hosts:
            text = text.replace(host, "<conductor>")
        text = text.replace(self.url, "<api>").split("; charset")[0]
        if _TIME.fullmatch(text):
            return "<time>"
        if _REQUEST_ID.fullmatch(text):
            return "<request id>"
        return _UUID.sub(lambda found: found[0] if found[0].startswith(OWN_UUID) else "<uuid>", text)
