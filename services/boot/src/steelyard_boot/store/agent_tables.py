"""The table of agents: whose token is out, where the agent is called, when it was last heard of."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, DateTime, Integer, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB, UUID


def agents_table(metadata: MetaData) -> Table:
    """One row a node that an agent was, or will be, booted on. No column that a heartbeat changes has an index.

    ``token`` is sealed; ``boot``: the boot of the node that it was given to, as inventory names it; ``issued_to``: the
    request. ``versions``: kind of steps → the hardware managers' versions. ``reverse_url``: boot calls the agent there;
    ``poll_at``: when next.
    """
    return Table(
        "agents", metadata,
        Column("node_uuid", UUID(as_uuid=False), primary_key=True),
        Column("token", Text),
        Column("pregenerated", Boolean, nullable=False, server_default=text("false")),
        Column("issued_at", DateTime(timezone=True)),
        Column("boot", Text),
        Column("url", Text),
        Column("verify_ca", Text),
        Column("version", Text),
        Column("status", Text),
        Column("status_message", Text),
        Column("versions", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
        Column("last_heartbeat_at", DateTime(timezone=True)),
        Column("reverse_url", Text),
        Column("poll_at", DateTime(timezone=True)),
        Column("poll_failures", Integer, nullable=False, server_default=text("0")),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("issued_to", Text),
        postgresql_with={"fillfactor": 70},
    )  # fmt: skip
