"""What can stand in the way of an upgrade: the reasons, what is found, and what helps."""

from __future__ import annotations

from dataclasses import dataclass

# Reason → what to do about it.
REASONS = {
    "schema-ahead": "upgrade to the release that the schema is of, or the one before it",
    "schema-behind": "upgrade one release at a time: to the one after the schema's first, and run its migrations",
    "schema-unknown": "this database was migrated by something else: ask who did, or restore it",
    "version-apart": "upgrade one release at a time; restart replicas that were left behind",
    "version-unknown": "give the release itself with --to, or its --print-release as a file",
    "workflow-unknown": "let it end, or abort it: the other release could not go on with it",
    "workflow-parked": "let it go on (unhold, or what it waits for), or abort it; or wave it through with --allow",
    "node-without-workflow": "nothing moves this node any more: abort what it is in, or set it back by its verbs",
    "dead-letters": "look at them (`nats stream view EVENTS`), then wave them through with --allow",
    "secret-unreadable": "put the key that is missing back (STEELYARD_SEAL_KEYS_FILE), or write the secret again",
    "stream-differs": "a service of inventory's that starts sets streams right; see its log if it cannot",
    "consumer-differs": "stop whoever made it, remove it (`nats consumer rm`), and let the service make it again",
    "replica-failing": "see its log; mend it first, so that the other replica can carry the work meanwhile",
    "not-asked": "what cannot be reached cannot be judged",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """``reason``: one of the table. ``about``: what; ``says``: why that stands in the way."""

    reason: str
    about: str
    says: str

    @property
    def remedy(self) -> str:
        return REASONS[self.reason]
