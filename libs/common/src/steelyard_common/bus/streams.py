"""The streams of ``contracts.subjects`` on JetStream. ``ensure`` may run in every process at once and at any time."""

from __future__ import annotations

import asyncio

import nats.errors
from nats.aio.client import Client
from nats.js import api
from nats.js.errors import APIError, BadRequestError, NotFoundError

from ..contracts.subjects import EVENTS_STREAM, RESULTS_STREAM, STEPS_STREAM, stream_subjects
from ..telemetry import get_logger

log = get_logger(__name__)
DUPLICATES_S = 120
EVENTS_MAX_AGE_S = 7 * 24 * 3600
EVENTS_MAX_BYTES = 1 << 30
QUEUE_MAX_BYTES = 1 << 30


def stream_configs(site: str, replicas: int) -> list[api.StreamConfig]:
    """Work queues forget what was acknowledged; EVENTS forgets what is old, or too much.

    EVENTS comes first: until 0.1 its subjects covered ``<site>.step.evt.>``, and STEPS cannot have what it still has.
    """
    limits = {
        EVENTS_STREAM: (api.RetentionPolicy.LIMITS, EVENTS_MAX_AGE_S, EVENTS_MAX_BYTES, api.DiscardPolicy.OLD),
        STEPS_STREAM: (api.RetentionPolicy.WORK_QUEUE, None, QUEUE_MAX_BYTES, api.DiscardPolicy.NEW),
        RESULTS_STREAM: (api.RetentionPolicy.WORK_QUEUE, None, QUEUE_MAX_BYTES, api.DiscardPolicy.NEW),
    }
    return [
        api.StreamConfig(
            name=name, subjects=stream_subjects(site, name), retention=retention, max_age=max_age, max_bytes=max_bytes,
            discard=discard, storage=api.StorageType.FILE, duplicate_window=DUPLICATES_S, num_replicas=replicas,
        )
        for name, (retention, max_age, max_bytes, discard) in limits.items()
    ]  # fmt: skip


async def ensure(client: Client, site: str) -> None:
    """Create what is missing, bring this site's subjects up to date; waits while JetStream is still coming up."""
    pause = 0.1
    while True:
        try:
            for config in stream_configs(site, _replicas(client)):
                await _ensure_one(client, site, config)
            return
        except (TimeoutError, nats.errors.Error, OSError) as error:
            if not client.is_connected:
                raise
            log.warning("streams are not ready", error=str(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)


def _replicas(client: Client) -> int:
    """Three copies on a cluster of three or more, else one."""
    return 3 if len(client.servers) >= 3 else 1


async def _ensure_one(client: Client, site: str, config: api.StreamConfig) -> None:
    js = client.jetstream(timeout=3)
    try:
        have = (await js.stream_info(str(config.name))).config
        others = {subject for subject in have.subjects or [] if not subject.startswith(f"{site}.")}
        config.subjects = sorted({*others, *(config.subjects or [])})
    except NotFoundError:
        try:
            await js.add_stream(config)
        except BadRequestError:  # somebody made it between our question and our order, with other limits
            await js.update_stream(config)
        return
    if _differs(have, config):
        try:
            await js.update_stream(config)
        except APIError as error:
            log.warning("stream keeps its old limits", stream=config.name, error=repr(error))


def _differs(have: api.StreamConfig, want: api.StreamConfig) -> bool:
    if set(have.subjects or []) != set(want.subjects or []):
        return True
    return any(
        getattr(have, name) != getattr(want, name)
        for name in ("max_age", "max_bytes", "duplicate_window", "num_replicas")
        if getattr(want, name) is not None
    )
