"""The one tree of errors, shared by HTTP, the bus and the BMC drivers.

    SteelyardError
    ├── InvalidRequest     400         the request does not fit the schema or makes no sense
    ├── Unauthenticated    401         who are you
    ├── Forbidden          403         you may not
    ├── NotFound           404         no such thing
    ├── NotAcceptable      406         asks for something newer than its API version
    ├── Conflict           409         the state does not allow it
    │   └── Busy           409  retry  another task holds the node
    ├── PreconditionFailed 412         it was changed after the caller read it
    ├── Unsupported        422         this hardware cannot
    ├── TooManyRequests    429  retry  this project asks too often
    ├── InternalError      500         a bug; only made by ``from_foreign``
    ├── DeviceUnreachable  502  retry  no answer from the BMC; nothing was done
    ├── DeviceRefused      502         the BMC answered no
    ├── Unavailable        503  retry  our own bus, database or workers are away
    └── OutcomeUnknown     504         it was sent and the answer never came: read the state first

``message`` is for the caller, ``detail`` for the log only; neither may hold a secret.
A kind exists because a *program* acts differently on it (docs/reference/errors.md).
"""

from __future__ import annotations

from typing import Any, ClassVar


class SteelyardError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str = "", *, detail: str = "") -> None:
        self.message = message or (type(self).__doc__ or "").splitlines()[0]
        self.detail = detail
        super().__init__(self.message)

    def to_dict(self) -> dict[str, Any]:
        """The body that travels over HTTP and the bus: ``{code, status, message, retryable}``."""
        return {
            "code": self.code,
            "status": self.http_status,
            "message": self.message,
            "retryable": self.retryable,
        }


class InvalidRequest(SteelyardError):
    """The request does not fit its schema or makes no sense."""

    code, http_status = "invalid-request", 400


class Unauthenticated(SteelyardError):
    """The request carries no valid identity."""

    code, http_status = "unauthenticated", 401


class Forbidden(SteelyardError):
    """This identity may not do that."""

    code, http_status = "forbidden", 403


class NotFound(SteelyardError):
    """There is no such thing."""

    code, http_status = "not-found", 404


class NotAcceptable(SteelyardError):
    """The request asks for something newer than its API version."""

    code, http_status = "not-acceptable", 406


class Conflict(SteelyardError):
    """The present state does not allow this."""

    code, http_status = "conflict", 409


class Busy(Conflict):
    """Another task holds the node."""

    code, retryable = "busy", True


class PreconditionFailed(SteelyardError):
    """It was changed after it was read."""

    code, http_status = "precondition-failed", 412


class TooManyRequests(SteelyardError):
    """Too many requests; try again later."""

    code, http_status, retryable = "too-many-requests", 429, True

    def __init__(self, message: str = "", *, detail: str = "", retry_after_s: int = 1) -> None:
        super().__init__(message, detail=detail)
        self.retry_after_s = retry_after_s


class Unsupported(SteelyardError):
    """This hardware or driver cannot do that."""

    code, http_status = "unsupported", 422


class InternalError(SteelyardError):
    """Something unexpected went wrong; the log says more."""

    code, http_status = "internal", 500


class DeviceUnreachable(SteelyardError):
    """The BMC did not answer; nothing was done."""

    code, http_status, retryable = "device-unreachable", 502, True


class DeviceRefused(SteelyardError):
    """The BMC answered and refused."""

    code, http_status = "device-refused", 502


class Unavailable(SteelyardError):
    """A part of the control plane is away; try again."""

    code, http_status, retryable = "unavailable", 503, True


class OutcomeUnknown(SteelyardError):
    """The request was sent and its answer never came; read the state before trying again."""

    code, http_status = "outcome-unknown", 504


class CommitUnknown(OutcomeUnknown):
    """A change of our own was being saved when the database went away; whoever can be asked again looks first."""


KINDS: dict[str, type[SteelyardError]] = {
    kind.code: kind
    for kind in (
        InvalidRequest, Unauthenticated, Forbidden, NotFound, NotAcceptable, Conflict, Busy, PreconditionFailed,
        Unsupported, TooManyRequests, InternalError, DeviceUnreachable, DeviceRefused, Unavailable, OutcomeUnknown,
    )
}  # fmt: skip


def from_dict(body: dict[str, Any]) -> SteelyardError:
    """Turn an error body (see ``to_dict``) back into the error; an unknown code becomes InternalError."""
    kind = KINDS.get(str(body.get("code")), InternalError)
    return kind(str(body.get("message", "")))


def from_foreign(error: BaseException) -> SteelyardError:
    """An error as it is, or a bug as InternalError (its text goes to the log's detail only)."""
    if isinstance(error, SteelyardError):
        return error
    return InternalError(detail=f"{type(error).__name__}: {error}")
