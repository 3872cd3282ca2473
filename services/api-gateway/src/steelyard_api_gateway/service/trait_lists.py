"""Traits of a node, or those that a runbook asks for: five verbs on one list."""

from __future__ import annotations

from typing import Any, Protocol

from steelyard_common.errors import InvalidRequest

from ..domain import traits, values
from .arguments import read_arguments
from .call import Call

TRAITS = {"traits": traits.check_list}


class Send(Protocol):
    """A question or a command about what a path names: its answer's body."""

    def __call__(self, verb: str, call: Call, ident: str, body: dict[str, Any], /) -> bytes: ...


class TraitLists:
    """``shown`` and ``changed``: inventory's verbs. Errors: InvalidRequest; those of inventory."""

    def __init__(self, ask: Send, shown: str, tell: Send, changed: str) -> None:
        self._ask, self._shown = ask, shown
        self._tell, self._changed = tell, changed

    def show(self, call: Call, ident: str) -> bytes:
        return self._ask(self._shown, call, ident, {"api": call.api()})

    def replace(self, call: Call, ident: str, body: Any) -> None:
        given = read_arguments(body, TRAITS, required="traits")
        self._change(call, ident, "replace", given["traits"])

    def add(self, call: Call, ident: str, trait: str, body: Any) -> None:
        if body not in (None, {}):
            raise InvalidRequest("adding a single trait takes no body; to set all traits, PUT them to /traits")
        self._change(call, ident, "add", [traits.check_one("trait", trait)])

    def remove(self, call: Call, ident: str, trait: str) -> None:
        self._change(call, ident, "remove", [values.text("trait", trait)])

    def clear(self, call: Call, ident: str) -> None:
        self._change(call, ident, "clear", [])

    def _change(self, call: Call, ident: str, mode: str, names: list[str]) -> None:
        self._tell(self._changed, call, ident, {"api": call.api(), "mode": mode, "traits": names})
