"""Each child's own way to NATS: the suite's own server, or one that the environment names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from steelyard_common.bus import Access
from steelyard_common.contracts.permissions import INTEGRATION, OPERATOR
from steelyard_common.embedded import EmbeddedNats, NatsFolder
from steelyard_common.errors import InvalidRequest
from steelyard_common.settings import boolean

from . import children
from .layout import Layout

TLS, USERS_DIR, URL, SITE = "STEELYARD_NATS_TLS", "STEELYARD_NATS_USERS_DIR", "STEELYARD_NATS_URL", "STEELYARD_SITE"
CA_FILE = "STEELYARD_NATS_CA_FILE"
StepProviders = Mapping[str, tuple[str, ...]]


class Bus(Protocol):
    """``settings`` is what a service is told about the bus, and no other service."""

    def settings(self, service: str) -> dict[str, str]: ...


class OwnBus:
    """A nats-server of the suite's own, with a user for each service, and TLS."""

    def __init__(self, layout: Layout, environ: Mapping[str, str], step_providers: StepProviders) -> None:
        self._folder = NatsFolder(
            layout.bus, environ.get(SITE) or "local", step_providers=step_providers, has_tls=_has_tls(environ)
        )
        self._outsiders = (INTEGRATION, OPERATOR, *step_providers)
        self.child, self._server = children.nats(layout, self._folder)

    @property
    def server(self) -> EmbeddedNats:
        return self._server

    def settings(self, service: str) -> dict[str, str]:
        nothing = {"STEELYARD_NATS_CA_FILE": "", "STEELYARD_NATS_CERT_FILE": "", "STEELYARD_NATS_KEY_FILE": ""}
        return nothing | self._folder.settings(service, self._server.port)

    def tell_outsiders(self) -> None:
        """What a program of somebody's own needs to know; the port is another at each start."""
        self._folder.write_contexts(self._server.port, self._outsiders)


class ForeignBus:
    """A nats-server that somebody else runs. With ``STEELYARD_NATS_USERS_DIR`` each service is its own user there."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._url = environ[URL]
        self._users = Path(environ[USERS_DIR]) if environ.get(USERS_DIR) else None
        self._ca_file = environ.get(CA_FILE, "")

    def settings(self, service: str) -> dict[str, str]:
        """Errors: InvalidRequest when the folder has no password for it, or the URL names a user already."""
        if self._users is None:
            return {URL: self._url}
        if "@" in self._url:
            raise InvalidRequest(f"{URL} names a user, and {USERS_DIR} is set: one of them is enough")
        password_file = self._users / f"{service}.password"
        own_ca = self._users / "ca.pem"
        found = {
            URL: ",".join(each.strip().replace("://", f"://{service}@") for each in self._url.split(",")),
            "STEELYARD_NATS_PASSWORD_FILE": str(password_file),
            CA_FILE: self._ca_file or (str(own_ca) if own_ca.exists() else ""),
        }
        Access(url=found[URL], ca_file=found[CA_FILE], password_file=str(password_file)).check()
        return found


def choose(
    layout: Layout, step_providers: StepProviders, environ: Mapping[str, str] = os.environ
) -> OwnBus | ForeignBus:
    """Errors: InvalidRequest."""
    return ForeignBus(environ) if environ.get(URL) else OwnBus(layout, environ, step_providers)


def step_providers(words: list[str]) -> StepProviders:
    """``name:interface[,interface…]`` each. Errors: InvalidRequest."""
    found = {}
    for word in words:
        name, colon, interfaces = word.partition(":")
        if not (name and colon and interfaces):
            raise InvalidRequest(f"--step-provider takes NAME:INTERFACE[,INTERFACE…], not {word!r}")
        found[name] = tuple(interfaces.split(","))
    return found


def _has_tls(environ: Mapping[str, str]) -> bool:
    try:
        return boolean(environ.get(TLS) or "true")
    except ValueError as error:
        raise InvalidRequest(f"{TLS}: {error}") from error
