"""The verbs of states/provision: in the order in which they are refused, and what each begins (api facts §7.1,
lifecycle facts §3).

Order of checks: maintenance for deployments, the state machine, protection, maintenance, the verb's own parameters,
then what the plan says (steps, interfaces, workers).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from steelyard_common.errors import Conflict, Forbidden, InvalidRequest
from steelyard_common.secrets import MASK

from . import boot_settings, kexec, sealing
from .agent_steps import READ
from .ramdisk_plans import AGENT_CLEANS
from .runs import Run, Status, StepStatus
from .transitions import HOLDING, WAITING, Event, State, next_state
from .verbs import Intent, Parked, Subject
from .workflows import RESCUE_HASH, Kind

# Core steps that make a ramdisk ready, which is to be taken away again.
PREPARES = frozenset({
    "deploy.prepare_cleaning", "deploy.prepare_service", "rescue.prepare", "boot.prepare_inspection",
})  # fmt: skip
DEPLOYS = frozenset({Event.DEPLOY, Event.REBUILD})
NOT_IN_MAINTENANCE = frozenset({Event.CLEAN, Event.RESCUE, Event.UNRESCUE, Event.SERVICE})
PROTECTED_FROM = frozenset({Event.DELETE, Event.REBUILD})
FREE_RUNBOOK_NAMES_SINCE = 112


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What came with the verb, references resolved.

    ``params``: configdrive, deploy_steps, clean_steps, service_steps, disable_ramdisk, rescue_password (secrets
    sealed). ``runbook``: its record with its traits. ``templates``: the steps of the deploy templates that the
    instance's traits name. ``cleans``: what holds for nodes that do not say if they are to be cleaned.
    ``parked``: the workflow that waits on the node.
    """

    event: Event
    params: Mapping[str, Any] = field(default_factory=dict, repr=False)
    minor: int = 115
    runbook: Mapping[str, Any] | None = None
    templates: tuple[Mapping[str, Any], ...] = ()
    cleans: bool = True
    project: str | None = None
    parked: Run | None = None


def provision(subject: Subject, asked: Asked) -> Intent:
    """Errors: InvalidRequest, Conflict, Forbidden, Unavailable."""
    check(subject, asked.event)
    return VERBS[asked.event](subject, asked)


def automated_clean(subject: Subject, *, cleans: bool) -> Intent:
    """What follows an undeployment: cleaning, or nothing but the moves through it."""
    if _is_cleaned(subject, cleans):
        return Intent(
            kind=Kind.CLEAN, params={"automated": True}, events=(Event.CLEAN,),
            plan=subject.plan(Kind.CLEAN, {"automated": True}),
        )  # fmt: skip
    end = Event.MANAGE if subject.view.retired else Event.DONE
    return Intent(kind=None, events=(Event.CLEAN, end))


def tidying(subject: Subject, run: Run, *, then: Event | None = None) -> Intent | None:
    """What has to be taken back after ``run`` failed or was aborted; None when that is nothing."""
    params: dict[str, Any] = {
        "of": run.kind,
        "prepared": any(step.label in PREPARES and step.attempt for step in run.steps),
        "met": run.status is Status.FAILED and any(step.name == READ and step.attempt for step in run.steps),
        "waited": any(step.memo or step.status is StepStatus.WAITING for step in run.steps) or run.parked,
        "then": then,
    }
    plan = subject.plan(Kind.TIDY, params)
    return Intent(kind=Kind.TIDY, params=params, plan=plan) if plan.steps or then else None


def check(subject: Subject, event: Event) -> None:
    """What forbids a verb whatever came with it. Errors: InvalidRequest, Forbidden."""
    node = subject.view
    if node.maintenance and event in DEPLOYS:
        raise _in_maintenance(node.uuid, event)
    next_state(node.provision_state, event)
    if node.protected and event in PROTECTED_FROM:
        raise Forbidden(f"Node {node.uuid} is protected and can not be undeployed, rebuilt or deleted.")
    if node.maintenance and event in NOT_IN_MAINTENANCE:
        raise _in_maintenance(node.uuid, event)


def _in_maintenance(uuid: str, event: Event) -> InvalidRequest:
    return InvalidRequest(
        f'The "{event}" operation can not be performed on node {uuid} because it is in maintenance mode.'
    )


