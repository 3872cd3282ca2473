"""Agent sessions: which token is out for a node, and which heartbeat is believed (lifecycle facts §12). Pure.

Rule 1  A token is issued exactly once per boot, to one request: who asks again is told ``******``. That very request,
        asked again because its answer was lost, is told the same token till its agent is heard of. A new one only
        after the node was switched off or prepared anew (``boot`` differs, or the session was begun anew).
Rule 2  A token that was made before the boot (it travels on virtual media) is never issued, and outlives a reboot.
Rule 3  Address and certificate of the agent are taken once per boot; whoever comes with others is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from steelyard_common.errors import InvalidRequest
from steelyard_common.secrets import MASK

TOKEN_BYTES = 32  # 43 characters; agents ignore tokens of less than 32
MAX_CA = 65_536
NOT_BELIEVED = "Invalid or missing agent token received."
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


@dataclass(frozen=True, kw_only=True)
class Session:
    """One row of ``agents``. ``token`` is sealed; ``boot`` None: it belongs to whichever boot of the node is next.

    ``issued_to``: the id of the request that the token was told to; None: it was told to none, or to an unknown one."""

    node_uuid: str
    token: str | None = field(default=None, repr=False)
    pregenerated: bool = False
    issued_at: datetime | None = None
    issued_to: str | None = None
    boot: str | None = None
    url: str | None = None
    verify_ca: str | None = field(default=None, repr=False)
    version: str | None = None
    status: str | None = None
    status_message: str | None = None
    versions: Mapping[str, Any] = field(default_factory=dict)
    last_heartbeat_at: datetime | None = None
    reverse_url: str | None = None
    poll_at: datetime | None = None
    poll_failures: int = 0
    created_at: datetime | None = None

    def is_alive(self, now: datetime, limit_s: float) -> bool:
        """It was heard of within ``limit_s``."""
        return self.last_heartbeat_at is not None and (now - self.last_heartbeat_at).total_seconds() <= limit_s


@dataclass(frozen=True, kw_only=True)
class Beat:
    """What one heartbeat says."""

    node_uuid: str
    url: str
    token: str = field(repr=False)
    version: str | None = None
    verify_ca: str | None = field(default=None, repr=False)
    status: str | None = None
    status_message: str | None = None


def new_token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


def of_boot(session: Session, boot: str | None) -> Session:
    """The session as it is in the node's boot ``boot`` (None: the node was never switched off under us).

    What belongs to an earlier one is forgotten; a token that was made beforehand stays.
    """
    now = boot or ""
    if session.boot is None:
        return replace(session, boot=now)
    if session.boot == now:
        return session
    left = replace(
        session, boot=now, url=None, verify_ca=None, version=None, status=None, status_message=None, versions={},
        last_heartbeat_at=None,
    )  # fmt: skip
    return left if session.pregenerated else replace(left, token=None, issued_at=None, issued_to=None)


def is_of(session: Session, request_id: str) -> bool:
    """The token that is out was issued to this request. Nobody is one without an id."""
    return bool(request_id) and session.issued_to == request_id and not session.pregenerated


def is_told_again(session: Session, request_id: str) -> bool:
    """This request may never have had its answer: nobody was heard of since who has the token."""
    return is_of(session, request_id) and session.token is not None and session.last_heartbeat_at is None


def take(
    session: Session | None, beat: Beat, now: datetime, open_: Callable[[str], str], *, require_tls: bool
) -> Session:
    """The session after a heartbeat. Errors: InvalidRequest for one that is not believed."""
    url = session.url if session is not None else None
    if url is not None and url != beat.url:
        raise InvalidRequest('Detected change in ramdisk provided "callback_url"')
    if not beat.version and not beat.status:
        raise InvalidRequest(
            "Agent did not transmit a version, and a version is required. Please update the agent being used."
        )
    if session is None or not fits(session, beat.token, open_):
        raise InvalidRequest(NOT_BELIEVED)
    if beat.url:
        check_url(beat.url, require_tls=require_tls)
    ca = certificate(beat.verify_ca) if beat.verify_ca else None
    if ca and session.verify_ca and ca != session.verify_ca:
        raise InvalidRequest('Detected change in ramdisk provided "agent_verify_ca"')
    return replace(
        session, url=beat.url, verify_ca=session.verify_ca or ca, version=beat.version or session.version,
        status=beat.status, status_message=beat.status_message, last_heartbeat_at=now,
    )  # fmt: skip


def fits(session: Session, token: str, open_: Callable[[str], str]) -> bool:
    """Whether ``token`` is the one that is out, compared in constant time."""
    if session.token is None:
        return False
    return hmac.compare_digest(open_(session.token).encode(), token.encode())


def check_url(url: str, *, require_tls: bool) -> None:
    """Errors: InvalidRequest for an address that an agent may not be called at."""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_good = False
    if not is_good or parts.username is not None or parts.query or parts.fragment:
        raise InvalidRequest('An issue with the supplied "callback_url" has been detected.')
    if require_tls and parts.scheme != "https":
        raise InvalidRequest(
            "TLS is required by configuration and the agent offers none: boot a ramdisk with ironic-python-agent 7 or "
            "newer, or set STEELYARD_AGENT_REQUIRE_TLS to false"
        )


def certificate(text: str) -> str:
    """The certificates in ``text``, as PEM, without what stands around them. Errors: InvalidRequest."""
    found = _PEM.findall(text) if len(text) <= MAX_CA else []
    if not found:
        raise InvalidRequest("agent_verify_ca must be a certificate in PEM")
    return "\n".join(found) + "\n"


def notes(session: Session, now: datetime) -> dict[str, Any]:
    """What the node shows of its agent: for driver_internal_info, with no secret in it; None: nothing to show."""
    ca = session.verify_ca
    return {
        "agent_url": session.url,
        "agent_version": session.version,
        "agent_last_heartbeat": now.replace(tzinfo=None).isoformat(timespec="microseconds"),
        "agent_verify_ca": f"sha256:{hashlib.sha256(ca.encode()).hexdigest()}" if ca else None,
        "agent_secret_token": MASK,
        "agent_secret_token_pregenerated": True if session.pregenerated else None,
        "agent_status": session.status,
        "agent_status_message": session.status_message,
    }
