"""The tables of artifacts: what is on the shared folder, what is being fetched, who needs it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Integer, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

NOW = text("clock_timestamp()")


def add_tables(metadata: MetaData) -> None:
    """All three."""
    Table(
        "artifacts",
        metadata,
        Column("key", Text, primary_key=True),  # of the file: its SHA-256, or a random name
        Column("sha256", Text, nullable=False),
        Column("sha512", Text),  # when somebody asked by it
        Column("made_of", Text),  # the SHA-256 of what it was converted from
        Column("size", BigInteger, nullable=False),
        Column("stored_bytes", BigInteger, nullable=False),  # less than its size where it has holes
        Column("kind", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("format", Text, nullable=False),
        Column("virtual_size", BigInteger, nullable=False),
        Column("source", Text),  # where it came from, as it may be shown; null: made here
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("used_at", DateTime(timezone=True), nullable=False),
        Index("artifacts_sha512", "sha512", postgresql_where=text("sha512 IS NOT NULL")),
        Index("artifacts_made_of", "made_of", postgresql_where=text("made_of IS NOT NULL")),
        postgresql_with={"fillfactor": 70},
    )
    # One row for all who wish the same. Rule: who runs it holds the lease, and writes only with the attempt it took.
    Table(
        "artifact_fetches",
        metadata,
        Column("id", BigInteger, Identity(), primary_key=True),
        Column("wish_key", Text, nullable=False, unique=True),
        Column("wish", JSONB, nullable=False),
        Column("url", Text, nullable=False),
        Column("host", Text, nullable=False),
        Column("status", Text, nullable=False),  # waiting running done failed
        Column("phase", Text, nullable=False, server_default="fetch"),  # fetch check convert
        Column("artifact_key", Text),
        Column("holder", Text),
        Column("lease_until", DateTime(timezone=True)),
        Column("attempt", Integer, nullable=False, server_default=text("0")),
        Column("tries", Integer, nullable=False, server_default=text("0")),  # that failed since it was asked for
        Column("due_at", DateTime(timezone=True), nullable=False),
        Column("done_bytes", BigInteger, nullable=False, server_default=text("0")),  # that are safe on the folder
        Column("total_bytes", BigInteger),
        Column("validator", JSONB),  # {etag, last_modified} and whose: {of: artifact} or {draft: file}
        Column("error", JSONB),
        Column("begun_at", DateTime(timezone=True)),
        Column("settled_at", DateTime(timezone=True)),
        Column("fresh_until", DateTime(timezone=True)),  # until then nobody asks whether it changed
        Column("created_at", DateTime(timezone=True), nullable=False),
        Index("artifact_fetches_due", "due_at", postgresql_where=text("status IN ('waiting', 'running')")),
        Index("artifact_fetches_artifact", "artifact_key"),
        postgresql_with={"fillfactor": 70},
    )
    Table(
        "artifact_references",
        metadata,
        Column("reference", Text, primary_key=True),  # node:<uuid>:<purpose>
        Column("wish_key", Text, primary_key=True),  # or the artifact's key, for what was made here
        Column("artifact_key", Text),  # null until it is there
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
        Index("artifact_references_artifact", "artifact_key"),
        Index("artifact_references_wish", "wish_key"),
        Index("artifact_references_prefix", "reference", postgresql_ops={"reference": "text_pattern_ops"}),
    )