def _manage(subject: Subject, _asked: Asked) -> Intent:
    if subject.view.provision_state is State.ENROLL:
        return _begin(subject, Kind.VERIFY, Event.MANAGE, {})
    return Intent(kind=Kind.MOVE, params={"target": Event.MANAGE}, events=(Event.MANAGE,))


def _provide(subject: Subject, asked: Asked) -> Intent:
    if subject.view.retired:
        raise InvalidRequest(f"Node {subject.view.uuid} is retired: it can not be provided.")
    if not _is_cleaned(subject, asked.cleans):
        return Intent(kind=Kind.MOVE, params={"target": Event.PROVIDE}, events=(Event.PROVIDE, Event.DONE))
    return _begin(subject, Kind.CLEAN, Event.PROVIDE, {"automated": True})


def _clean(subject: Subject, asked: Asked) -> Intent:
    return _steps_as_listed(subject, asked, Kind.CLEAN, "clean_steps")


def _service(subject: Subject, asked: Asked) -> Intent:
    intent = _steps_as_listed(subject, asked, Kind.SERVICE, "service_steps")
    return Intent(**{**vars(intent), "parked": Parked.END if asked.parked else Parked.LEAVE})


def _steps_as_listed(subject: Subject, asked: Asked, kind: Kind, name: str) -> Intent:
    params: dict[str, Any] = {"disable_ramdisk": asked.params.get("disable_ramdisk", False)}
    if asked.runbook is not None:
        _check_runbook(subject, asked)
        params |= {"runbook": asked.runbook["name"]}
        params["disable_ramdisk"] = params["disable_ramdisk"] or asked.runbook["disable_ramdisk"]
        steps = asked.runbook["steps"]
    else:
        steps = asked.params.get(name)
    if not steps:
        raise InvalidRequest(f'"{name}" (or runbook) is required when setting target provision state to {asked.event}')
    plan = subject.plan(kind, params | {"steps": steps})
    return Intent(kind=kind, params=params, events=(asked.event,), plan=plan)


def _check_runbook(subject: Subject, asked: Asked) -> None:
    runbook = asked.runbook or {}
    wanted = set(runbook.get("traits") or ()) if asked.minor >= FREE_RUNBOOK_NAMES_SINCE else {runbook["name"]}
    if not wanted:
        raise InvalidRequest(f"Runbook {runbook['name']} has no traits: it can not be used on any node.")
    if not wanted & subject.facts.traits:
        traits = ", ".join(sorted(wanted))
        raise InvalidRequest(f"Node {subject.view.uuid} has none of the traits of runbook {runbook['name']}: {traits}.")


def _deploy(subject: Subject, asked: Asked) -> Intent:
    node, facts = subject.view, subject.facts
    missing = sorted(set(facts.instance_info.get("traits") or ()) - facts.traits)
    if missing:
        raise InvalidRequest(
            f"Node {node.uuid} does not have the traits that the instance wants: {', '.join(missing)}."
        )
    has_something = boot_settings.has_image(facts) or boot_settings.boots_from_volume(facts)
    if facts.interfaces.get("deploy") in AGENT_CLEANS and not has_something:
        named = ", ".join(boot_settings.IMAGE_KEYS[:3])
        raise InvalidRequest(
            f"Node {node.uuid} can not be deployed: instance_info names no image ({named}), and its storage interface "
            "boots no volume."
        )
    if facts.interfaces.get("deploy") in AGENT_CLEANS and (reasons := list(kexec.obstacles(facts))):
        raise InvalidRequest(f"Node {node.uuid} can not be deployed. {' '.join(reasons)}")
    params = {"rebuild": asked.event is Event.REBUILD}
    steps = asked.params.get("deploy_steps") or ()
    plan = subject.plan(Kind.DEPLOY, params | {"steps": steps, "templates": asked.templates})
    return Intent(
        kind=Kind.DEPLOY, params=params, events=(asked.event,), plan=plan,
        patch=_instance(asked, "configdrive") | _lessee(subject, asked),
    )  # fmt: skip


