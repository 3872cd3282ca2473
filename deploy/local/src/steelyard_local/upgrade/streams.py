"""What NATS says: streams and consumers as the services make them, and what nobody could handle. Nothing is changed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import nats
import nats.errors
from nats.js import api
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError
from steelyard_common.bus.streams import stream_configs
from steelyard_common.contracts import permissions, subjects
from steelyard_common.contracts.subjects import EVENTS_STREAM, RESULTS_STREAM, STEPS_STREAM
from steelyard_common.errors import Unavailable

from .findings import Finding

TIMEOUT_S = 10
STEP_PREFIX = "step-"
EVENT_READERS = (subjects.TIMELINE_DURABLE, subjects.WEBHOOKS_DURABLE, subjects.observer_durable("power"))
_COMPARED = ("retention", "max_age", "max_bytes", "discard", "duplicate_window")


@dataclass(frozen=True, kw_only=True)
class Way:
    """How to reach NATS as somebody who may see everything."""

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    inbox_prefix: str | None = None
    ca_file: str | None = None


@dataclass(kw_only=True)
class Seen:
    """Stream → what it is, None when it is not there; (stream, consumer) → how it is set; subject → dead letters."""

    streams: dict[str, api.StreamConfig | None] = field(default_factory=dict)
    consumers: dict[tuple[str, str], api.ConsumerConfig] = field(default_factory=dict)
    letters: dict[str, int] = field(default_factory=dict)
    replicas: int = 1


def look(way: Way, site: str) -> Seen:
    """Errors: Unavailable."""
    try:
        return asyncio.run(asyncio.wait_for(_look(way, site), 3 * TIMEOUT_S))
    except (TimeoutError, nats.errors.Error, JetStreamError, OSError) as error:
        raise Unavailable("NATS cannot be asked", detail=repr(error)) from error


async def _look(way: Way, site: str) -> Seen:
    options: dict[str, Any] = {"user": way.user, "password": way.password}
    if way.inbox_prefix:
        options["inbox_prefix"] = way.inbox_prefix
    if way.ca_file:
        options["tls"] = ssl.create_default_context(cafile=way.ca_file)
    options |= {"allow_reconnect": False, "max_reconnect_attempts": 1, "reconnect_time_wait": 1}  # two tries
    client = await nats.connect(way.url, connect_timeout=TIMEOUT_S, **options)
    try:
        js = client.jetstream(timeout=TIMEOUT_S)
        seen = Seen(replicas=3 if len(client.servers) >= 3 else 1)
        for stream in subjects.STREAM_SUBJECTS:
            try:
                seen.streams[stream] = (await js.stream_info(stream)).config
            except NotFoundError:
                seen.streams[stream] = None
                continue
            for each in await js.consumers_info(stream):
                seen.consumers[stream, str(each.name)] = each.config
        if seen.streams.get(EVENTS_STREAM) is not None:
            wanted = f"{site}.bus.evt.dead-letter.>"
            seen.letters = dict((await js.stream_info(EVENTS_STREAM, subjects_filter=wanted)).state.subjects or {})
        return seen
    finally:
        await client.close()


def judge(seen: Seen, site: str, step_interfaces: set[str]) -> Iterator[Finding]:
    """``step_interfaces``: of step providers of somebody's own."""
    yield from _streams(seen, site)
    yield from _consumers(seen, site, step_interfaces)
    if seen.letters:
        durables = sorted({subject.rsplit(".", 1)[1].rpartition("-")[0] for subject in seen.letters})
        says = f"{sum(seen.letters.values())} messages could not be handled (by {', '.join(durables)})"
        yield Finding(reason="dead-letters", about=EVENTS_STREAM, says=says)


def _streams(seen: Seen, site: str) -> Iterator[Finding]:
    for wanted in stream_configs(site, seen.replicas):
        name = str(wanted.name)
        have = seen.streams[name]
        if have is None:
            yield Finding(reason="stream-differs", about=name, says="it is not there")
            continue
        wrong = [each for each in _COMPARED if getattr(wanted, each) is not None
                 and getattr(have, each) != getattr(wanted, each)]  # fmt: skip
        if not set(wanted.subjects or []) <= set(have.subjects or []):
            wrong.append("subjects")
        if wrong:
            says = ", ".join(f"{each} is {getattr(have, each)}" for each in wrong)
            yield Finding(reason="stream-differs", about=name, says=says)


def _expected(site: str, step_interfaces: set[str]) -> dict[tuple[str, str], str]:
    """(stream, consumer) → its filter"""
    rows = (permissions.ROWS[service] for service in permissions.SERVICES)
    found = {(stream, name): only for row in rows for stream, name, only in permissions.consumers(site, row)}
    own = {(STEPS_STREAM, subjects.step_durable(each)): subjects.step(site, each, "*") for each in step_interfaces}
    return found | own


def _consumers(seen: Seen, site: str, step_interfaces: set[str]) -> Iterator[Finding]:
    expected = _expected(site, step_interfaces)
    for (stream, name), only in expected.items():
        have = seen.consumers.get((stream, name))
        if have is None:
            if _is_needed(stream, name, step_interfaces):
                yield Finding(reason="consumer-differs", about=f"{stream} {name}", says="it is not there")
        elif wrong := _differs(have, only):
            yield Finding(reason="consumer-differs", about=f"{stream} {name}", says=", ".join(wrong))
    for (stream, name), config in seen.consumers.items():
        # On a work queue whatever another one takes is lost to us; on EVENTS anybody may read along.
        if stream in (STEPS_STREAM, RESULTS_STREAM) and (stream, name) not in expected and _is_of(site, config):
            says = "nobody knows it, and what it takes is lost to the services"
            yield Finding(reason="consumer-differs", about=f"{stream} {name}", says=says)


def _is_needed(stream: str, name: str, step_interfaces: set[str]) -> bool:
    """Whether a service has it from its start on; others are allowed, and made when they are first wanted."""
    if stream == EVENTS_STREAM:
        return name in EVENT_READERS
    return name.removeprefix(STEP_PREFIX) not in step_interfaces


def _is_of(site: str, config: api.ConsumerConfig) -> bool:
    filters = [config.filter_subject, *(config.filter_subjects or [])]
    return any(each is None or each.split(".")[0] in (site, "*", ">") for each in filters)


def _differs(have: api.ConsumerConfig, only: str) -> list[str]:
    wrong = []
    if have.filter_subject != only:
        wrong.append(f"it takes {have.filter_subject or have.filter_subjects}, not {only}")
    if have.ack_policy != api.AckPolicy.EXPLICIT:
        wrong.append(f"acknowledges {have.ack_policy}")
    if have.max_deliver not in (None, -1):
        wrong.append(f"gives up after {have.max_deliver} deliveries")
    if have.deliver_subject:
        wrong.append("pushes")
    return wrong
