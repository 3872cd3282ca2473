"""A Keystone reached by HTTP: tokens are shown to it with an account of our own (Identity API v3)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from keystoneauth1 import exceptions
from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from steelyard_common.errors import Unavailable
from steelyard_common.telemetry import get_logger

log = get_logger(__name__)
AGAIN_S = 1.0  # between trials of a Keystone that is away


class KeystoneApi:
    """``url`` ends in `/v3`. One request to Keystone takes at most ``timeout_s`` for each wait.

    While Keystone is away one request at a time tries it; all others are told at once.
    """

    def __init__(
        self, url: str, *, username: str, password: str, project: str, domain: str, ca_file: str = "",
        timeout_s: float = 5.0, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        account = v3.Password(
            auth_url=url, username=username, password=password, project_name=project, user_domain_name=domain,
            project_domain_name=domain, include_catalog=False,
        )  # fmt: skip
        self._session = Session(auth=account, verify=ca_file or True, timeout=timeout_s, redirect=False)
        self._url = f"{url}/auth/tokens?nocatalog=1"
        self._clock = clock
        self._away_since: float | None = None
        self._trial = threading.Lock()

    def token(self, token: str, *, allow_expired: bool) -> Mapping[str, Any] | None:
        if self._away_since is None:
            return self._noted(token, allow_expired)
        if not self._trial.acquire(blocking=False):
            raise _away()
        try:
            if self._away_since is not None and self._clock() - self._away_since < AGAIN_S:
                raise _away()
            return self._noted(token, allow_expired)
        finally:
            self._trial.release()

    def _noted(self, token: str, allow_expired: bool) -> Mapping[str, Any] | None:
        try:
            found = self._asked(token, allow_expired)
        except Unavailable as error:
            self._away_since = self._clock()
            log.error("tokens cannot be checked", reason=error.detail)
            raise
        self._away_since = None
        return found

    def _asked(self, token: str, allow_expired: bool) -> Mapping[str, Any] | None:
        url = self._url + ("&allow_expired=1" if allow_expired else "")
        try:
            # Its log would show what is in tokens.
            answer = self._session.get(url, headers={"X-Subject-Token": token}, log=False)
            found = answer.json()["token"] if answer.status_code == 200 else None
        except exceptions.NotFound:
            return None
        except (exceptions.Unauthorized, exceptions.Forbidden) as error:
            raise _away(
                "Keystone refuses the gateway's own account: check STEELYARD_KEYSTONE_USERNAME, _PASSWORD, _PROJECT "
                "and _DOMAIN, and that it has the role service or admin"
            ) from error
        except (exceptions.ClientException, ValueError, LookupError, TypeError) as error:
            raise _away(f"{type(error).__name__}: {error}") from error
        if not isinstance(found, dict):
            raise _away(f"status {answer.status_code} and no token; is STEELYARD_KEYSTONE_URL right?")
        return found


def _away(detail: str = "") -> Unavailable:
    return Unavailable("The identity service cannot be asked; please try again in a moment", detail=detail)