def _lessee(subject: Subject, asked: Asked) -> dict[str, Any]:
    """Who deploys becomes lessee till the node is undeployed, unless it has one."""
    project = subject.facts.instance_info.get("project_id") or asked.project
    if subject.view.lessee or not project:
        return {}
    return {"lessee": str(project), "internal": {"automatic_lessee": True}}


def _instance(asked: Asked, name: str, kept: str = "") -> dict[str, Any]:
    """A secret that came with the verb, kept in instance_info as ``kept``: shown as ******, sealed as it came."""
    if not asked.params.get(name):
        return {}
    kept = kept or name
    shown, sealed = sealing.split("instance_info", {kept: asked.params[name]})
    return {"instance": shown | {kept: MASK}, "instance_sealed": sealed or {f"/{kept}": asked.params[name]}}


def _delete(subject: Subject, asked: Asked) -> Intent:
    return _begin(subject, Kind.UNDEPLOY, Event.DELETE, {}, parked=Parked.END if asked.parked else Parked.LEAVE)


def _inspect(subject: Subject, _asked: Asked) -> Intent:
    return _begin(subject, Kind.INSPECT, Event.INSPECT, {})


def _adopt(subject: Subject, _asked: Asked) -> Intent:
    return _begin(subject, Kind.ADOPT, Event.ADOPT, {})


def _rescue(subject: Subject, asked: Asked) -> Intent:
    if not asked.params.get("rescue_password"):
        raise InvalidRequest('"rescue_password" is required when setting target provision state to rescue')
    intent = _begin(subject, Kind.RESCUE, Event.RESCUE, {})
    return Intent(**{**vars(intent), "patch": _instance(asked, "rescue_password", RESCUE_HASH)})


def _unrescue(subject: Subject, _asked: Asked) -> Intent:
    return _begin(subject, Kind.UNRESCUE, Event.UNRESCUE, {})


def _abort(subject: Subject, asked: Asked) -> Intent:
    """From a wait or a hold; a step that may not be interrupted is let go on, and nothing comes after it."""
    node, run = subject.view, asked.parked
    if node.provision_state is State.SERVICE_FAILED:
        if node.maintenance:
            raise Conflict(f"Node {node.uuid} is in maintenance: end that first, then the service can be aborted.")
        params = {"of": Kind.SERVICE, "prepared": True, "waited": True, "then": Event.ABORT}
        return Intent(kind=Kind.TIDY, params=params, plan=subject.plan(Kind.TIDY, params))
    if run is None:
        return Intent(kind=Kind.MOVE, params={"target": Event.ABORT}, events=(Event.ABORT,))
    if not run.current.is_abortable:
        return Intent(kind=None, parked=Parked.FLAG)
    then = Event.ABORT if run.kind is Kind.SERVICE else None
    tidy = tidying(subject, run, then=then) or Intent(kind=None)
    return Intent(**{**vars(tidy), "events": (Event.ABORT,), "parked": Parked.END})


def _unhold(subject: Subject, asked: Asked) -> Intent:
    if asked.parked is None:
        raise InvalidRequest(f"Nothing holds on node {subject.view.uuid} that could go on; abort is possible.")
    return Intent(kind=None, events=(Event.UNHOLD,), parked=Parked.WAKE)


VERBS: dict[Event, Callable[[Subject, Asked], Intent]] = {
    Event.MANAGE: _manage,
    Event.PROVIDE: _provide,
    Event.INSPECT: _inspect,
    Event.CLEAN: _clean,
    Event.DEPLOY: _deploy,
    Event.REBUILD: _deploy,
    Event.DELETE: _delete,
    Event.ADOPT: _adopt,
    Event.RESCUE: _rescue,
    Event.UNRESCUE: _unrescue,
    Event.SERVICE: _service,
    Event.ABORT: _abort,
    Event.UNHOLD: _unhold,
}
MAY_BE_PARKED = WAITING | HOLDING


def _begin(subject: Subject, kind: Kind, event: Event, params: dict[str, Any], parked: Parked = Parked.LEAVE) -> Intent:
    return Intent(kind=kind, params=params, events=(event,), plan=subject.plan(kind, params), parked=parked)


def _is_cleaned(subject: Subject, cleans: bool) -> bool:
    own = subject.view.automated_clean
    return cleans if own is None else own
