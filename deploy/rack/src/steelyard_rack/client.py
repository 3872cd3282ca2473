"""A client of the control API."""

import http.client
import json
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

_DEADLINE_S = 30.0


class ControlError(Exception):
    """The rack said no, or there is none at that address."""


class RackClient:
    """Calls the control API at ``url``; one short connection a call. Raises ControlError."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        self.url = f"http://{parts.netloc}"
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80

    def about(self) -> dict[str, Any]:
        """The rack as a whole."""
        return self._object("GET", "/")

    def machines(self) -> list[dict[str, Any]]:
        """All machines as they are now."""
        return list(self._object("GET", "/machines")["machines"])

    def machine(self, name: str) -> dict[str, Any]:
        """One machine as it is now."""
        return self._object("GET", f"/machines/{quote(name)}")

    def nodes(self) -> list[dict[str, Any]]:
        """A node body for each machine: name, driver, driver_info, properties, ports."""
        return list(self._object("GET", "/nodes")["nodes"])

    def set_faults(self, name: str, faults: dict[str, object]) -> dict[str, Any]:
        """Change faults of one machine; None clears one. Returns those that are on now."""
        return self._object("PATCH", f"/machines/{quote(name)}/faults", faults)

    def set_faults_of(self, names: list[str], faults: dict[str, object]) -> None:
        """The same change on many machines."""
        self._call("PATCH", "/faults", {"machines": names, "faults": faults})

    def clear_faults(self, name: str | None = None) -> None:
        """One machine, or all, are healthy again."""
        self._call("DELETE", f"/machines/{quote(name)}/faults" if name else "/faults")

    def press(self, name: str, action: str) -> dict[str, Any]:
        """At the rack itself: 'press' the button, 'pull' the cord, 'on' or 'off' at once."""
        return self._object("POST", f"/machines/{quote(name)}/power", {"action": action})

    def record(
        self, machine: str | None = None, *, since: float = 0.0, after: int = 0, only_writes: bool = False
    ) -> list[dict[str, Any]]:
        """What the BMCs received, oldest first."""
        query: dict[str, object] = {"since": since, "after": after, "writes": int(only_writes)}
        if machine is not None:
            query["machine"] = machine
        return list(self._object("GET", f"/record?{urlencode(query)}")["entries"])

    def power_actions(self, *, refused_too: bool = False) -> dict[str, dict[str, int]]:
        """Machine → power action → how often its BMC accepted it (or got it at all) since the record was cleared."""
        return self._object("GET", f"/record/power?refused={int(refused_too)}")

    def files(self) -> dict[str, Any]:
        """What the rack serves at ``<url>/files/<name>``: name → bytes and sha256."""
        return self._object("GET", "/files")

    def renew(self) -> None:
        """All machines as new: off, healthy, no overrides, no sessions; and an empty record."""
        self._call("POST", "/renew")

    def clear_record(self) -> None:
        """Forget what was received."""
        self._call("DELETE", "/record")

    def _object(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        answer = json.loads(self._call(method, path, body))
        if not isinstance(answer, dict):
            raise ControlError(f"{self.url} is not a rack")
        return answer

    def _call(self, method: str, path: str, body: object = None) -> bytes:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_DEADLINE_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ControlError(
                f"no rack answers at {self.url}: {error}. Say which one is meant: --control ADDRESS:PORT of "
                "`steelyard rack serve`, or --data DIR of `steelyard up --rack N --data DIR`"
            ) from error
        finally:
            connection.close()
        if response.status >= 400:
            raise ControlError(_reason(raw, response.status))
        return raw


def _reason(raw: bytes, status: int) -> str:
    try:
        return str(json.loads(raw)["error"])
    except (ValueError, KeyError, TypeError):
        return f"the rack answered with status {status}"
