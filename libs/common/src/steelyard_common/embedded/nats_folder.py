"""The folder with what a nats-server and its users need: passwords, an authority, the server's certificate.

    ca.pem ca.key              the authority; ``ca.pem`` is what clients trust
    server.pem server.key      the server's certificate, made anew at each ``prepare``
    <user>.password            one for each row of the permissions table, mode 0600

What is there is kept; what is missing is made.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bcrypt

from ..certificates import Authority, certificate_pem, key_pem, new_key
from ..contracts.permissions import inbox, rows
from ..errors import InvalidRequest
from ..secrets import write_secret
from . import nats_config

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class NatsFolder:
    """``hosts``: addresses and names by which clients reach the server. Errors: InvalidRequest for a bad provider."""

    def __init__(
        self, root: Path, site: str, *, hosts: Sequence[str] = LOOPBACK,
        step_providers: Mapping[str, Sequence[str]] | None = None, has_tls: bool = True,
    ) -> None:  # fmt: skip
        self.root, self.site, self._hosts, self.has_tls = root, site, hosts, has_tls
        try:
            self.table = rows(step_providers)
        except ValueError as error:
            raise InvalidRequest(str(error)) from error

    @property
    def ca_file(self) -> Path:
        return self.root / "ca.pem"

    @property
    def certificate(self) -> Path:
        return self.root / "server.pem"

    @property
    def key(self) -> Path:
        return self.root / "server.key"

    def password_file(self, user: str) -> Path:
        return self.root / f"{user}.password"

    def password(self, user: str) -> str:
        return self.password_file(user).read_text().strip()

    def prepare(self) -> None:
        """Make what is missing."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for user in self.table:
            if not self.password_file(user).exists():
                write_secret(self.password_file(user), secrets.token_urlsafe(24) + "\n")
        if self.has_tls:
            key = new_key()
            authority = Authority.keep(self.root, "ca", f"Steelyard NATS of {self.site}")
            write_secret(self.key, key_pem(key).decode())
            self.certificate.write_bytes(certificate_pem(authority.issue("NATS", key, self._hosts)))

    def url(self, user: str, port: int, host: str = "127.0.0.1") -> str:
        """Without the password."""
        return f"{'tls' if self.has_tls else 'nats'}://{user}@{host}:{port}"

    def url_with_password(self, user: str, port: int) -> str:
        return self.url(user, port).replace("@", f":{self.password(user)}@")

    def settings(self, user: str, port: int) -> dict[str, str]:
        """The environment of a service that is this user."""
        settings = {
            "STEELYARD_NATS_URL": self.url(user, port),
            "STEELYARD_NATS_PASSWORD_FILE": str(self.password_file(user)),
        }
        return settings | ({"STEELYARD_NATS_CA_FILE": str(self.ca_file)} if self.has_tls else {})

    def write_contexts(self, port: int, users: Sequence[str]) -> None:
        """``<user>.json``: all that a client needs, in the words of the ``nats`` command's own context files."""
        for user in users:
            context = {
                "description": f"Steelyard at {self.site}", "url": self.url(user, port), "user": user,
                "password": self.password(user), "inbox_prefix": inbox(user),
            }  # fmt: skip
            if self.has_tls:
                context["ca"] = str(self.ca_file)
            write_secret(self.root / f"{user}.json", json.dumps(context, indent=2) + "\n")

    def server_config(self, *, hashed: bool = False) -> dict[str, Any]:
        """The parts of nats-server's configuration that are about users and TLS.

        ``hashed``: bcrypt, for a file that leaves this folder. Beside the passwords it would only cost CPU.
        """
        passwords = {user: self.password(user) for user in self.table}
        if hashed:
            passwords = {user: _hash(password) for user, password in passwords.items()}
        config: dict[str, Any] = {"authorization": nats_config.authorization(self.site, self.table, passwords)}
        if self.has_tls:
            config["tls"] = nats_config.tls(self.certificate, self.key)
        return config


def _hash(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=10)).decode()
