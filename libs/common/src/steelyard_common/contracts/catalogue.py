"""The catalogue of steps: what each provider can run, as it announces it and as inventory plans with it.

A row is data. A user's own program may announce rows under an interface name of its own (docs/howto).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..errors import InvalidRequest
from .subjects import STEP_INTERFACES

# Names that may stand in a subject; Ironic's own interface types are such, too.
INTERFACE_PATTERN = re.compile(r"[a-z][a-z0-9-]{1,31}")
STEP_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,63}")


def args_schema(properties: Mapping[str, Any] | None = None, *required: str) -> dict[str, Any]:
    """The JSON schema of a step's arguments: an object of these and no others."""
    return {
        "type": "object",
        "properties": dict(properties or {}),
        "required": list(required),
        "additionalProperties": False,
    }


@dataclass(frozen=True, kw_only=True)
class StepSpec:
    """One row.

    ``implementations``: of the interface, those that have the step; () = all that the announcing worker provides.
    ``kinds``: kind of workflow (clean, deploy, service, verify, or an internal one) → default priority; 0 = on request.
    ``core``: of the machinery, never chosen by users. ``alone``: may not share a message with other steps.
    ``effects``: side effects in words. ``undo``: how to take it back, in words.
    """

    interface: str
    name: str
    description: str
    implementations: tuple[str, ...] = ()
    args: dict[str, Any] = field(default_factory=args_schema)
    kinds: dict[str, int] = field(default_factory=dict)
    requires_ramdisk: bool = False
    abortable: bool = True
    core: bool = False
    alone: bool = False
    timeout_s: float = 120
    retries: int = 2
    effects: tuple[str, ...] = ()
    undo: str | None = None

    def argsinfo(self) -> dict[str, dict[str, Any]]:
        """The arguments as Ironic tells them: {name: {description, required}}."""
        required = self.args.get("required", ())
        return {
            name: {"description": rule.get("description", ""), "required": name in required}
            for name, rule in self.args.get("properties", {}).items()
        }

    def serves(self, implementation: str | None) -> bool:
        """Whether a node with that implementation has the step."""
        return not self.implementations or implementation in self.implementations

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> StepSpec:
        """What is unknown is ignored. Errors: InvalidRequest for a row that cannot be used."""
        known = {item.name for item in fields(cls)}
        values = {name: value for name, value in body.items() if name in known}
        try:
            for name in ("implementations", "effects"):
                values[name] = tuple(str(each) for each in values.get(name) or ())
            values["kinds"] = {str(kind): int(priority) for kind, priority in dict(values.get("kinds") or {}).items()}
            values["timeout_s"], values["retries"] = float(values.get("timeout_s", 120)), int(values.get("retries", 2))
            spec = cls(**values)
        except (TypeError, ValueError) as error:
            raise InvalidRequest("this is no row of a catalogue of steps", detail=repr(error)) from error
        if not is_interface(spec.interface) or not STEP_PATTERN.fullmatch(str(spec.name)):
            raise InvalidRequest(f"'{spec.interface}.{spec.name}' cannot name a step")
        if not isinstance(spec.args, dict):
            raise InvalidRequest(f"the args of '{spec.interface}.{spec.name}' must be a JSON schema")
        return spec


def is_interface(name: object) -> bool:
    """Whether steps may stand under that interface name."""
    return isinstance(name, str) and INTERFACE_PATTERN.fullmatch(name) is not None


def is_external(interface: str) -> bool:
    """Whether the interface is a user's own, not one of Ironic's types."""
    return interface not in STEP_INTERFACES


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a provider announces: which implementations of which interfaces it runs, and the steps of these.

    ``supplies``: keys of driver_info that it knows a value for where a node has none; with ``_<architecture>`` for
    nodes of that one only.
    """

    service: str
    provides: Mapping[str, Sequence[str]]
    steps: Sequence[StepSpec]
    hardware_types: Sequence[str] = ()
    supplies: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "service": self.service,
            "provides": {interface: list(names) for interface, names in self.provides.items()},
            "hardware_types": list(self.hardware_types),
            "supplies": list(self.supplies),
            "steps": [spec.to_dict() for spec in self.steps],
        }
