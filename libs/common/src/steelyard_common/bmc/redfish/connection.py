"""One BMC, signed in: its session, its service root and its System objects, kept between conversations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import sushy
import sushy.auth
from sushy import exceptions

from ...errors import DeviceUnreachable, InvalidRequest, SteelyardError
from ..deadline import Deadline
from ..driver_info import RedfishTarget
from ..line import Line, PoolSettings
from ..tls import TlsContexts
from .connector import Connector
from .errors import from_answer, translated

AUTHENTICATORS = {
    "basic": sushy.auth.BasicAuth,
    "session": sushy.auth.SessionAuth,
    "auto": sushy.auth.SessionOrBasicAuth,
}
Document = dict[str, Any]
MISSING = (404, 405, 500, 501)


class RedfishConnection:
    """Errors of all methods: DeviceUnreachable, DeviceRefused, OutcomeUnknown, Unsupported, InvalidRequest."""

    def __init__(
        self, target: RedfishTarget, password: str, tls: TlsContexts, line: Line, settings: PoolSettings
    ) -> None:
        self.target = target
        self._limits = settings
        self.connector = Connector(target, tls, line, settings)
        self._auth = AUTHENTICATORS[target.auth_type](username=target.username, password=password)
        self._root: Any = None
        self._systems: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"RedfishConnection({self.target.address})"

    @property
    def session(self) -> str | None:
        """How we are signed in: session, basic or not at all. For the report."""
        if self._root is None:
            return None
        return "session" if self._auth.can_refresh_session() else "basic"

    def begin(self, deadline: Deadline) -> None:
        """Every call until the next ``begin`` ends by ``deadline``."""
        self.connector.deadline = deadline

    def cut(self) -> None:
        """End a call that runs past its deadline; from another thread."""
        self.connector.cut()

    @contextmanager
    def _signing_in(self) -> Iterator[None]:
        self.connector.signing_in = True
        try:
            yield
        finally:
            self.connector.signing_in = False

    def root(self) -> Any:
        """sushy's service root, signed in."""
        if self._root is None:
            with self._signing_in(), translated(self.target.address):
                self._root = sushy.Sushy(
                    self.target.url, auth=self._auth, connector=self.connector, root_prefix=self.target.root
                )
        return self._root

    def system(self, system_id: str | None, *, fresh: bool = True) -> Any:
        """The System object, read just now unless ``fresh`` is false."""
        key = system_id or ""
        known = self._systems.get(key)
        with translated(self.target.address):
            if known is None:
                known = self._systems[key] = self._find(system_id)
            elif fresh:
                known.invalidate()
                known.refresh(force=False)  # force would read every sub-resource again
        return known

    def system_document(self, system_id: str | None) -> Document:
        """The System as JSON, read just now: the cheapest look there is (no fields parsed)."""
        known = self._systems.get(system_id or "")
        if known is None:
            return dict(self.system(system_id).json)
        return self.document(known.path)

    def _find(self, system_id: str | None) -> Any:
        root = self.root()
        try:
            if system_id and not system_id.startswith("/"):
                system_id = f"{root.get_system_collection().path.rstrip('/')}/{system_id}"
            return root.get_system(system_id)
        except exceptions.UnknownDefaultError as error:
            raise InvalidRequest(
                f"redfish_system_id is missing: the BMC at {self.target.address} has not exactly one system"
            ) from error
        except exceptions.ResourceNotFoundError as error:
            raise InvalidRequest(f"the BMC at {self.target.address} has no system {system_id}") from error

    def document(self, path: str) -> Document:
        """Any resource as JSON."""
        self.root()
        with translated(self.target.address):
            answer = orjson.loads(self.connector.get(path).content)
        if not isinstance(answer, dict):
            raise DeviceUnreachable(f"the BMC at {self.target.address} gave no usable answer")
        return answer

    def optional(self, path: str | None) -> Document | None:
        """A resource that may be missing: no link, 404, or (quirk) 500 and 501 where others answer 404."""
        if not path:
            return None
        self.root()
        try:
            response = self.connector.get(path)
        except exceptions.HTTPError as error:
            if error.status_code in MISSING:
                self.connector.forgive()
                return None
            raise from_answer(error, self.target.address, wrote=False) from error
        try:
            answer = orjson.loads(response.content)
        except ValueError:
            return None
        return answer if isinstance(answer, dict) else None

    def members(self, path: str | None) -> list[Document]:
        """The documents of a collection; links are followed one by one, missing ones are left out."""
        collection = self.optional(path) or {}
        found = (self.expanded(member) for member in collection.get("Members") or [])
        return [document for document in found if document]

    def expanded(self, link: Document) -> Document | None:
        """What a link points to; an already expanded member is returned as it is."""
        return link if len(link) > 1 else self.optional(link.get("@odata.id"))

    def patch(self, path: str, changes: Document) -> None:
        """Change a resource, with the ETag the BMC gave (and sushy's known ways round wrong ones)."""
        self.root()
        with translated(self.target.address):
            etag = self.connector.get(path).headers.get("ETag")
        with translated(self.target.address, wrote=True):
            self.connector.patch(path, data=changes, etag=etag)

    def post(self, path: str, body: Document | None) -> None:
        """Call an action. It may go on after its answer."""
        self.root()
        with translated(self.target.address, wrote=True):
            self.connector.post(path, data=body)

    def close(self) -> None:
        """Give the session back, politely but briefly; the connection can be used again afterwards."""
        self.begin(Deadline(self._limits.logout_timeout_s))
        try:
            with translated(self.target.address):
                self._auth.close()
        except SteelyardError:
            self._auth.reset_session_attrs()  # it will time out at the BMC; sushy must not try again when collected
        self._root = None
        self._systems.clear()
        self.connector.close()
