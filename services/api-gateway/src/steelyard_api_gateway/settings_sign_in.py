"""What sign-in reads from the environment: who may use the API, and who says so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from steelyard_common.errors import InvalidRequest
from steelyard_common.settings import SealSettings, env, one_of, seconds, some_seconds

NO_AUTH, HTTP_BASIC, KEYSTONE, OIDC = "none", "http_basic", "keystone", "oidc"
# Sign-in → the settings that it cannot do without; their variables have the same names.
NEEDS = {
    HTTP_BASIC: ("htpasswd_file",),
    KEYSTONE: ("keystone_url", "keystone_username", "keystone_password", "keystone_project"),
    OIDC: ("oidc_issuer", "oidc_audience"),
}
# Signatures by a private key alone; see service/key_ring.py.
SIGNATURES = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
LOOPBACK = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/|$)")


def _words(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (word.strip() for word in text.split(","))))


def _signatures(text: str) -> tuple[str, ...]:
    found = _words(text)
    if not found or not set(found) <= set(SIGNATURES):
        raise ValueError(f"some of {', '.join(SIGNATURES)} are expected, with commas")
    return found


def _names(text: str) -> Mapping[str, str]:
    pairs = [word.rpartition("=") for word in _words(text)]
    if not all(theirs.strip() and ours.strip() for theirs, _, ours in pairs):
        raise ValueError("pairs of theirs=ours are expected, with commas")
    return {theirs.strip(): ours.strip() for theirs, _, ours in pairs}


def _keystone_url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("an http or https URL is expected")
    return text.rstrip("/").removesuffix("/v3") + "/v3"


def _uri(text: str) -> str:
    if not text.startswith(("http://", "https://")) or not text.isprintable() or '"' in text:
        raise ValueError("an http or https URL is expected")
    return text


def _issuer(text: str) -> str:
    if not text.startswith("https://") and not LOOPBACK.match(text):
        raise ValueError("an https URL is expected: whoever can change keys on their way can sign in as anybody")
    return text


@dataclass(frozen=True, kw_only=True)
class SignInSettings(SealSettings):
    """``check_sign_in`` judges them together."""

    auth: str = field(
        default=NO_AUTH,
        metadata=env(
            "STEELYARD_AUTH",
            "none (loopback only), http_basic, keystone or oidc",
            parse=one_of(NO_AUTH, HTTP_BASIC, KEYSTONE, OIDC),
        ),
    )
    auth_cache_s: float = field(
        default=60.0,
        metadata=env(
            "STEELYARD_AUTH_CACHE_S",
            "seconds that a checked token is trusted; a revoked one is for as long",
            parse=seconds,
        ),
    )
    auth_timeout_s: float = field(
        default=5.0,
        metadata=env(
            "STEELYARD_AUTH_TIMEOUT_S", "seconds to wait for Keystone or the token issuer", parse=some_seconds
        ),
    )
    auth_ca_file: str = field(
        default="",
        metadata=env("STEELYARD_AUTH_CA_FILE", "CA certificates (PEM) of Keystone or the token issuer; empty = public"),
    )
    htpasswd_file: str = field(
        default="",
        metadata=env("STEELYARD_HTPASSWD_FILE", "users of http_basic: bcrypt htpasswd, read again when it changes"),
    )
    keystone_url: str = field(
        default="", metadata=env("STEELYARD_KEYSTONE_URL", "where Keystone is", parse=_keystone_url)
    )
    keystone_public_url: str = field(
        default="",
        metadata=env("STEELYARD_KEYSTONE_PUBLIC_URL", "where clients find Keystone; empty = the same", parse=_uri),
    )
    keystone_username: str = field(
        default="",
        metadata=env("STEELYARD_KEYSTONE_USERNAME", "the account that checks tokens (role service or admin)"),
    )
    keystone_password: str = field(default="", repr=False, metadata=env("STEELYARD_KEYSTONE_PASSWORD", "its password"))
    keystone_project: str = field(default="", metadata=env("STEELYARD_KEYSTONE_PROJECT", "its project, by name"))
    keystone_domain: str = field(
        default="Default", metadata=env("STEELYARD_KEYSTONE_DOMAIN", "the domain of both, by name")
    )
    keystone_service_roles: tuple[str, ...] = field(
        default=("service",),
        metadata=env("STEELYARD_KEYSTONE_SERVICE_ROLES", "roles that make a service, with commas", parse=_words),
    )
    oidc_issuer: str = field(
        default="", metadata=env("STEELYARD_OIDC_ISSUER", "issuer of tokens: `iss`, exactly", parse=_issuer)
    )
    oidc_audience: str = field(default="", metadata=env("STEELYARD_OIDC_AUDIENCE", "what `aud` must name"))
    oidc_algorithms: tuple[str, ...] = field(
        default=SIGNATURES,
        metadata=env("STEELYARD_OIDC_ALGORITHMS", "signatures that are accepted, with commas", parse=_signatures),
    )
    oidc_user_claim: str = field(default="sub", metadata=env("STEELYARD_OIDC_USER_CLAIM", "claim that names the user"))
    oidc_roles_claim: str = field(
        default="roles",
        metadata=env("STEELYARD_OIDC_ROLES_CLAIM", "claim with the roles: a name, or a path like realm_access.roles"),
    )
    oidc_roles: Mapping[str, str] = field(
        default_factory=dict,
        metadata=env(
            "STEELYARD_OIDC_ROLES", "theirs=ours, with commas: dc-operators=admin,…; empty = as they are", parse=_names
        ),
    )
    oidc_project_claim: str = field(
        default="project", metadata=env("STEELYARD_OIDC_PROJECT_CLAIM", "claim with the project's id: a name or a path")
    )
    oidc_system_role: str = field(
        default="",
        metadata=env(
            "STEELYARD_OIDC_SYSTEM_ROLE", "who has this among the roles acts on the whole system; empty = nobody does"
        ),
    )
    oidc_leeway_s: float = field(
        default=30.0, metadata=env("STEELYARD_OIDC_LEEWAY_S", "seconds that clocks may differ", parse=seconds)
    )
    oidc_keys_s: float = field(
        default=300.0, metadata=env("STEELYARD_OIDC_KEYS_S", "seconds after which keys are fetched anew", parse=seconds)
    )

    def check_sign_in(self) -> None:
        """Errors: InvalidRequest when something is missing, or sign-in and address do not go together."""
        missing = [f"STEELYARD_{name.upper()}" for name in NEEDS.get(self.auth, ()) if not getattr(self, name)]
        if missing:
            raise InvalidRequest(f"STEELYARD_AUTH={self.auth} needs {', '.join(missing)}")
        if self.auth in (KEYSTONE, OIDC) and self.auth_ca_file and not Path(self.auth_ca_file).is_file():
            raise InvalidRequest(f"STEELYARD_AUTH_CA_FILE names no file: {self.auth_ca_file}")
        if self.auth == NO_AUTH and not is_loopback(self.http_bind):
            raise InvalidRequest(
                f"STEELYARD_AUTH=none lets everybody in who reaches {self.http_bind}: bind a loopback address"
                " (STEELYARD_HTTP_BIND=127.0.0.1:6385), or set STEELYARD_AUTH=http_basic and STEELYARD_HTPASSWD_FILE,"
                " or STEELYARD_AUTH=keystone or oidc"
            )

    def htpasswd_path(self) -> Path:
        return Path(self.htpasswd_file)


def is_loopback(bind: str) -> bool:
    """Does ``host:port`` listen on this machine only? A name other than localhost counts as no."""
    host = bind.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
