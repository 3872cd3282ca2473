"""What a worker may say about itself. Pure.

Rule 1  Steelyard's own services announce their own interfaces (``permissions.PROVIDERS``), and nobody else does.
Rule 2  A step provider is the user that the bus knows it as: its word comes by a subject that only this user may use.
Rule 3  A step provider has interfaces of its own, and no hardware types: it stands for no driver and no node.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from steelyard_common.contracts.catalogue import is_external, is_interface
from steelyard_common.contracts.permissions import PROVIDERS
from steelyard_common.errors import Forbidden, InvalidRequest

Word = Mapping[str, Any]
MAX_BYTES = 256 * 1024
MAX_STEPS = 500
MAX_INTERFACES = 50
MAX_NAMES = 100  # implementations of one interface, hardware types
MAX_TIMEOUT_S = 30 * 24 * 3600
MAX_NUMBER = 1_000_000  # priorities, retries
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")


def judge(word: Word, user: str | None) -> None:
    """``user``: the step provider that says it; None: one of Steelyard's own. Errors: Forbidden, InvalidRequest."""
    _judge_sizes(word)
    service, interfaces = word["service"], set(_interfaces(word))
    if user is None:
        _judge_ours(service, interfaces)
    else:
        _judge_foreign(word, user, interfaces)


def _judge_ours(service: str, interfaces: set[str]) -> None:
    if service not in PROVIDERS:
        raise Forbidden(f"'{service}' is no service of Steelyard's that runs steps: a step provider announces itself "
                        "at cmd.announce-steps.<its user>")  # fmt: skip
    if foreign := sorted(interfaces - set(PROVIDERS[service])):
        raise Forbidden(f"{service} does not serve {', '.join(foreign)}")


def _judge_foreign(word: Word, user: str, interfaces: set[str]) -> None:
    if user in PROVIDERS or word["service"] != user:
        raise Forbidden(f"the service of what {user} announces is {user}")
    if ours := sorted(each for each in interfaces if not is_external(each)):
        raise Forbidden(f"{', '.join(ours)}: Ironic's interfaces are served by Steelyard's own services")
    if word["hardware_types"] or word.get("supplies"):
        raise Forbidden("a step provider serves no hardware types, and supplies nothing to nodes")


def _judge_sizes(word: Word) -> None:
    provides = word["provides"]
    if len(orjson.dumps(dict(word))) > MAX_BYTES:
        raise InvalidRequest(f"an announcement has at most {MAX_BYTES} bytes")
    if len(word["steps"]) > MAX_STEPS or len(provides) > MAX_INTERFACES:
        raise InvalidRequest(f"a worker has at most {MAX_STEPS} steps and {MAX_INTERFACES} interfaces")
    lists = [word["hardware_types"], word.get("supplies") or [], *provides.values()]
    if any(len(each) > MAX_NAMES for each in lists):
        raise InvalidRequest(f"there are at most {MAX_NAMES} implementations of an interface, hardware types, and keys")
    names = [word["instance"], *(name for each in lists for name in each)]
    if wrong := next((name for name in names if not _NAME.fullmatch(name)), None):
        raise InvalidRequest(f"a name has up to 255 letters, digits, dots and hyphens, not {wrong[:60]!r}")
    for step in word["steps"]:
        _judge_numbers(step)


def _judge_numbers(step: Mapping[str, Any]) -> None:
    """Those that are calculated with: a deadline must be a date."""
    kinds = step.get("kinds")
    limits = [(step.get("timeout_s"), MAX_TIMEOUT_S), (step.get("retries"), MAX_NUMBER)]
    limits += [(priority, MAX_NUMBER) for priority in (kinds.values() if isinstance(kinds, dict) else ())]
    for value, most in limits:
        if value is not None and not (isinstance(value, int | float) and 0 <= value <= most):
            raise InvalidRequest(f"{str(value)[:60]!r} is no number from 0 to {most}")


def _interfaces(word: Word) -> Iterator[str]:
    """All that it names, also the steps under an interface that it does not provide. Errors: InvalidRequest."""
    for name in (*word["provides"], *(step.get("interface") for step in word["steps"])):
        if not is_interface(name):
            raise InvalidRequest(f"no interface can be called {str(name)[:60]!r}")
        yield name
