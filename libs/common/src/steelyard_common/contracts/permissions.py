"""Who may say and hear what on the bus: one row a user, and what NATS must allow for it.

``ROWS`` says it in our words; ``rights`` turns a row into subjects. ``embedded/nats_config.py`` writes them down for a
nats-server. Rules of this table
1. Only what the code sends. A service that needs more gets it here, in the commit that begins to send it.
2. Answers go to the inbox of who asked (``_INBOX_<user>.…``), and nobody else hears that inbox. Who answers may
   publish to inboxes of those that may ask it, and to no other subject somebody names as a reply.
3. Streams are inventory's to make. Consumers are bound to their stream, name and filter by the subject of the request
   that makes them, so nobody widens one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from . import subjects
from .catalogue import is_external, is_interface
from .subjects import ANNOUNCE_STEPS, EVENTS_STREAM, RESULTS_STREAM, STEPS_STREAM, STREAM_SUBJECTS

GATEWAY, INVENTORY = "api-gateway", "inventory"
# Providers of steps, and the interfaces whose steps they run.
PROVIDERS: Mapping[str, Sequence[str]] = {
    "power": ("power", "management", "vendor"),
    "boot": ("boot", "deploy", "rescue", "storage", "network"),
    "inspector": ("inspect",),
    "firmware": ("bios", "raid", "firmware"),
    "console": ("console",),
}
SERVICES = (GATEWAY, INVENTORY, *PROVIDERS)
OPERATOR, INTEGRATION = "operator", "integration"
EVERYTHING = ">"
ALL_VERBS = ("qry.*", "cmd.*")
# What only those that touch hardware ask of inventory.
LEASES = ("cmd.take-lease", "cmd.release-lease")
ANNOUNCE = "cmd.announce"
STEP_IS_OUT = f"qry.{subjects.STEP_IS_OUT}"
PROVIDER_ASKS = ("qry.node-for-provider", STEP_IS_OUT, ANNOUNCE, *LEASES)
API = "$JS.API"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One user. ``asks``: service → ``qry.<verb>``, ``cmd.<verb>``; ``withheld`` of them it may not ask after all."""

    asks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    withheld: Mapping[str, Sequence[str]] = field(default_factory=dict)
    serves: bool = False  # answers qry and cmd in its own name, and tells events in it
    runs_steps_of: Sequence[str] = ()  # interfaces
    rules_workflows: bool = False  # makes the streams, dispatches steps, takes results
    observes: Sequence[str] = ()  # services whose events it takes with a durable consumer
    hears: Mapping[str, str] = field(
        default_factory=dict
    )  # its durable consumer → the fact of inventory's that it takes
    records: bool = False  # takes all events with the durable consumers of the timeline and of webhooks
    tells: bool = False  # tells events in its own name without answering anything
    reads_events: bool = False  # all events, by consumers of its own
    may_all: bool = False


@dataclass(frozen=True, kw_only=True)
class Rights:
    """What NATS is told about a user. ``not_publish`` outweighs ``publish``."""

    publish: list[str]
    subscribe: list[str]
    not_publish: list[str] = field(default_factory=list)


def _provider(service: str, *more: str) -> Row:
    return Row(serves=True, asks={INVENTORY: (*PROVIDER_ASKS, *more)}, runs_steps_of=PROVIDERS[service])


ROWS: Mapping[str, Row] = {
    GATEWAY: Row(
        asks={service: ALL_VERBS for service in SERVICES if service != GATEWAY},
        withheld={INVENTORY: (ANNOUNCE, *LEASES)},
        tells=True,
        reads_events=True,
    ),
    INVENTORY: Row(serves=True, rules_workflows=True, observes=tuple(PROVIDERS), records=True),
    "power": _provider("power", "qry.power-targets"),
    "boot": replace(
        _provider(
            "boot",
            "qry.ramdisk-nodes",
            "qry.node-uuid",
            "qry.instance-of-node",
            "qry.node-volumes",
            "qry.knows-machine",
            "cmd.observe-agents",
        ),
        hears={subjects.heard_durable("boot", fact): fact for fact in ("power-state-changed", "node-deleted")},
    ),
    "inspector": _provider("inspector", "qry.inspection-node", "cmd.signal"),
    "firmware": _provider("firmware"),
    "console": _provider("console"),
    INTEGRATION: Row(reads_events=True),
    OPERATOR: Row(may_all=True),
}


def step_provider(name: str, *interfaces: str) -> Row:
    """A provider of somebody's own: runs steps of these interfaces, answers, and announces what it can.

    It announces by a subject of its own: inventory knows by that who speaks.
    """
    return Row(runs_steps_of=interfaces, asks={INVENTORY: (f"cmd.{ANNOUNCE_STEPS}.{name}", STEP_IS_OUT)})


def rows(step_providers: Mapping[str, Sequence[str]] | None = None) -> dict[str, Row]:
    """All users of a site: those of the table, and step providers by name with their interfaces.

    Errors: ValueError for a name that is taken or makes no subject, and for an interface that is not its own to serve.
    """
    table = dict(ROWS)
    for name, interfaces in (step_providers or {}).items():
        if not name.replace("-", "").isalnum() or not name.isascii():
            raise ValueError(f"a step provider's name has letters, digits and hyphens, not {name!r}")
        if name in table:
            raise ValueError(f"{name} is a user of Steelyard's own")
        if wrong := [each for each in interfaces if not is_interface(each) or not is_external(each)]:
            raise ValueError(
                f"{', '.join(wrong)}: an interface is a name of your own, none of Ironic's, in lower case: letters, "
                "digits and hyphens"
            )
        table[name] = step_provider(name, *interfaces)
    return table


