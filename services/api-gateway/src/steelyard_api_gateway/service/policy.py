"""Who may do what: the table of rules, with the operator's file laid over it.

``decide`` answers without knowing what is asked about, where that is possible: always for the scope of the system, so
that such a caller costs a look into a dictionary. ``allows`` answers for a target:
{"node.owner", "node.lessee", "allocation.owner", "runbook.owner"}, each only when there is one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from steelyard_common.errors import InvalidRequest
from steelyard_common.telemetry import get_logger

from ..domain.policy import IMPLIED, PROJECT, RULES, STEP, SYSTEM, UNUSED
from .call import Caller
from .policy_language import Check, Target, compile_rules

log = get_logger(__name__)
REMEMBERED = 20_000  # decisions
MAX_FILE_BYTES = 1024 * 1024
SERVICE_PROJECT = "%(config.service_project)s"
Stamp = tuple[int, int, int] | None


class Policy:
    """``path``: the operator's file, read again when it changes; ``service_project``: an id (rule service_role).

    Errors: InvalidRequest, saying what is wrong with the file.
    """

    def __init__(self, path: Path | None = None, *, service_project: str = "") -> None:
        self._path = path
        self._service_project = service_project
        self._stamp = _stamp(path)
        self._checks = self._load()
        self._decisions: dict[tuple[Caller, str], bool | None] = {}
        self._creds: dict[Caller, dict[str, Any]] = {}
        self.version = 0  # grows when the file changes what the rules say

    def has_rule(self, name: str) -> bool:
        return name in self._checks

    def decide(self, caller: Caller, name: str) -> bool | None:
        """May this caller, whatever it is about? None: that depends on what it is about."""
        if self._path is not None:
            self._reload_if_changed()
        decisions = self._decisions
        key = (caller, name)
        if key in decisions:
            return decisions[key]
        found = self._evaluate(caller, name, None)
        if len(decisions) >= REMEMBERED:
            decisions.clear()
        decisions[key] = found
        return found

    def allows(self, caller: Caller, name: str, target: Target) -> bool:
        """May this caller do it to that?"""
        known = self.decide(caller, name)
        return bool(self._evaluate(caller, name, target)) if known is None else known

    def _evaluate(self, caller: Caller, name: str, target: Target | None) -> bool | None:
        if not _is_in_scope(caller, name):
            return False
        creds = self._creds.get(caller)
        if creds is None:
            if len(self._creds) >= REMEMBERED:
                self._creds.clear()
            creds = self._creds[caller] = credentials(caller)
        return self._checks[name](creds, target)

    def _load(self) -> dict[str, Check]:
        texts = {name: rule.check for name, rule in RULES.items()} | read_policy_file(self._path)
        return compile_rules(
            {name: text.replace(SERVICE_PROJECT, self._service_project) for name, text in texts.items()}
        )

    def _reload_if_changed(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._checks = self._load()
        except InvalidRequest as error:
            log.error("policy file not taken over, the former rules stay", reason=error.message)
            return
        self._decisions = {}
        self.version += 1
        log.info("policy file read again", rules=len(self._checks))


def credentials(caller: Caller) -> dict[str, Any]:
    """A caller as checks see it. What it has not is left out, so that nothing can be equal to nothing."""
    roles = {role.lower() for role in caller.roles}
    known: dict[str, Any] = {
        "roles": frozenset(roles.union(*(IMPLIED.get(role, ()) for role in roles))),
        "user_id": caller.user,
        "project_id": None if caller.system else caller.project,
        "domain_id": caller.domain,
        "system_scope": "all" if caller.system else None,
        "service": caller.service or None,
    }
    return {name: value for name, value in known.items() if value not in (None, "")}


def read_policy_file(path: Path | None) -> dict[str, str]:
    """Rule → check of the operator's file, which is YAML. Errors: InvalidRequest."""
    if path is None:
        return {}
    try:
        text = path.read_text()
        if len(text) > MAX_FILE_BYTES:
            raise InvalidRequest(f"the policy file {path} is larger than {MAX_FILE_BYTES // 1024} KiB")
        rules = yaml.safe_load(text) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"the policy file {path} cannot be read: {type(error).__name__}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise InvalidRequest(f"the policy file {path} is no YAML{where}") from error
    if not isinstance(rules, dict):
        raise InvalidRequest(f"the policy file {path} must hold lines as `baremetal:node:get: rule:node_reader`")
    return {name: check for name, check in rules.items() if _is_used(path, name, check)}


def _is_used(path: Path, name: Any, check: Any) -> bool:
    """False: a name of Ironic's without a meaning here. Errors: InvalidRequest."""
    if not isinstance(name, str) or not isinstance(check, str):
        raise InvalidRequest(f"the policy file {path}: {name}: a rule is a name and a check, both texts")
    if name in UNUSED:
        log.warning("this rule of the policy file has no effect", rule=name, reason=UNUSED[name])
        return False
    if name.startswith("baremetal:") and name not in RULES and not name.startswith(STEP):
        raise InvalidRequest(
            f"the policy file {path}: there is no rule {name}; docs/reference/policy.md lists them, and a rule of your"
            " own has a name without 'baremetal:'"
        )
    return True


def _is_in_scope(caller: Caller, name: str) -> bool:
    rule = RULES.get(name)
    if rule is None or not rule.scopes:
        return True
    if caller.system:
        return SYSTEM in rule.scopes
    return caller.project is not None and PROJECT in rule.scopes


def _stamp(path: Path | None) -> Stamp:
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
