"""The door of a Redfish BMC: faults first, then who are you, then the document or the change; all goes on record."""

import asyncio
import json
from typing import Any

from aiohttp import web
from aiohttp.web_request import BaseRequest

from ..record import Record
from .bmc import RedfishBmc
from .changes import RESET_PATH, SESSIONS_PATH, Changed, Refused, find, reset_type
from .documents import document, system_of

_LONGEST_BODY = 64 * 1024
_WRITES = {"POST", "PATCH", "DELETE", "PUT"}


class RedfishDoor:
    """Answers the requests of one BMC."""

    def __init__(self, bmc: RedfishBmc, record: Record) -> None:
        self._bmc = bmc
        self._record = record

    async def answer(self, request: BaseRequest) -> web.StreamResponse:
        """One request. What came is on record before a hung BMC falls silent."""
        path = self._path(request)
        body, fault = await _body(request)
        power_operation = self._power_operation(request.method, path, body)
        operation = power_operation or f"{request.method} {_shown(request.path)}"
        machine = self._machine_name(path)
        # A session changes nothing of the machine: not a write.
        writes = request.method in _WRITES and not (path or "").startswith(SESSIONS_PATH)
        keep = {"is_write": writes, "is_power": power_operation is not None}
        if self._bmc.faults.hang:
            self._record.add(machine, "redfish", operation, "no answer", **keep)
            await asyncio.Event().wait()
        if self._bmc.faults.latency_s:
            await asyncio.sleep(self._bmc.faults.latency_s)
        try:
            if fault is not None:
                raise fault
            response, operation = self._respond(request, path, body, operation)
        except Refused as refusal:
            response = _error(refusal)
        self._record.add(machine, "redfish", operation, str(response.status), **keep)
        return response

    def _respond(
        self, request: BaseRequest, path: str | None, body: dict[str, Any], operation: str
    ) -> tuple[web.Response, str]:
        if self._bmc.faults.http_error:
            raise Refused(self._bmc.faults.http_error, "InternalError", "The BMC has a problem.")
        if path is None:
            raise Refused(404, "ResourceMissingAtURI", "There is nothing here.")
        self._authenticate(request, path)
        if request.method in ("GET", "HEAD"):
            found = {"v1": "/redfish/v1/"} if path == "/.." else document(self._bmc, path)
            if found is None:
                raise Refused(404, "ResourceMissingAtURI", "There is nothing here.")
            return _reply(found), operation
        change = find(request.method, path)
        if change is None:
            is_known = document(self._bmc, path) is not None
            raise Refused(405 if is_known else 404, "OperationNotAllowed", "This cannot be done here.")
        made: Changed = change[0](self._bmc, body, *change[1])
        return _reply(made.body, made.status, made.headers), f"{operation} {made.detail}".rstrip()

    def _authenticate(self, request: BaseRequest, path: str) -> None:
        """The service root and a new session need no credentials (DSP0266 §13.3)."""
        if path in ("", "/..") or (request.method == "POST" and path.startswith(SESSIONS_PATH)):
            return
        token = request.headers.get("X-Auth-Token")
        if token is not None and self._bmc.allows_token(token):
            return
        if token is None and self._bmc.allows_basic(request.headers.get("Authorization", "")):
            return
        raise Refused(401, "NoValidSession", "There is no valid session, and no valid credentials came along.")

    def _path(self, request: BaseRequest) -> str | None:
        """The path below /redfish/v1; '' is the root, '/..' is /redfish, None is elsewhere."""
        path = request.path.rstrip("/")
        start = f"{self._bmc.prefix}/redfish"
        if path == start:
            return "/.."
        if path == f"{start}/v1" or path.startswith(f"{start}/v1/"):
            return path[len(start) + 3 :]
        return None

    def _power_operation(self, method: str, path: str | None, body: dict[str, Any]) -> str | None:
        if method == "POST" and path is not None and RESET_PATH.fullmatch(path):
            return f"Reset {reset_type(body)}"
        return None

    def _machine_name(self, path: str | None) -> str:
        machine = system_of(self._bmc, path) if path else None
        return (machine or self._bmc.first).identity.name


def _shown(path: str) -> str:
    """A path for the record: printable and of bounded length."""
    return "".join(char if char.isprintable() else "?" for char in path[:120])


async def _body(request: BaseRequest) -> tuple[dict[str, Any], Refused | None]:
    """The JSON object of a request, or why there is none."""
    if request.method not in _WRITES:
        return {}, None
    if (request.content_length or 0) > _LONGEST_BODY:
        return {}, Refused(413, "GeneralError", "The body is too long.")
    raw = await request.read()
    if not raw:
        return {}, None
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        return {}, Refused(400, "MalformedJSON", "The body is not a JSON object.")
    return body, None


def _reply(body: dict[str, Any] | None, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    out = {"OData-Version": "4.0", **(headers or {})}
    if body is None:
        return web.Response(status=status, headers=out)
    return web.Response(body=json.dumps(body).encode(), status=status, headers=out, content_type="application/json")


def _error(refusal: Refused) -> web.Response:
    """A refusal in the shape of DSP0266 §8.6."""
    info = {
        "MessageId": f"Base.1.8.{refusal.message_id}",
        "Message": refusal.text,
        "Severity": "Critical",
        "Resolution": "See the message.",
    }
    body = {"error": {"code": info["MessageId"], "message": refusal.text, "@Message.ExtendedInfo": [info]}}
    headers = {"WWW-Authenticate": 'Basic realm="BMC"'} if refusal.status == 401 else None
    return _reply(body, refusal.status, headers)
