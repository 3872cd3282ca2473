"""The steps power.verify and management.*: each reads, or sets what may be set twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from steelyard_common.bmc import BmcDriver, PowerState
from steelyard_common.contracts.steps import Again, Done, Failed, StepResult
from steelyard_common.errors import DeviceRefused, InvalidRequest, OutcomeUnknown, SteelyardError, Unsupported
from steelyard_common.provider import Slice, StepFunction
from steelyard_common.telemetry import get_logger

from ..drivers import Conversations

log = get_logger(__name__)
SETTLE_S = 2.0
REPEATS = 2  # an answer that never came: the setting is sent again, which harms nothing
Talk = Callable[[BmcDriver, dict[str, Any]], StepResult]


def verify(driver: BmcDriver, _args: dict[str, Any]) -> StepResult:
    """The BMC answers, and says on or off."""
    state = driver.get_power()
    if state is PowerState.CHANGING:
        return Again(after_s=SETTLE_S, progress="the BMC is changing the power state")
    return Done(facts={"power_state": state.value})


def observe(driver: BmcDriver, _args: dict[str, Any]) -> StepResult:
    """What the BMC can tell; a part that it lacks, or refuses to tell, is left out."""
    readers: dict[str, Callable[[], Any]] = {
        "vendor": driver.get_vendor,
        "boot_mode": driver.get_boot_mode,
        "secure_boot": driver.get_secure_boot,
        "health": driver.get_health,
    }
    facts = {}
    for name, read in readers.items():
        try:
            value = read()
        except (Unsupported, DeviceRefused) as error:
            log.info("not observed", fact=name, reason=error.message)
            continue
        if value is not None:
            facts[name] = value
    return Done(facts=facts)


def set_boot_device(driver: BmcDriver, args: dict[str, Any]) -> StepResult:
    driver.set_boot_device(str(_needed(args, "device")), persistent=bool(args.get("persistent", False)))
    return Done()


def set_boot_mode(driver: BmcDriver, args: dict[str, Any]) -> StepResult:
    target = str(_needed(args, "target"))
    driver.set_boot_mode(target)
    return Done(facts={"boot_mode": target})


def set_secure_boot(driver: BmcDriver, args: dict[str, Any]) -> StepResult:
    target = bool(_needed(args, "target"))
    driver.set_secure_boot(target)
    return Done(facts={"secure_boot": target})


TALKS: dict[tuple[str, str], Talk] = {
    ("power", "verify"): verify,
    ("management", "observe"): observe,
    ("management", "set_boot_device"): set_boot_device,
    ("management", "set_boot_mode"): set_boot_mode,
    ("management", "set_secure_boot"): set_secure_boot,
}


def talking(conversations: Conversations, interface: str, talk: Talk, timeout_s: float) -> StepFunction:
    """The step function that has ``talk`` with the node's BMC."""

    def run(piece: Slice) -> StepResult:
        try:
            with conversations.open(piece.node, interface, timeout_s=timeout_s) as driver:
                return talk(driver, piece.step.args)
        except OutcomeUnknown as error:
            repeats = int(piece.step.memo.get("repeats", 0))
            if repeats >= REPEATS:
                return Failed(error=error)
            return Again(after_s=SETTLE_S, memo={"repeats": repeats + 1}, progress="the BMC's answer was lost")
        except SteelyardError as error:
            return Failed(error=error)

    return run


def _needed(args: dict[str, Any], name: str) -> Any:
    if args.get(name) is None:
        raise InvalidRequest(f"the argument '{name}' is missing")
    return args[name]
