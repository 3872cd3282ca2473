"""Webhooks: the records, what is piled up for them from the stream of events, and what the gateway's senders take.

Inventory keeps the books and sends nothing: secrets are opened, and strangers' hosts are called, by the gateway alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
from prometheus_client import Counter
from steelyard_common.bus.types import Tagged
from steelyard_common.contracts.events import cloud_event
from steelyard_common.db import Database
from steelyard_common.secrets import MASK

from ..domain import webhooks as rules
from ..domain.values import as_uuid
from ..domain.webhooks import Told
from ..store import tables, versions
from ..store import webhooks as store
from .context import Api
from .lifecycle import Caller
from .workers import Clock

SETTLED = Counter("steelyard_webhook_deliveries_settled", "Deliveries of webhooks that came to an end", ["status"])
FORGET_EVERY_S = 600.0
LONGEST_ERROR = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """One event of the stream. ``body``: as it was told; ``place``: its number in the stream; ``owner``: as its data
    says, if it does."""

    service: str
    fact: str
    subject: str
    event_id: str
    event_type: str
    body: str
    place: int
    owner: str | None = None


class Webhooks:
    """Queries and commands; ``take`` is for the stream, ``lend`` and ``settle`` for senders."""

    def __init__(
        self, database: Database, site: str, clock: Clock, pauses_s: Sequence[float] = rules.PAUSES_S
    ) -> None:  # fmt: skip
        """``pauses_s``: how long to wait after each try that failed."""
        self._database = database
        self._site = site
        self._clock = clock
        self._pauses_s = pauses_s
        self._forget_at = clock()

    # ---- records

    def create(self, given: Mapping[str, Any], api: Api, caller: Caller) -> bytes:
        """→ the document. Errors: Conflict."""
        now = self._clock()
        row = {**given, "owner": caller.project, "visible": api.sight.visible}
        with self._database.begin() as transaction:
            store.insert(transaction.connection, row, now)
            return _shown(store.get(transaction.connection, row["uuid"]), api)

    def list_all(self, marker: str | None, limit: int, api: Api) -> bytes:
        with self._database.read() as connection:
            rows = store.page(connection, api.sight.visible, marker, limit)
        body: dict[str, Any] = {"webhooks": [document(row, api) for row in rows]}
        if len(rows) == limit:
            body["next"] = f"{api.base_url}/v1/webhooks?limit={limit}&marker={rows[-1]['uuid']}"
        return orjson.dumps(body)

    def show(self, uuid: str, api: Api) -> bytes:
        """Errors: NotFound."""
        with self._database.read() as connection:
            return _shown(store.get(connection, uuid), api)

    def update(self, uuid: str, changes: Mapping[str, Any], api: Api, caller: Caller) -> bytes:
        """→ the document. Errors: NotFound, PreconditionFailed."""
        with self._database.begin() as transaction:
            row = store.take(transaction.connection, uuid) | dict(changes)
            versions.require(transaction.connection, tables.webhooks, uuid, caller.if_match)
            if row["enabled"]:
                row["disabled_reason"] = None
            store.update(transaction.connection, row, self._clock())
            return _shown(store.get(transaction.connection, uuid), api)

    def delete(self, uuid: str, caller: Caller) -> None:
        """With its deliveries. Errors: NotFound, PreconditionFailed."""
        with self._database.begin() as transaction:
            store.take(transaction.connection, uuid)
            versions.require(transaction.connection, tables.webhooks, uuid, caller.if_match)
            store.delete(transaction.connection, uuid)

    def deliveries(self, uuid: str, status: str | None, marker: str | None, limit: int, api: Api) -> bytes:
        """Errors: NotFound."""
        with self._database.read() as connection:
            store.get(connection, uuid)
            rows = store.deliveries(connection, uuid, status, marker, limit)
        body: dict[str, Any] = {"deliveries": [_delivery(row, api) for row in rows]}
        if len(rows) == limit:
            more = f"&status={status}" if status else ""
            page = f"limit={limit}&marker={rows[-1]['uuid']}{more}"
            body["next"] = f"{api.base_url}/v1/webhooks/{uuid}/deliveries?{page}"
        return orjson.dumps(body)

    def redeliver(self, uuid: str, delivery: str, api: Api) -> bytes:
        """Send one again that was delivered, or is dead. → it. Errors: NotFound, Conflict."""
        with self._database.begin() as transaction:
            row = store.redeliver(transaction.connection, uuid, delivery, self._clock())
        return orjson.dumps(_delivery(row, api))

    def test(self, uuid: str, api: Api, caller: Caller) -> bytes:
        """Send an event that says nothing. → the delivery. Errors: NotFound."""
        now = self._clock()
        told = cloud_event(
            self._site, "inventory", "webhook-tested", uuid, {"uuid": uuid}, cause=dict(caller.cause), now=now
        )
        row = {
            "webhook": uuid, "event_id": told.msg_id, "event_type": "org.steelyard.inventory.webhook-tested",
            "subject": str(uuid4()), "body": told.body.decode(), "place": 0,
        }  # fmt: skip
        with self._database.begin() as transaction:
            store.get(transaction.connection, uuid)
            [made] = store.pile(transaction.connection, [row], now)
            return orjson.dumps(_delivery(store.delivery(transaction.connection, uuid, made), api))

    # ---- the stream

    def take(self, heard: Sequence[Heard]) -> None:
        """A batch of events: pile up what is wanted (rules 1 and 3)."""
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            wanted = store.enabled(connection)
            if not wanted or not heard:
                return
            whose = store.whose(connection, {each.subject for each in heard if as_uuid(each.subject)})
            rows = [
                {
                    "webhook": webhook["uuid"], "event_id": each.event_id, "event_type": each.event_type,
                    "subject": each.subject, "body": each.body, "place": each.place,
                }
                for each in heard
                for webhook in wanted
                if rules.wants(webhook, _told(each, whose))
            ]  # fmt: skip
            if rows:
                store.pile(connection, rows, now)

    # ---- senders

    def lend(self, taken_to: int, most: int = rules.MOST_TAKEN, hold_s: float = rules.TAKEN_S) -> bytes:
        """Deliveries to send within ``hold_s``: {uuid, event_id, body, url, secret (sealed), tries}. ``idle``: there
        is no webhook at all. ``taken_to``: the place in the stream up to which all events are piled up (rule 2)."""
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            if not store.enabled(connection):
                return orjson.dumps({"deliveries": [], "idle": True})
            rows = store.take_due(connection, now, now + timedelta(seconds=hold_s), most, taken_to)
            if now >= self._forget_at:
                self._forget_at = now + timedelta(seconds=FORGET_EVERY_S)
                store.forget(connection, now)
        return orjson.dumps({"deliveries": rows, "idle": False})

    def settle(self, answers: Sequence[Mapping[str, Any]]) -> None:
        """How it went: {uuid, answer (HTTP status or null), error (text or null)}. Told twice, it counts once."""
        now = self._clock()
        by_uuid = {str(each["uuid"]): each for each in answers}
        with self._database.begin() as transaction:
            connection = transaction.connection
            open_ones = [
                row
                for row in store.locked(connection, by_uuid).values()
                if row["status"] == rules.PENDING and row["taken_until"] is not None
            ]
            if not open_ones:
                return
            settled = [_settled(row, by_uuid[row["uuid"]], now, self._pauses_s) for row in open_ones]
            store.settle(connection, settled)
            for gone in {row["webhook_uuid"] for row in open_ones if by_uuid[row["uuid"]]["answer"] == rules.GONE}:
                webhook = store.take(connection, gone)
                reason = "the receiver answered 410 Gone"
                store.update(connection, webhook | {"enabled": False, "disabled_reason": reason}, now)
        for row in settled:
            if row["status"] != rules.PENDING:
                SETTLED.labels(row["status"]).inc()


def _told(heard: Heard, whose: Mapping[str, tuple[str | None, str | None]]) -> Told:
    owner, lessee = whose.get(heard.subject, (heard.owner, None))
    return Told(service=heard.service, fact=heard.fact, subject=heard.subject, owner=owner, lessee=lessee)


def _settled(
    row: Mapping[str, Any], told: Mapping[str, Any], now: datetime, pauses_s: Sequence[float]
) -> dict[str, Any]:  # fmt: skip
    tries = row["tries"] + 1
    answer, error = told["answer"], told["error"]
    made = {"uuid": row["uuid"], "tries": tries, "answer": answer, "error": error and error[:LONGEST_ERROR]}
    if error is None:
        return made | {"status": rules.DELIVERED, "settled_at": now}
    again = None if answer == rules.GONE else rules.again_at(tries, now, pauses_s)
    if again is None:
        return made | {"status": rules.DEAD, "settled_at": now}
    return made | {"status": rules.PENDING, "due_at": again}


def _shown(row: Mapping[str, Any], api: Api) -> Tagged:
    return Tagged.of(orjson.dumps(document(row, api)), f'"{row["version"]}-{api.minor}"')


def document(row: Mapping[str, Any], api: Api) -> dict[str, Any]:
    """A webhook as the API shows it."""
    href = f"{api.base_url}/v1/webhooks/{row['uuid']}"
    names = ("uuid", "url", "events", "filters", "description", "enabled", "disabled_reason", "owner")
    return {name: row[name] for name in names} | {
        "secret": MASK, "created_at": row["created_at"], "updated_at": row["updated_at"],
        "links": [{"href": href, "rel": "self"}, {"href": f"{href}/deliveries", "rel": "deliveries"}],
    }  # fmt: skip


def _delivery(row: Mapping[str, Any], api: Api) -> dict[str, Any]:
    is_pending = row["status"] == rules.PENDING
    return {
        "uuid": row["uuid"], "webhook": row["webhook_uuid"], "event": row["event_id"], "type": row["event_type"],
        "subject": row["subject"], "status": row["status"], "tries": row["tries"], "answer": row["answer"],
        "error": row["error"], "next_try_at": row["due_at"] if is_pending else None, "created_at": row["created_at"],
        "settled_at": row["settled_at"],
        "links": [{"href": f"{api.base_url}/v1/webhooks/{row['webhook_uuid']}", "rel": "webhook"}],
    }  # fmt: skip
