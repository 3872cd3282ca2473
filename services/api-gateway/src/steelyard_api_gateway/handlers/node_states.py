"""`/v1/nodes/{n}/states`: what state a node is in, and the verbs that change it."""

from __future__ import annotations

from flask import Response

from .answers import document, empty
from .routes import MAX_PROVISION_BYTES, Asked, Route

STATES = "/nodes/<ident>/states"
MODES_SINCE = 76


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


def _accepted(asked: Asked, ident: str) -> Response:
    return empty(202, f"{asked.call.base_url}/v1/nodes/{ident}/states")


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
]
