"""Every foreign error of the Redfish way out becomes one of ours here.

| what happened | becomes | because |
| --- | --- | --- |
| no connection, TLS refused, or a read that got no answer | DeviceUnreachable | nothing was done |
| a write was sent and no answer came | OutcomeUnknown | it may have been done |
| 401, 403 | DeviceRefused, "credentials" | trying again would lock the account |
| 404 of an optional thing, 405, 501, missing property or action | Unsupported | this BMC cannot |
| 409/400 "not ready", 429, 503 | DeviceUnreachable | it said: not now; nothing was done |
| other 4xx | DeviceRefused | it answered no |
| other 5xx to a read | DeviceUnreachable | nothing was done, may work later |
| other 5xx to a write | OutcomeUnknown | BMCs answer 500 to resets they carry out: look first |
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from sushy import exceptions

from ...errors import DeviceRefused, DeviceUnreachable, OutcomeUnknown, SteelyardError, Unsupported

CREDENTIALS = "credentials"
# Words in an error's body that mean "not now": model, firmware and evidence are in docs/reference/bmc-quirks.md.
NOT_NOW = ("SYS518", "InvalidOperationForSystemState", "UnableToModifyDuringSystemPOST", "ActionParameterValueConflict")
LONGEST = 300


def _short(text: object) -> str:
    words = " ".join(str(text or "").split())
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}…"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    queue: list[object] = [error]
    while queue:
        item = queue.pop()
        if not isinstance(item, BaseException) or id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        queue += [*item.args, getattr(item, "reason", None), item.__cause__, item.__context__]


def _why(error: Exception) -> str:
    """What an operator can do something about, as far as the system says it."""
    for cause in _chain(error):
        if isinstance(cause, socket.gaierror):
            return ": its name is not known here"
        if isinstance(cause, ConnectionRefusedError):
            return ": nothing listens there"
        if isinstance(cause, TimeoutError):
            return ": no answer at that address"
    return ""


def from_transport(error: Exception, address: str, *, unanswered: bool) -> SteelyardError:
    """``unanswered``: bytes of a write went out. The message holds the address and the kind of failure, no header."""
    if unanswered:
        return OutcomeUnknown(f"the BMC at {address} was sent a change and did not answer", detail=_short(error))
    for cause in _chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return DeviceUnreachable(
                f"the certificate of the BMC at {address} is not trusted: {_short(cause.verify_message)}"
            )
    if isinstance(error, requests.exceptions.SSLError):
        return DeviceUnreachable(f"no TLS connection to the BMC at {address}", detail=_short(error))
    if isinstance(error, requests.ReadTimeout):
        return DeviceUnreachable(f"the BMC at {address} did not answer in time", detail=_short(error))
    return DeviceUnreachable(f"no connection to the BMC at {address}{_why(error)}", detail=_short(error))


def from_answer(error: exceptions.HTTPError, address: str, *, wrote: bool) -> SteelyardError:
    """The BMC answered with an error status."""
    status = int(error.status_code or 0)
    said = _short(error.detail or error.code)
    detail = _short(error.extended_info)
    if status in (401, 403):
        return DeviceRefused(f"the BMC at {address} refused the {CREDENTIALS} (HTTP {status})", detail=detail)
    if status in (429, 503) or (status < 500 and any(word in str(error) for word in NOT_NOW)):
        return DeviceUnreachable(f"the BMC at {address} is not ready: {said} (HTTP {status})", detail=detail)
    if status in (405, 501):
        return Unsupported(f"the BMC at {address} does not offer this (HTTP {status})", detail=detail)
    if status < 500:
        return DeviceRefused(f"the BMC at {address} refused: {said} (HTTP {status})", detail=detail)
    if wrote:
        return OutcomeUnknown(f"the BMC at {address} failed at a change: {said} (HTTP {status})", detail=detail)
    return DeviceUnreachable(f"the BMC at {address} fails: {said} (HTTP {status})", detail=detail)


@contextmanager
def translated(address: str, *, wrote: bool = False) -> Iterator[None]:
    """Around everything that enters sushy."""
    try:
        yield
    except exceptions.HTTPError as error:
        raise from_answer(error, address, wrote=wrote) from error
    except (
        exceptions.MissingAttributeError,
        exceptions.MissingActionError,
        exceptions.InvalidParameterValueError,
        exceptions.MalformedAttributeError,
    ) as error:
        raise Unsupported(f"the BMC at {address} does not offer this: {_short(error)}") from error
    except (exceptions.SushyError, requests.RequestException, ValueError) as error:
        # ValueError: an answer that is not JSON.
        raise DeviceUnreachable(f"the BMC at {address} gave no usable answer", detail=_short(error)) from error