def inbox(user: str) -> str:
    """The beginning of all subjects on which this user is answered."""
    return f"_INBOX_{user}"


def rights(site: str, user: str, table: Mapping[str, Row] = ROWS) -> Rights:
    """What ``user`` of ``table`` may do at ``site``."""
    row = table[user]
    if row.may_all:
        return Rights(publish=[EVERYTHING], subscribe=[EVERYTHING])
    publish = [f"{site}.{service}.{verb}" for service, verbs in row.asks.items() for verb in verbs]
    not_publish = [f"{site}.{service}.{verb}" for service, verbs in row.withheld.items() for verb in verbs]
    subscribe = [f"{inbox(user)}.>"]
    if row.serves:
        publish += [f"{site}.{user}.evt.>", *_answers(user, table)]
        subscribe += [f"{site}.{user}.qry.*", f"{site}.{user}.cmd.*", *_discovery(user)]
    if row.tells:
        publish.append(f"{site}.{user}.evt.>")
    if row.rules_workflows:
        publish += [f"{site}.step.*.*", *_streams()]
        subscribe.append(subjects.command(site, user, f"{ANNOUNCE_STEPS}.*"))
    if row.runs_steps_of:
        publish.append(subjects.result(site, "*"))
    found = consumers(site, row)
    publish += [subject for each in found for subject in _consuming(*each)]
    if found:
        publish.append(f"{site}.bus.evt.dead-letter.*")
    if row.reads_events:
        publish += _reading(site)
        not_publish += _foreign_consumers(site, table)
        subscribe.append(f"{site}.*.evt.>")
    return Rights(publish=publish, subscribe=subscribe, not_publish=not_publish)


def _answers(user: str, table: Mapping[str, Row]) -> list[str]:
    """Where those are answered that may ask this user. Not "any reply": a reply subject is what the asker says."""
    return [f"{inbox(asker)}.>" for asker, row in table.items() if row.may_all or user in row.asks]


def _discovery(user: str) -> list[str]:
    """NATS's own questions to services: ``nats micro list``."""
    return ["$SRV.*", f"$SRV.*.steelyard-{user}", f"$SRV.*.steelyard-{user}.*"]


def _streams() -> list[str]:
    return [f"{API}.STREAM.{verb}.{stream}" for stream in STREAM_SUBJECTS for verb in ("INFO", "CREATE", "UPDATE")]


def consumers(site: str, row: Row) -> list[tuple[str, str, str]]:
    """Durable consumers of a row: → (stream, name, filter)"""
    found = [
        (STEPS_STREAM, subjects.step_durable(interface), subjects.step(site, interface, "*"))
        for interface in row.runs_steps_of
    ]
    if row.rules_workflows:
        found.append((RESULTS_STREAM, subjects.RESULTS_DURABLE, subjects.result(site, "*")))
    found += [
        (EVENTS_STREAM, durable, subjects.event(site, INVENTORY, fact, "*")) for durable, fact in row.hears.items()
    ]
    if row.records:
        durables = (subjects.TIMELINE_DURABLE, subjects.WEBHOOKS_DURABLE)
        found += [(EVENTS_STREAM, durable, subjects.all_events(site)) for durable in durables]
    return found + [
        (EVENTS_STREAM, subjects.observer_durable(service), subjects.event(site, service, "*", "*"))
        for service in row.observes
    ]


def _consuming(stream: str, durable: str, only: str) -> list[str]:
    return [
        f"{API}.CONSUMER.CREATE.{stream}.{durable}.{only}",
        f"{API}.CONSUMER.INFO.{stream}.{durable}",
        f"{API}.CONSUMER.MSG.NEXT.{stream}.{durable}",
        f"$JS.ACK.{stream}.{durable}.>",
    ]


def _reading(site: str) -> list[str]:
    """Consumers of any name on EVENTS, for this site's events only."""
    return [
        f"{API}.INFO",
        f"{API}.STREAM.NAMES",
        f"{API}.STREAM.INFO.{EVENTS_STREAM}",
        f"{API}.CONSUMER.CREATE.{EVENTS_STREAM}.*.{site}.*.evt.>",
        f"{API}.CONSUMER.INFO.{EVENTS_STREAM}.*",
        f"{API}.CONSUMER.DELETE.{EVENTS_STREAM}.*",
        f"{API}.CONSUMER.MSG.NEXT.{EVENTS_STREAM}.*",
        f"$JS.ACK.{EVENTS_STREAM}.*.>",
        f"$JS.FC.{EVENTS_STREAM}.>",
    ]


def _foreign_consumers(site: str, table: Mapping[str, Row]) -> list[str]:
    """The services' own consumers on EVENTS: who reads along must not change, empty or acknowledge them."""
    names = {name for row in table.values() for stream, name, _ in consumers(site, row) if stream == EVENTS_STREAM}
    denied = []
    for name in sorted(names):
        denied += [
            f"{API}.CONSUMER.*.{EVENTS_STREAM}.{name}",
            f"{API}.CONSUMER.*.{EVENTS_STREAM}.{name}.>",
            f"{API}.CONSUMER.MSG.NEXT.{EVENTS_STREAM}.{name}",
            f"$JS.ACK.{EVENTS_STREAM}.{name}.>",
        ]
    return denied
