"""Sign-in by tokens, as the runner sees it: what must be set, what it hands on, how clients are told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steelyard_api_gateway.settings import Settings
from steelyard_common.settings import read

MODES = ("none", "http_basic", "keystone", "oidc")
BY_TOKEN = frozenset({"keystone", "oidc"})  # only users have tokens; the runner itself cannot use the API
CA_FILE = "STEELYARD_AUTH_CA_FILE"
# The gateway alone asks Keystone.
WITHHELD = {"STEELYARD_KEYSTONE_PASSWORD": ""}


def check(auth: str, environment: Mapping[str, str]) -> None:
    """Errors: InvalidRequest that names what is missing or wrong, before anything starts."""
    if auth in BY_TOKEN:
        ours = {"STEELYARD_AUTH": auth, "STEELYARD_HTTP_BIND": "127.0.0.1:0"}
        read(Settings, {**environment, **handed_on(environment), **ours}).check()


def handed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """The services run in the data folder: a file that was named from here has to be named in full."""
    file = environment.get(CA_FILE, "").strip()
    return {CA_FILE: str(Path(file).expanduser().absolute())} if file else {}


def cloud(auth: str, url: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """What clouds.yaml says of signing in at ``url``. The user, password or token they have to add."""
    if auth == "oidc":
        return {"auth_type": "admin_token", "auth": {"endpoint": url}}  # sends a token as it is
    keystone = environment.get("STEELYARD_KEYSTONE_PUBLIC_URL") or environment.get("STEELYARD_KEYSTONE_URL", "")
    return {"auth_type": "password", "auth": {"auth_url": keystone.rstrip("/").removesuffix("/v3") + "/v3"}}
