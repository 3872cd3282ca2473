"""The door of a Redfish BMC: faults first, then who are you, then the document or the change; all goes on record."""

import asyncio
import json
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web
from aiohttp.web_request import BaseRequest

from ..record import Record
from .bmc import RedfishBmc
from .changes import RESET_PATH, SESSIONS_PATH, Changed, Refused, find, reset_type
from .documents import document, system_of

_LONGEST_BODY = 64 * 1024
_WRITES = {"POST", "PATCH", "DELETE", "PUT"}


@dataclass(frozen=True, slots=True)
class _Arrival:
    """What goes on record of a request."""

    machine: str
    operation: str
    is_write: bool
    is_power: bool


class RedfishDoor:
    """Answers the requests of one BMC."""

    def __init__(self, bmc: RedfishBmc, record: Record) -> None:
        self._bmc = bmc
        self._record = record
        self._late: set[asyncio.Future[web.Response]] = set()

    async def answer(self, request: BaseRequest) -> web.StreamResponse:
        """One request. The listener cancels this when the client goes away."""
        path = self._path(request)
        body, fault = await _body(request)
        arrival = self._arrival(request.method, path, _shown(request.path), body)
        if self._bmc.faults.hang:
            self._keep(arrival, "no answer")
            await asyncio.Event().wait()
        work = self._work(request, path, body, fault, arrival)
        if not self._bmc.faults.latency_s:
            return await work
        # What a slow BMC has received it will do, even if the client does not wait for it.
        late = asyncio.ensure_future(work)
        self._late.add(late)
        late.add_done_callback(self._late.discard)
        return await asyncio.shield(late)

    async def _work(
        self, request: BaseRequest, path: str | None, body: dict[str, Any], fault: Refused | None, arrival: _Arrival
    ) -> web.Response:
        if self._bmc.faults.latency_s:
            await asyncio.sleep(self._bmc.faults.latency_s)
        operation = arrival.operation
        try:
            if fault is not None:
                raise fault
            response, operation = self._respond(request, path, body, operation)
        except Refused as refusal:
            response = _error(refusal)
        self._keep(replace(arrival, operation=operation), str(response.status), is_done=response.status < 300)
        if self._bmc.faults.late_answer_s and arrival.is_write:
            await asyncio.sleep(self._bmc.faults.late_answer_s)
        return response

    def _arrival(self, method: str, path: str | None, shown: str, body: dict[str, Any]) -> _Arrival:
        is_power = method == "POST" and path is not None and RESET_PATH.fullmatch(path) is not None
        # A session changes nothing of the machine: not a write.
        is_write = method in _WRITES and not (path or "").startswith(SESSIONS_PATH)
        machine = (system_of(self._bmc, path) if path else None) or self._bmc.first
        operation = f"Reset {reset_type(body)}" if is_power else f"{method} {shown}"
        return _Arrival(machine.identity.name, operation, is_write, is_power)

    def _keep(self, arrival: _Arrival, outcome: str, *, is_done: bool = False) -> None:
        self._record.add(
            arrival.machine,
            "redfish",
            arrival.operation,
            outcome,
            is_write=arrival.is_write,
            is_power=arrival.is_power,
            is_done=is_done,
        )

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
