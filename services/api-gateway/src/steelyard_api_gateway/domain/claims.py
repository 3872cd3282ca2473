"""Claims of a token → who that is here. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# As Keystone expands them: who may more may also less.
IMPLIED = {"admin": ("manager", "member", "reader"), "manager": ("member", "reader"), "member": ("reader",)}
MAX_ROLES = 200


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """Where in an issuer's claims what stands. A place is a claim's name, or a path with dots into nested claims.

    ``names``: the issuer's word → our role; when there are any, other words count for nothing. ``system``: the word
    (the issuer's) that makes it a caller of the whole system instead of a project; empty: nobody is.
    """

    user: str = "sub"
    roles: str = "roles"
    project: str = "project"
    system: str = ""
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What the claims say: ``user`` is empty when they name none."""

    user: str
    roles: tuple[str, ...]
    project: str | None
    system: bool


def identity(claims: Mapping[str, Any], where: Mapped) -> Identity:
    words = _words(_at(claims, where.roles))
    system = bool(where.system) and where.system in words
    return Identity(
        user=_text(_at(claims, where.user)),
        roles=_roles(words, where),
        project=None if system else _text(_at(claims, where.project)) or None,
        system=system,
    )


def _roles(words: Sequence[str], where: Mapped) -> tuple[str, ...]:
    if where.names:
        own = [where.names[word] for word in words if word in where.names]
    else:
        own = [word for word in words if word != where.system]
    return tuple(dict.fromkeys(name for role in own for name in (role, *IMPLIED.get(role, ()))))


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of that very name (issuers call them by URLs, dots included), else what the path leads to."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _words(value: Any) -> tuple[str, ...]:
    """A list of texts, or one text with blanks between (as `scope` is)."""
    if isinstance(value, str):
        value = value.split()
    if not isinstance(value, list):
        return ()
    return tuple(word for word in value[:MAX_ROLES] if isinstance(word, str))


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
