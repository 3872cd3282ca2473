"""Checks of the policy, compiled: oslo.policy reads the language, and what it read becomes functions.

Its own evaluation parses a part of each check anew (0.2 ms for a rule of six; this takes 3 µs), and cannot answer for
a target that is not known yet. A test compares the two.
"""

from __future__ import annotations

import ast
import logging
from collections.abc import Callable, Mapping
from typing import Any

from oslo_policy import policy as oslo
from steelyard_common.errors import InvalidRequest

Creds = Mapping[str, Any]
Target = Mapping[str, Any]
# (creds, target) → decision. Target None: not known, so None is a third answer: it depends.
Check = Callable[[Creds, Target | None], bool | None]
REMOTE = ("http", "https")
logging.getLogger("oslo_policy").setLevel(
    logging.CRITICAL
)  # says what it cannot read with a traceback; we say it below


def always(_creds: Creds, _target: Target | None) -> bool | None:
    return True


def never(_creds: Creds, _target: Target | None) -> bool | None:
    return False


def compile_rules(texts: Mapping[str, str]) -> dict[str, Check]:
    """Name → check. Errors: InvalidRequest, naming the rule: malformed, asks a server, names no rule or itself."""
    trees = {name: _parse(name, text) for name, text in texts.items()}
    made: dict[str, Check] = {}
    for name in trees:
        _compile_rule(name, trees, made, ())
    return made


def _parse(name: str, text: Any) -> Any:
    if not isinstance(text, str):
        raise InvalidRequest(f'{name}: the check must be a text, as "role:admin and system_scope:all"')
    try:
        tree = oslo.Rules.from_dict({name: text})[name]
    except (ValueError, TypeError, IndexError) as error:
        raise InvalidRequest(f"{name}: {text!r} cannot be read as a check") from error
    if str(tree) == "!" and text.strip() != "!":  # what could not be read denies everything
        raise InvalidRequest(f"{name}: {text!r} cannot be read as a check")
    return tree


def _compile_rule(name: str, trees: Mapping[str, Any], made: dict[str, Check], path: tuple[str, ...]) -> Check:
    if name in made:
        return made[name]
    if name in path:
        raise InvalidRequest(f"{path[0]}: goes round in a circle: {' → '.join((*path, name))}")
    if name not in trees:
        raise InvalidRequest(f"{path[-1]}: there is no rule {name!r}")
    made[name] = _compile(trees[name], trees, made, (*path, name))
    return made[name]


def _compile(tree: Any, trees: Mapping[str, Any], made: dict[str, Check], path: tuple[str, ...]) -> Check:
    if isinstance(tree, oslo.RuleCheck):
        return _compile_rule(tree.match, trees, made, path)
    if isinstance(tree, oslo.AndCheck):
        return _all_of([_compile(each, trees, made, path) for each in tree.rules])
    if isinstance(tree, oslo.OrCheck):
        return _any_of([_compile(each, trees, made, path) for each in tree.rules])
    if isinstance(tree, oslo.NotCheck):
        return _negated(_compile(tree.rule, trees, made, path))
    if isinstance(tree, oslo.Check):
        return _compile_leaf(tree.kind, tree.match, path[-1])
    return always if str(tree) == "@" else never


def _compile_leaf(kind: str, match: str, name: str) -> Check:
    if kind in REMOTE:
        raise InvalidRequest(f"{name}: {kind}: checks are not supported, a request would wait for another server")
    try:
        match % _Anything()
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"{name}: {match!r} is no value and no %(key)s of what is asked about") from error
    if kind == "role":
        return _matching(match, lambda creds, wanted: wanted.lower() in creds["roles"])
    try:
        constant = str(ast.literal_eval(kind))
    except (ValueError, SyntaxError):
        keys = kind.split(".")
        return _matching(match, lambda creds, wanted: _holds(creds, keys, wanted), lambda creds: keys[0] in creds)
    return _matching(match, lambda _creds, wanted: wanted == constant)


class _Anything(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def _matching(
    match: str, holds: Callable[[Creds, str], bool], may_hold: Callable[[Creds], bool] = lambda _creds: True
) -> Check:
    """Compares with ``match``, into which values of the target are put first; without one of them it does not hold."""
    if "%(" not in match:
        wanted = match % {}
        return lambda creds, _target: holds(creds, wanted)

    def check(creds: Creds, target: Target | None) -> bool | None:
        if not may_hold(creds):
            return False
        if target is None:
            return None
        try:
            return holds(creds, match % target)
        except KeyError:
            return False

    return check


def _holds(value: Any, keys: list[str], wanted: str) -> bool:
    for place, key in enumerate(keys):
        if not isinstance(value, Mapping) or key not in value:
            return False
        value = value[key]
        if isinstance(value, list):
            return any(_holds(each, keys[place + 1 :], wanted) for each in value)
    return str(value) == wanted


def _all_of(checks: list[Check]) -> Check:
    def check(creds: Creds, target: Target | None) -> bool | None:
        result: bool | None = True
        for each in checks:
            found = each(creds, target)
            if found is False:
                return False
            if found is None:
                result = None
        return result

    return check


def _any_of(checks: list[Check]) -> Check:
    def check(creds: Creds, target: Target | None) -> bool | None:
        result: bool | None = False
        for each in checks:
            found = each(creds, target)
            if found:
                return True
            if found is None:
                result = None
        return result

    return check


def _negated(inner: Check) -> Check:
    def check(creds: Creds, target: Target | None) -> bool | None:
        found = inner(creds, target)
        return None if found is None else not found

    return check
