"""Credentials that nobody has to think of: made once, kept in the data folder, mode 0600."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field

import bcrypt
from steelyard_common.errors import Conflict, InvalidRequest
from steelyard_common.secrets import Sealer, write_secret

from . import sign_in
from .layout import Layout, read_json

ADMIN = "admin"
_RESTORE = "Restore it from a backup, or begin anew in another folder with --data DIR."


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """One password for each door."""

    postgres: str = field(repr=False)
    admin: str = field(repr=False)


def keep(layout: Layout) -> Credentials:
    """The folder's credentials; what is missing is made. Errors: Conflict for files that are damaged or lost."""
    if not layout.credentials.exists():
        _make(layout)
    body = read_json(layout.credentials, _RESTORE)
    body.pop("nats", None)  # the one user that NATS had before each service got its own (bus.py)
    try:
        known = Credentials(**body)
    except TypeError as error:
        raise Conflict(f"{layout.credentials} is damaged (other passwords are expected). {_RESTORE}") from error
    _check_seal_keys(layout)
    if not layout.htpasswd.exists():
        hashed = bcrypt.hashpw(known.admin.encode(), bcrypt.gensalt(rounds=10)).decode()
        write_secret(layout.htpasswd, f"{ADMIN}:{hashed}\n")
    return known


def _make(layout: Layout) -> None:
    """The sealing key first: where there are credentials there was a key."""
    if not layout.seal_keys.exists():
        write_secret(layout.seal_keys, Sealer.new_key() + "\n")
    made = Credentials(**{name: secrets.token_urlsafe(24) for name in Credentials.__dataclass_fields__})
    write_secret(layout.credentials, json.dumps(asdict(made), indent=2))


def _check_seal_keys(layout: Layout) -> None:
    """A new key in place of a lost one would make every stored BMC password unreadable, and not say so."""
    try:
        Sealer.from_text(layout.seal_keys.read_text().replace("\n", ","))
    except (OSError, ValueError, InvalidRequest) as error:
        reason = error.message if isinstance(error, InvalidRequest) else str(error)
        raise Conflict(
            f"{layout.seal_keys} cannot be used ({reason}). Without it the BMC passwords in the database cannot be "
            f"opened. {_RESTORE}"
        ) from error


def write_clouds(layout: Layout, url: str, auth: str, credentials: Credentials) -> None:
    """``clouds.yaml`` with the cloud ``steelyard``: for openstacksdk, the CLI, Ansible, Terraform."""
    who = {"endpoint": url}
    if auth == "http_basic":
        who |= {"username": ADMIN, "password": credentials.admin}
    known = sign_in.cloud(auth, url, os.environ) if auth in sign_in.BY_TOKEN else {"auth_type": auth, "auth": who}
    cloud = {
        **known,
        "baremetal_endpoint_override": url,
        "baremetal_api_version": "1",
        "region_name": "local",
    }
    # JSON is YAML; and it quotes what must be quoted.
    write_secret(layout.clouds, json.dumps({"clouds": {"steelyard": cloud}}, indent=2) + "\n")
