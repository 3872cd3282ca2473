"""What the gateway reads from its environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from steelyard_common.errors import InvalidRequest
from steelyard_common.settings import SealSettings, env, one_of, seconds

NO_AUTH, HTTP_BASIC = "none", "http_basic"


def _origins(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (origin.strip().rstrip("/") for origin in text.split(","))))


def _base_url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("an http or https URL is expected")
    return text.rstrip("/").removesuffix("/v1")


@dataclass(frozen=True, kw_only=True)
class Settings(SealSettings):
    """The gateway's settings; ``check`` judges them together."""

    auth: str = field(
        default=NO_AUTH,
        metadata=env(
            "STEELYARD_AUTH",
            "none (loopback only) or http_basic",
            parse=one_of(NO_AUTH, HTTP_BASIC),
        ),
    )
    htpasswd_file: str = field(
        default="",
        metadata=env("STEELYARD_HTPASSWD_FILE", "users of http_basic: bcrypt htpasswd, read again when it changes"),
    )
    public_url: str = field(
        default="",
        metadata=env("STEELYARD_PUBLIC_URL", "base of links in answers; empty = the Host header", parse=_base_url),
    )
    cors_origins: tuple[str, ...] = field(
        default=(),
        metadata=env("STEELYARD_CORS_ORIGINS", "web origins that browsers may call from, with commas", parse=_origins),
    )
    query_timeout_s: float = field(
        default=10.0,
        metadata=env("STEELYARD_QUERY_TIMEOUT_S", "seconds that a read may take", parse=seconds),
    )
    # Inventory answers in milliseconds. A longer wait only hides from the client that it has died with the request.
    command_timeout_s: float = field(
        default=10.0,
        metadata=env("STEELYARD_COMMAND_TIMEOUT_S", "seconds that a change may take to be accepted", parse=seconds),
    )
    device_timeout_s: float = field(
        default=60.0,
        metadata=env("STEELYARD_DEVICE_TIMEOUT_S", "seconds that a direct call to a BMC may take", parse=seconds),
    )

    def check(self) -> None:
        """Errors: InvalidRequest when sign-in and address do not go together."""
        if self.auth == HTTP_BASIC and not self.htpasswd_file:
            raise InvalidRequest("STEELYARD_AUTH=http_basic needs STEELYARD_HTPASSWD_FILE, a file of bcrypt hashes")
        if self.auth == NO_AUTH and not is_loopback(self.http_bind):
            raise InvalidRequest(
                f"STEELYARD_AUTH=none lets everybody in who reaches {self.http_bind}: bind a loopback address"
                " (STEELYARD_HTTP_BIND=127.0.0.1:6385), or set STEELYARD_AUTH=http_basic and STEELYARD_HTPASSWD_FILE"
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
