"""What the gateway reads from its environment."""

from __future__ import annotations

from dataclasses import dataclass, field

from steelyard_common.addresses import Network, networks
from steelyard_common.settings import env, positive, some_seconds

from .settings_sign_in import SignInSettings


def _origins(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (origin.strip().rstrip("/") for origin in text.split(","))))


def _base_url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("an http or https URL is expected")
    return text.rstrip("/").removesuffix("/v1")


def rate(text: str) -> float:
    """A number from 0."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError("a number, 0 or more, is expected")
    return value


@dataclass(frozen=True, kw_only=True)
class Settings(SignInSettings):
    """The gateway's settings; ``check`` judges them together."""

    policy_file: str = field(
        default="",
        metadata=env(
            "STEELYARD_POLICY_FILE", "rules that replace those of the policy: YAML, read again when it changes"
        ),
    )
    service_project: str = field(
        default="",
        metadata=env(
            "STEELYARD_SERVICE_PROJECT", "id of the project whose services see the whole system; empty = none"
        ),
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
        metadata=env("STEELYARD_QUERY_TIMEOUT_S", "seconds that a read may take", parse=some_seconds),
    )
    # Inventory answers in milliseconds. A longer wait only hides from the client that it has died with the request.
    command_timeout_s: float = field(
        default=10.0,
        metadata=env(
            "STEELYARD_COMMAND_TIMEOUT_S", "seconds that a change may take to be accepted", parse=some_seconds
        ),
    )
    device_timeout_s: float = field(
        default=60.0,
        metadata=env("STEELYARD_DEVICE_TIMEOUT_S", "seconds that a direct call to a BMC may take", parse=some_seconds),
    )

    project_rate: float = field(
        default=50.0,
        metadata=env(
            "STEELYARD_PROJECT_RATE",
            "requests a second of one project (a large one counts as several), then 429; 0 = no limit",
            parse=rate,
        ),
    )
    project_burst: float = field(
        default=200.0,
        metadata=env("STEELYARD_PROJECT_BURST", "requests that a project may have saved up", parse=rate),
    )

    webhook_networks: tuple[Network, ...] = field(
        default=(),
        metadata=env(
            "STEELYARD_WEBHOOK_NETWORKS", "internal networks that webhooks may be in, with commas: 10.20.0.0/16",
            parse=networks,
        ),
    )  # fmt: skip
    webhook_timeout_s: float = field(
        default=10.0, metadata=env("STEELYARD_WEBHOOK_TIMEOUT_S", "seconds that a webhook may take", parse=some_seconds)
    )
    webhook_ca_file: str = field(
        default="",
        metadata=env(
            "STEELYARD_WEBHOOK_CA_FILE", "authorities that webhooks' certificates may be from; empty = system"
        ),
    )

    event_readers: int = field(
        default=500,
        metadata=env(
            "STEELYARD_EVENT_READERS", "clients that may follow the stream of events at one gateway", parse=positive
        ),
    )
    event_stream_s: float = field(
        default=3600.0,
        metadata=env(
            "STEELYARD_EVENT_STREAM_S", "seconds after which who follows the events must come back and sign in again",
            parse=some_seconds,
        ),
    )  # fmt: skip

    def check(self) -> None:
        """Errors: InvalidRequest when what is set does not go together."""
        self.check_sign_in()
