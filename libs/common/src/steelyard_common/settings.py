"""Environment → one frozen dataclass, checked as a whole at the start (style §2).

@dataclass(frozen=True, kw_only=True)
class Settings:
    nats_url: str = field(metadata=env("STEELYARD_NATS_URL", "where NATS is"))
    pool: int = field(default=10, metadata=env("STEELYARD_POOL", "connections", parse=int))

settings = read(Settings)
"""

from __future__ import annotations

import dataclasses
import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from .errors import InvalidRequest, SteelyardError
from .secrets import Sealer

T = TypeVar("T")
_KEY = "steelyard_env"
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One setting as the reference page shows it."""

    name: str
    default: str
    description: str
    field: str


def env(name: str, description: str, *, parse: Callable[[str], Any] = str) -> dict[str, Any]:
    """Metadata of a field: the variable's name, what it is, and how its text becomes a value."""
    return {_KEY: (name, description, parse)}


def boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("true or false is expected")


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ValueError("a number of seconds, 0 or more, is expected")
    return value


def some_seconds(text: str) -> float:
    """Of a limit, which nothing would keep within no time at all."""
    value = seconds(text)
    if not value:
        raise ValueError("a positive number of seconds is expected")
    return value


def rate(text: str) -> float:
    """How often in a second."""
    try:
        return some_seconds(text)
    except ValueError:
        raise ValueError("a positive number is expected") from None


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("a whole number, 1 or more, is expected")
    return int(text)


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)} is expected")
        return text

    return parse


def read(cls: type[T], environ: Mapping[str, str] = os.environ) -> T:
    """Errors: InvalidRequest that names every variable that is missing or wrong, and shows no value."""
    values, wrong = _parsed(cls, environ)
    if wrong:
        raise InvalidRequest("settings are wrong: " + "; ".join(wrong))
    return cls(**values)


def faults(cls: type[Any], environ: Mapping[str, str]) -> list[str]:
    """What ``read`` would complain about: one line a variable."""
    return _parsed(cls, environ)[1]


def _parsed(cls: type[Any], environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """→ values by field, and what is wrong"""
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for item in dataclasses.fields(cls):
        if _KEY not in item.metadata:
            continue
        name, description, parse = item.metadata[_KEY]
        text = environ.get(name, "").strip()
        if text:
            try:
                values[item.name] = parse(text)
            except (ValueError, SteelyardError) as error:
                wrong.append(f"{name}: {_reason(error, text)}")
        elif item.default is MISSING and item.default_factory is MISSING:
            wrong.append(f"{name} is not set: {description}")
    return values, wrong


def describe(cls: type[Any]) -> list[Row]:
    """The settings of a class in order, for the reference page."""
    rows = []
    for item in dataclasses.fields(cls):
        if _KEY in item.metadata:
            name, description, _ = item.metadata[_KEY]
            rows.append(Row(name=name, default=_default_text(item), description=description, field=item.name))
    return rows


def _reason(error: Exception, text: str) -> str:
    # int("x") quotes what it was given, and that may be a secret.
    return re.sub(rf"(?<!\w)(['\"]?){re.escape(text)}\1(?!\w)", "this value", str(error))


def _default_text(item: dataclasses.Field[Any]) -> str:
    if item.default is not MISSING:
        return "" if item.default is None else str(item.default)
    if item.default_factory is not MISSING:
        return "(computed)"
    return "(required)"


def default_instance(service: str) -> str:
    """``<service>-<pid>.<host>``, safe as a host name: how the API names this worker."""
    host = re.sub(r"[^a-z0-9.-]+", "-", socket.gethostname().lower()).strip("-.") or "localhost"
    return f"{service}-{os.getpid()}.{host}"[:255]


@dataclass(frozen=True, kw_only=True)
class CommonSettings:
    """What every service reads. A service's Settings extends it."""

    site: str = field(default="local", metadata=env("STEELYARD_SITE", "the site: first part of every subject"))
    nats_url: str = field(
        default="nats://127.0.0.1:4222",
        repr=False,
        metadata=env(
            "STEELYARD_NATS_URL", "NATS servers (nats:// or tls://), with user and password; several with commas"
        ),
    )
    nats_password_file: str = field(
        default="",
        metadata=env(
            "STEELYARD_NATS_PASSWORD_FILE", "a file with the password of the URL's user, instead of in the URL"
        ),
    )
    nats_ca_file: str = field(
        default="",
        metadata=env("STEELYARD_NATS_CA_FILE", "who signs NATS's certificate (PEM); set = TLS, and verified"),
    )
    nats_cert_file: str = field(
        default="", metadata=env("STEELYARD_NATS_CERT_FILE", "our own certificate (PEM), if NATS asks for one")
    )
    nats_key_file: str = field(default="", metadata=env("STEELYARD_NATS_KEY_FILE", "the key of that certificate (PEM)"))
    instance: str = field(
        default="", metadata=env("STEELYARD_INSTANCE", "this worker's name; empty = service-pid.host")
    )
    log_level: str = field(
        default="info",
        metadata=env(
            "STEELYARD_LOG_LEVEL", "debug, info, warning or error", parse=one_of("debug", "info", "warning", "error")
        ),
    )
    otlp_endpoint: str = field(
        default="", metadata=env("STEELYARD_OTLP_ENDPOINT", "where traces go (OTLP over HTTP); empty = telemetry off")
    )
    http_bind: str = field(
        default="127.0.0.1:0",
        metadata=env("STEELYARD_HTTP_BIND", "address and port of the service's HTTP; port 0 = any free one"),
    )
    http_socket: int = field(
        default=0,
        metadata=env(
            "STEELYARD_HTTP_SOCKET",
            "number of an inherited socket that listens on that address, shared with other replicas; 0 = our own",
            parse=positive,
        ),
    )
    http_threads: int = field(
        default=16, metadata=env("STEELYARD_HTTP_THREADS", "requests that are answered at once", parse=positive)
    )
    port_file: str = field(
        default="", metadata=env("STEELYARD_PORT_FILE", "file that gets the HTTP port once it is bound; empty = none")
    )


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings(CommonSettings):
    """What a service with a database reads."""

    database_url: str = field(
        repr=False, metadata=env("STEELYARD_DATABASE_URL", "PostgreSQL: postgresql://user:password@host:port/database")
    )
    database_pool: int = field(
        default=10, metadata=env("STEELYARD_DATABASE_POOL", "most connections of one replica", parse=positive)
    )


@dataclass(frozen=True, kw_only=True)
class SealSettings(CommonSettings):
    """What a service that seals or opens secrets reads."""

    seal_keys: str = field(
        default="",
        repr=False,
        metadata=env("STEELYARD_SEAL_KEYS", "<id>:<base64url of 32 bytes>[,…]; the first one seals"),
    )
    seal_keys_file: str = field(
        default="", metadata=env("STEELYARD_SEAL_KEYS_FILE", "a file with the same content, instead of the variable")
    )

    def sealer(self) -> Sealer:
        """Errors: InvalidRequest when no key is set or one is wrong."""
        text = self.seal_keys
        if not text and self.seal_keys_file:
            try:
                text = Path(self.seal_keys_file).read_text().replace("\n", ",")
            except OSError as error:
                raise InvalidRequest(f"STEELYARD_SEAL_KEYS_FILE cannot be read: {error.strerror}") from error
        return Sealer.from_text(text)
