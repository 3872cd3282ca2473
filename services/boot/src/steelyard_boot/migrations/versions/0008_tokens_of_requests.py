"""Tokens of agents know the request that they were issued to, which alone may be told them again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("agents", sa.Column("issued_to", sa.Text))
