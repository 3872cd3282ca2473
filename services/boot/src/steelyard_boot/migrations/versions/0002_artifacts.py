"""Artifacts: what is on the shared folder, what is being fetched, who needs it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "artifacts",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("sha512", sa.Text),
        sa.Column("made_of", sa.Text),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("stored_bytes", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("virtual_size", sa.BigInteger, nullable=False),
        sa.Column("source", sa.Text),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=False),
        sa.Index("artifacts_sha512", "sha512", postgresql_where=sa.text("sha512 IS NOT NULL")),
        sa.Index("artifacts_made_of", "made_of", postgresql_where=sa.text("made_of IS NOT NULL")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "artifact_fetches",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("wish_key", sa.Text, nullable=False, unique=True),
        sa.Column("wish", JSONB, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False, server_default="fetch"),
        sa.Column("artifact_key", sa.Text),
        sa.Column("holder", sa.Text),
        sa.Column("lease_until", TIME),
        sa.Column("attempt", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("tries", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("done_bytes", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("total_bytes", sa.BigInteger),
        sa.Column("validator", JSONB),
        sa.Column("error", JSONB),
        sa.Column("begun_at", TIME),
        sa.Column("settled_at", TIME),
        sa.Column("fresh_until", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.Index("artifact_fetches_due", "due_at", postgresql_where=sa.text("status IN ('waiting', 'running')")),
        sa.Index("artifact_fetches_artifact", "artifact_key"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "artifact_references",
        sa.Column("reference", sa.Text, primary_key=True),
        sa.Column("wish_key", sa.Text, primary_key=True),
        sa.Column("artifact_key", sa.Text),
        sa.Column("created_at", TIME, nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.Index("artifact_references_artifact", "artifact_key"),
        sa.Index("artifact_references_wish", "wish_key"),
        sa.Index("artifact_references_prefix", "reference", postgresql_ops={"reference": "text_pattern_ops"}),
    )
