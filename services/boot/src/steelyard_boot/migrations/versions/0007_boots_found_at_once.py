"""The indices by which machines are found keep no list of what is still to be sorted in: every look would read it, or,
which the planner then prefers, the whole table, and a thousand machines look just after a thousand were written."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    for name in ("boots_system_uuids", "boots_macs"):
        op.execute(f"ALTER INDEX {name} SET (fastupdate = off)")
        op.execute(f"SELECT gin_clean_pending_list('{name}'::regclass)")
