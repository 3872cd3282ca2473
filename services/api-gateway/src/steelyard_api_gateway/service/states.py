"""States of a node and the verbs that change them (facts §7.1). What is legal in which state is inventory's."""

from __future__ import annotations

from typing import Any

import orjson
from steelyard_common.errors import InvalidRequest
from steelyard_common.password_hash import hashed
from steelyard_common.secrets import Sealer

from ..domain import identifiers, values, verbs
from ..drivers import Upstream
from .access import Gate
from .arguments import as_is, optional, read_arguments
from .call import Call
from .sealing import seal

OWN_STEPS = frozenset({"clean_steps", "service_steps"})  # that have a rule of their own
STEPS = OWN_STEPS | {"deploy_steps"}
BOOT_MODES = ("bios", "uefi")
SECRET = ("configdrive",)  # as a whole, whatever the names in it
_POWER = {"target": optional(values.text), "timeout": optional(values.whole_number)}
_PROVISION = {"target": optional(values.text)} | dict.fromkeys(verbs.PARAMETERS, as_is)
_BOOT_MODE = {"target": optional(values.text)}
_SECURE_BOOT = {"target": optional(values.boolean)}
_CONSOLE = {"enabled": optional(values.boolean)}


def _parameters(call: Call, body: Any) -> tuple[str, dict[str, Any]]:
    """The verb and its parameters as they came. Errors: InvalidRequest, NotAcceptable."""
    given = read_arguments(body, _PROVISION, required="target")
    # Clients send what they do not mean as null or empty.
    parameters = {name: value for name, value in given.items() if name != "target" and value not in (None, "", [])}
    verbs.check_provision(str(given["target"]), parameters, call.minor)
    return str(given["target"]), parameters


class States:
    """Questions and commands on `/v1/nodes/{n}/states`."""

    def __init__(self, inventory: Upstream, sealer: Sealer, gate: Gate) -> None:
        self._inventory = inventory
        self._sealer = sealer
        self._gate = gate

    def show(self, call: Call, ident: str) -> bytes:
        body = {"api": call.api(), "ident": identifiers.from_path("node", ident, call.minor)}
        return self._inventory.query("node-states", body, call.headers())

    def set_power(self, call: Call, ident: str, body: Any) -> None:
        given = read_arguments(body, _POWER, required="target")
        verbs.check_power(str(given["target"]), given.get("timeout"), call.minor)
        self._change("set-power", call, ident, target=given["target"], timeout_s=given.get("timeout"))

    def set_provision(self, call: Call, ident: str, body: Any) -> None:
        target, parameters = self.provision_arguments(call, ident, body)
        self._change("set-provision", call, ident, target=target, **parameters)

    def provision_arguments(self, call: Call, ident: str, body: Any) -> tuple[str, dict[str, Any]]:
        """The verb and its parameters, checked, secrets sealed: for doing it, and for planning it."""
        target, parameters = _parameters(call, body)
        self._check_steps(call, ident, parameters)
        return target, self._sealed(parameters)

    def group_arguments(self, call: Call, body: Any) -> tuple[dict[str, Any], list[str]]:
        """The same for many nodes: the parameters, and the rules that are to be asked for each node.

        Errors: as above; Forbidden only for a runbook."""
        _target, parameters = _parameters(call, body)
        rules = ["baremetal:node:set_provision_state"]
        for name in sorted(STEPS & parameters.keys()):
            if name in OWN_STEPS:
                rules.append(f"baremetal:node:set_provision_state:{name}")
            rules += self._gate.step_rules(parameters[name])
        if "runbook" in parameters:
            parameters["runbook"] = self._gate.usable_runbook(call, parameters["runbook"])
        return self._sealed(parameters), rules

    def _sealed(self, parameters: dict[str, Any]) -> dict[str, Any]:
        if "disable_ramdisk" in parameters:
            parameters["disable_ramdisk"] = values.boolean("disable_ramdisk", parameters["disable_ramdisk"])
        if "rescue_password" in parameters:
            # The rescue ramdisk wants no more than the hash; so nobody behind here ever has the password itself.
            parameters["rescue_password"] = hashed(parameters["rescue_password"])
        sealed: dict[str, Any] = seal(parameters, self._sealer) | {
            name: self._sealed_whole(parameters[name]) for name in SECRET if name in parameters
        }
        return sealed

    def _sealed_whole(self, value: Any) -> Any:
        """An object as the text of its JSON: so its numbers and nulls are what they were when it is opened."""
        text = orjson.dumps(value).decode() if isinstance(value, dict) else value
        return seal(text, self._sealer, under_secret=True)

    def _check_steps(self, call: Call, ident: str, parameters: dict[str, Any]) -> None:
        """Errors: Forbidden, InvalidRequest (a runbook that is hidden)."""
        for name in STEPS & parameters.keys():
            if name in OWN_STEPS:
                self._gate.require(call, ident, f"baremetal:node:set_provision_state:{name}")
            self._gate.require_steps(call, parameters[name], ident)
        if "runbook" in parameters:
            parameters["runbook"] = self._gate.usable_runbook(call, parameters["runbook"])

    def set_boot_mode(self, call: Call, ident: str, body: Any) -> None:
        target = read_arguments(body, _BOOT_MODE, required="target")["target"]
        if target not in BOOT_MODES:
            raise InvalidRequest(
                f"Invalid boot mode {values.plain(target)} requested for node. Allowed boot modes are:"
                f" {', '.join(BOOT_MODES)}"
            )
        self._change("set-boot-mode", call, ident, target=target)

    def set_secure_boot(self, call: Call, ident: str, body: Any) -> None:
        target = read_arguments(body, _SECURE_BOOT, required="target")["target"]
        if target is None:
            raise InvalidRequest(
                "Invalid secure_boot None requested for node. Allowed secure_boot states are: True, False"
            )
        self._change("set-secure-boot", call, ident, target=target)

    def set_raid(self, call: Call, ident: str, body: Any) -> None:
        """``body`` is the configuration itself; an empty one clears. What it may hold is inventory's to judge."""
        if not isinstance(body, dict):
            raise InvalidRequest("the body must be a JSON object: the RAID configuration, {} to clear it")
        self._change("set-target-raid", call, ident, config=body)

    def console(self, call: Call, ident: str) -> bytes:
        body = {"api": call.api(), "ident": identifiers.from_path("node", ident, call.minor)}
        return self._inventory.query("node-console", body, call.headers())

    def set_console(self, call: Call, ident: str, body: Any) -> None:
        enabled = read_arguments(body, _CONSOLE, required="enabled")["enabled"]
        if enabled is None:
            raise InvalidRequest("enabled must be true or false")
        self._change("set-console", call, ident, enabled=enabled)

    def _change(self, verb: str, call: Call, ident: str, **change: Any) -> None:
        given = identifiers.from_path("node", ident, call.minor)
        self._inventory.command(verb, {"api": call.api(), "ident": given, **change}, call.headers())
