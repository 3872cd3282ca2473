"""`/v1/nodes/{n}/states`: what state a node is in, and the verbs that change it."""

from __future__ import annotations

from flask import Response

from .answers import document, empty
from .routes import MAX_PROVISION_BYTES, Asked, Route

STATES = "/nodes/<ident>/states"
MODES_SINCE = 76
RAID_SINCE = 12


def show(asked: Asked, ident: str) -> Response:
    asked.no_query()
    return document(asked.services.states.show(asked.call, ident))


def set_power(asked: Asked, ident: str) -> Response:
    asked.no_query()
    asked.services.states.set_power(asked.call, ident, asked.json())
    return _accepted(asked, ident)


def set_provision(asked: Asked, ident: str) -> Response:
    asked.no_query()
    asked.services.states.set_provision(asked.call, ident, asked.json(MAX_PROVISION_BYTES))
    return _accepted(asked, ident)


def set_boot_mode(asked: Asked, ident: str) -> Response:
    asked.no_query()
    asked.services.states.set_boot_mode(asked.call, ident, asked.json())
    return _accepted(asked, ident)


def set_secure_boot(asked: Asked, ident: str) -> Response:
    asked.no_query()
    asked.services.states.set_secure_boot(asked.call, ident, asked.json())
    return _accepted(asked, ident)


def set_raid(asked: Asked, ident: str) -> Response:
    asked.no_query()
    asked.services.states.set_raid(asked.call, ident, asked.json())
    return empty(204)


def show_console(asked: Asked, ident: str) -> Response:
    asked.no_query()
    return document(asked.services.states.console(asked.call, ident))


def set_console(asked: Asked, ident: str) -> Response:
    asked.no_query()
    asked.services.states.set_console(asked.call, ident, asked.json())
    return _accepted(asked, ident, "/console")


def _accepted(asked: Asked, ident: str, part: str = "") -> Response:
    return empty(202, f"{asked.call.base_url}/v1/nodes/{ident}/states{part}")


ROUTES = [
    Route(method="GET", path=STATES, handler=show, policy="baremetal:node:get_states"),
    Route(
        method="PUT",
        path=f"{STATES}/power",
        handler=set_power,
        policy="baremetal:node:set_power_state",
        success=202,
    ),
    Route(
        method="PUT",
        path=f"{STATES}/provision",
        handler=set_provision,
        policy="baremetal:node:set_provision_state",
        success=202,
    ),
    Route(
        method="PUT",
        path=f"{STATES}/boot_mode",
        handler=set_boot_mode,
        policy="baremetal:node:set_boot_mode",
        since=MODES_SINCE,
        success=202,
    ),
    Route(
        method="PUT",
        path=f"{STATES}/secure_boot",
        handler=set_secure_boot,
        policy="baremetal:node:set_secure_boot",
        since=MODES_SINCE,
        success=202,
    ),
    Route(
        method="PUT",
        path=f"{STATES}/raid",
        handler=set_raid,
        policy="baremetal:node:set_raid_state",
        since=RAID_SINCE,
        too_old=406,
        success=204,
    ),
    Route(method="GET", path=f"{STATES}/console", handler=show_console, policy="baremetal:node:get_console"),
    Route(
        method="PUT",
        path=f"{STATES}/console",
        handler=set_console,
        policy="baremetal:node:set_console_state",
        success=202,
    ),
]
