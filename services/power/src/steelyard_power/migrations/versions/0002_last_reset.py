"""Begun marks of resets keep what the BMC called its last reset before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("step_journal", sa.Column("reset_before", sa.Text))
