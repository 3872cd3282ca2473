"""Steps and their results: what the engine sends and a step provider answers (architecture §1, §4).

A step message holds consecutive steps of one provider; the provider runs them in order while they are Done and
answers once, with an outcome for each step it ran. A provider keeps nothing: ``memo`` comes back with the next slice.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import SteelyardError, from_dict


@dataclass(frozen=True, kw_only=True)
class Done:
    """The step is finished. ``facts``: node fields learnt (power_state boot_mode secure_boot health vendor)."""

    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Again:
    """Run another slice after ``after_s`` seconds, with this memo."""

    after_s: float
    memo: dict[str, Any] = field(default_factory=dict)
    progress: str | None = None


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Nothing to do until ``signal`` arrives (an agent's heartbeat, an operator's unhold), or the step's deadline."""

    signal: str
    memo: dict[str, Any] = field(default_factory=dict)
    progress: str | None = None


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The step failed; ``error.retryable`` says if the engine may try again."""

    error: SteelyardError


StepResult = Done | Again | Wait | Failed


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step as dispatched. ``deadline_at``: seconds since the epoch. ``attempt`` counts from 1."""

    index: int
    interface: str
    name: str
    args: dict[str, Any] = field(default_factory=dict)
    attempt: int = 1
    memo: dict[str, Any] = field(default_factory=dict)
    deadline_at: float = 0.0


@dataclass(frozen=True, kw_only=True)
class StepMessage:
    """What travels on ``<site>.step.<interface>.<node>``.

    ``node``: {uuid, name, driver, interfaces: {power: "redfish", …}, driver_info, sealed, properties, power_state,
    boot_mode, secure_boot, disable_power_off …}; for steps of boot, deploy, rescue, inspect, network and storage also
    {ports: [{uuid, address, pxe_enabled, physical_network, local_link_connection, extra}], extra, network_data,
    instance_name, owner, lessee}, unless their implementation is fake or noop; ``sealed`` maps a JSON pointer below
    driver_info to a sealed secret.
    ``fence`` grows with every holder of the node: a result with an older one is dropped.
    """

    workflow: str
    fence: int
    node: dict[str, Any] = field(repr=False)
    steps: list[Step]
    cause: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> StepMessage:
        known = Step.__dataclass_fields__
        steps = [Step(**{key: value for key, value in step.items() if key in known}) for step in body["steps"]]
        return cls(
            workflow=body["workflow"], fence=body["fence"], node=body["node"], steps=steps, cause=body.get("cause", {})
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of one step of a message."""

    index: int
    attempt: int
    result: StepResult

    def to_dict(self) -> dict[str, Any]:
        head: dict[str, Any] = {"index": self.index, "attempt": self.attempt}
        match self.result:
            case Done(facts=facts):
                return head | {"outcome": "done", "facts": facts}
            case Again(after_s=after_s, memo=memo, progress=progress):
                return head | {"outcome": "again", "after_s": after_s, "memo": memo, "progress": progress}
            case Wait(signal=signal, memo=memo, progress=progress):
                return head | {"outcome": "wait", "signal": signal, "memo": memo, "progress": progress}
            case Failed(error=error):
                return head | {"outcome": "failed", "error": error.to_dict()}

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> Outcome:
        result: StepResult
        match body["outcome"]:
            case "done":
                result = Done(facts=body.get("facts", {}))
            case "again":
                result = Again(after_s=body["after_s"], memo=body.get("memo", {}), progress=body.get("progress"))
            case "wait":
                result = Wait(signal=body["signal"], memo=body.get("memo", {}), progress=body.get("progress"))
            case _:
                result = Failed(error=from_dict(body.get("error", {})))
        return cls(index=body["index"], attempt=body["attempt"], result=result)


@dataclass(frozen=True, kw_only=True)
class ResultMessage:
    """What travels on ``<site>.result.<workflow>``; ``provider`` is the instance that ran the steps."""

    workflow: str
    node: str
    fence: int
    provider: str
    outcomes: list[Outcome]

    def to_dict(self) -> dict[str, Any]:
        return {
            "workflow": self.workflow,
            "node": self.node,
            "fence": self.fence,
            "provider": self.provider,
            "outcomes": [outcome.to_dict() for outcome in self.outcomes],
        }

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> ResultMessage:
        outcomes = [Outcome.from_dict(outcome) for outcome in body["outcomes"]]
        return cls(
            workflow=body["workflow"],
            node=body["node"],
            fence=body["fence"],
            provider=body["provider"],
            outcomes=outcomes,
        )
