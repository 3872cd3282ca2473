"""Methods of vendor interfaces (API facts §7.3): what each takes, and what it says.

``fake`` has those of Ironic's fake-hardware, so that anybody's API tests find them. No other vendor interface has a
method yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from steelyard_common.errors import InvalidRequest

Arguments = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Method:
    """``run`` gives the answer of a method that is not asynchronous. ``needs_lock``: nobody else may hold the node."""

    description: str
    run: Callable[[Arguments], Any]
    is_async: bool = True
    needs_lock: bool = True
    http_methods: tuple[str, ...] = ("POST",)


def _bar_is(name: str, wanted: str) -> Callable[[Arguments], bool]:
    """Errors (of what it gives): InvalidRequest when bar is missing, or there is more."""

    def run(arguments: Arguments) -> bool:
        if not arguments.get("bar"):
            raise InvalidRequest(f"Parameter 'bar' not passed to method '{name}'.")
        if more := sorted(arguments.keys() - {"bar"}):
            raise InvalidRequest(f"Method '{name}' takes bar only, not {', '.join(more)[:200]}")
        return bool(arguments["bar"] == wanted)

    return run


def _compares(name: str, wanted: str, *, is_async: bool = True, needs_lock: bool = True) -> dict[str, Method]:
    text = f"Test if the value of bar is {wanted}"
    return {name: Method(description=text, run=_bar_is(name, wanted), is_async=is_async, needs_lock=needs_lock)}


METHODS: dict[str, dict[str, Method]] = {
    "fake": {
        **_compares("second_method", "kazoo"),
        **_compares("third_method_sync", "meow", is_async=False),
        **_compares("fourth_method_shared_lock", "woof", needs_lock=False),
        "log_passthrough": Method(description="Test pass-through to wait.", run=lambda _arguments: None),
    },
}


def describe(interface: str | None) -> dict[str, Any]:
    """Method → how it is called, in the API's words."""
    return {
        name: {
            "http_methods": list(method.http_methods),
            "async": method.is_async,
            "description": method.description,
            "attach": False,
            "require_exclusive_lock": method.needs_lock,
        }
        for name, method in METHODS.get(interface or "", {}).items()
    }


def find(interface: str | None, name: str, http_method: str) -> Method:
    """Errors: InvalidRequest, naming what there is."""
    methods = METHODS.get(interface or "", {})
    method = methods.get(name)
    if method is None:
        offered = f"it has {', '.join(methods)}" if methods else "it has none"
        raise InvalidRequest(f"No handler for method {name} of the vendor interface '{interface}': {offered}")
    if http_method not in method.http_methods:
        taken = ", ".join(method.http_methods)
        raise InvalidRequest(f"The method {name} does not support HTTP {http_method}; use {taken}")
    return method
