"""Puts the gateway's real parts together: settings, bus, services, blueprints. The only place that knows them all."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import orjson
from flask import Flask
from steelyard_common import runner
from steelyard_common.bus import Bus, connect_service
from steelyard_common.errors import SteelyardError
from steelyard_common.health import Parts
from steelyard_common.http import Wsgi
from steelyard_common.settings import read
from werkzeug.exceptions import HTTPException

from . import sign_in
from .drivers.event_log import EventLog
from .drivers.over_bus import OverBus
from .drivers.webhook_http import WebhookHttp
from .handlers import (
    allocations,
    answers,
    artifacts,
    chassis,
    conductors,
    drivers,
    events,
    insight,
    node_management,
    node_parts,
    node_states,
    node_vendor,
    nodes,
    operations,
    portgroups,
    ports,
    ramdisks,
    recipes,
    refused,
    tenancy,
    volumes,
    webhooks,
)
from .handlers.asyncapi import asyncapi
from .handlers.front import Front
from .handlers.openapi.document import openapi
from .handlers.routes import Refusal, Route, Services, blueprint
from .service import records
from .service.access import Gate
from .service.allocations import Allocations
from .service.artifacts import Artifacts
from .service.event_stream import Events
from .service.identity import HttpBasic, NoSignIn, SignIn
from .service.insight import Insight
from .service.management import Management
from .service.node_parts import NodeParts
from .service.nodes import Nodes
from .service.operations import Operations
from .service.policy import Policy
from .service.ports import Ports
from .service.ramdisks import Ramdisks
from .service.rates import Rates
from .service.recipes import DEPLOY_TEMPLATES, INSPECTION_RULES, RUNBOOKS, Recipes
from .service.records import Records
from .service.refusals import Refusals
from .service.states import States
from .service.tenancy import Tenancy
from .service.vendor import Vendor
from .service.webhook_sender import Sender
from .service.webhooks import Webhooks
from .service.workers import Workers
from .settings import Settings
from .settings_sign_in import HTTP_BASIC, KEYSTONE, OIDC

NAME = "api-gateway"
# Blueprint → its routes and refusals: the API's table of contents.
TABLES: dict[str, tuple[Sequence[Route], Sequence[Refusal]]] = {
    "nodes": (nodes.ROUTES, nodes.REFUSALS),
    "node_states": (node_states.ROUTES, ()),
    "node_management": (node_management.ROUTES, ()),
    "node_parts": (node_parts.ROUTES, node_parts.REFUSALS),
    "ports": (ports.ROUTES, ports.REFUSALS),
    "portgroups": (portgroups.ROUTES, portgroups.REFUSALS),
    "chassis": (chassis.ROUTES, chassis.REFUSALS),
    "volumes": (volumes.ROUTES, volumes.REFUSALS),
    "node_vendor": (node_vendor.ROUTES, ()),
    "drivers": (drivers.ROUTES, ()),
    "conductors": (conductors.ROUTES, ()),
    "insight": (insight.ROUTES, ()),
    "operations": (operations.ROUTES, ()),
    "webhooks": (webhooks.ROUTES, ()),
    "artifacts": (artifacts.ROUTES, ()),
    "events": (events.ROUTES, ()),
    "recipes": (recipes.ROUTES, recipes.REFUSALS),
    "allocations": (allocations.ROUTES, allocations.REFUSALS),
    "tenancy": (tenancy.ROUTES, ()),
    "ramdisks": (ramdisks.ROUTES, ramdisks.REFUSALS),
}


class Running(Parts):
    """The gateway while it runs: its bus."""

    def __init__(self, bus: Bus) -> None:
        super().__init__()
        self.bus = bus
        self.add("bus", stop=bus.close, check=lambda: bus.is_connected)


def create_app(settings: Settings, bus: Bus, sign_in: SignIn | None = None, parts: Parts | None = None) -> Flask:
    """The API; ``sign_in``: instead of what the settings name; ``parts``: what must be stopped is added there.

    Errors: InvalidRequest when settings, htpasswd file or sealing keys are wrong.
    """
    settings.check()
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False
    services = make_services(settings, bus)
    if parts is not None:
        parts.add("events", stop=services.events.stop)
    for name, (routes, refusals) in TABLES.items():
        app.register_blueprint(blueprint(name, routes, refusals, services))
    app.register_error_handler(SteelyardError, partial(refused.answer, services.refusals))
    app.register_error_handler(HTTPException, answers.http_error)
    app.wsgi_app = Front(  # type: ignore[method-assign]
        app.wsgi_app,
        sign_in or make_sign_in(settings),
        public_url=settings.public_url,
        cors_origins=settings.cors_origins,
        rates=Rates(settings.project_rate, settings.project_burst),
        documents={
            "openapi": orjson.dumps(openapi(TABLES, runner.version_of(NAME))),
            "asyncapi": asyncapi(settings.site),
        },
    )
    return app


def make_services(settings: Settings, bus: Bus) -> Services:
    sealer = settings.sealer()
    inventory = OverBus(
        bus,
        settings.site,
        "inventory",
        query_timeout_s=settings.query_timeout_s,
        command_timeout_s=settings.command_timeout_s,
        threads=settings.http_threads,
    )
    power = OverBus(
        bus,
        settings.site,
        "power",
        query_timeout_s=settings.device_timeout_s,
        command_timeout_s=settings.device_timeout_s,
        threads=settings.http_threads,
    )
    boot = OverBus(
        bus,
        settings.site,
        "boot",
        query_timeout_s=settings.query_timeout_s,
        command_timeout_s=settings.command_timeout_s,
        threads=settings.http_threads,
    )
    inspector = OverBus(
        bus,
        settings.site,
        "inspector",
        query_timeout_s=settings.query_timeout_s,
        command_timeout_s=settings.command_timeout_s,
        threads=settings.http_threads,
    )
    gate = Gate(make_policy(settings), inventory)
    states = States(inventory, sealer, gate)
    return Services(
        gate=gate,
        nodes=Nodes(inventory, sealer, gate),
        ports=Ports(inventory, sealer, gate),
        states=states,
        management=Management(power),
        workers=Workers(inventory),
        chassis=Records(inventory, sealer, gate, records.CHASSIS),
        portgroups=Records(inventory, sealer, gate, records.PORTGROUP),
        connectors=Records(inventory, sealer, gate, records.CONNECTOR),
        targets=Records(inventory, sealer, gate, records.TARGET),
        node_parts=NodeParts(inventory),
        deploy_templates=Recipes(inventory, sealer, gate, DEPLOY_TEMPLATES),
        runbooks=Recipes(inventory, sealer, gate, RUNBOOKS),
        inspection_rules=Recipes(inventory, sealer, gate, INSPECTION_RULES),
        allocations=Allocations(inventory, gate),
        tenancy=Tenancy(inventory, gate),
        insight=Insight(inventory, states, boot),
        operations=Operations(inventory, states, gate),
        webhooks=Webhooks(inventory, sealer, settings.webhook_networks),
        artifacts=Artifacts(boot, sealer),
        events=Events(
            EventLog(bus, settings.site), inventory, gate, most=settings.event_readers, for_s=settings.event_stream_s
        ),
        refusals=Refusals(bus, settings.site, NAME),
        vendor=Vendor(power, boot),
        ramdisks=Ramdisks(boot, inspector),
    )


def make_sender(settings: Settings, bus: Bus) -> Sender:
    """What tells webhooks."""
    inventory = OverBus(
        bus, settings.site, "inventory", query_timeout_s=settings.query_timeout_s,
        command_timeout_s=settings.command_timeout_s,
    )  # fmt: skip
    poster = WebhookHttp(
        settings.webhook_networks, timeout_s=settings.webhook_timeout_s, ca_file=settings.webhook_ca_file
    )
    return Sender(inventory, settings.sealer(), poster, timeout_s=settings.webhook_timeout_s)


def make_policy(settings: Settings) -> Policy:
    path = Path(settings.policy_file) if settings.policy_file else None
    return Policy(path, service_project=settings.service_project)


def make_sign_in(settings: Settings) -> SignIn:
    if settings.auth == HTTP_BASIC:
        return HttpBasic(settings.htpasswd_path())
    if settings.auth == KEYSTONE:
        return sign_in.keystone(settings)
    return sign_in.oidc(settings) if settings.auth == OIDC else NoSignIn()


def start(settings: Settings) -> Running:
    running = Running(connect_service(settings, NAME))
    running.add("webhooks", stop=make_sender(settings, running.bus).start().stop)
    return running


def make_app(settings: Settings, running: Running) -> Wsgi:
    return create_app(settings, running.bus, parts=running)


SPEC = runner.ServiceSpec(name=NAME, settings=Settings, start=start, make_app=make_app)


def main(arguments: list[str] | None = None) -> int:
    """``serve`` by default; ``routes`` prints the reference page of the routes. → exit status"""
    words = sys.argv[1:] if arguments is None else arguments
    if words == ["routes"]:
        from .handlers.reference import routes_page

        sys.stdout.write(routes_page(TABLES))
        return 0
    try:
        settings = read(Settings)
        settings.check()
        make_sign_in(settings)
        make_policy(settings)
        settings.sealer()
    except SteelyardError as error:
        sys.stderr.write(f"steelyard-{NAME}: {error.message}\n")
        return 2
    return runner.main(SPEC, words)
