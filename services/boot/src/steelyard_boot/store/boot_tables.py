"""Tables of booting: what each node boots next, what was published for its BMC, and what became of each attempt."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, DateTime, ForeignKey, Identity, Index, MetaData, Table, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB, UUID


def _uuid(name: str, *, primary_key: bool = False, unique: bool = False) -> Column[str]:
    return Column(name, UUID(as_uuid=False), nullable=False, primary_key=primary_key, unique=unique or None)


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


AT_ONCE = {"fastupdate": "off"}  # no look has to read what is still to be sorted into the index


def boots_table(metadata: MetaData) -> Table:
    """One row a node that was ever prepared. ``system_uuids`` in both byte orders, ``macs`` with colons.

    ``model``: ``domain.boot_model``. ``loader``: the file that this node is to start, if it has a wish of its own.
    """
    return Table(
        "boots", metadata,
        _uuid("node_uuid", primary_key=True),
        _uuid("boot_id", unique=True),
        Column("system_uuids", ARRAY(Text), nullable=False),
        Column("macs", ARRAY(Text), nullable=False),
        _text("purpose"), _text("interface"), _text("mode"), _text("arch"), _text("loader", nullable=True),
        Column("model", JSONB, nullable=False),
        _time("created_at"),
        Index("boots_system_uuids", "system_uuids", postgresql_using="gin", postgresql_with=AT_ONCE),
        Index("boots_macs", "macs", postgresql_using="gin", postgresql_with=AT_ONCE),
    )  # fmt: skip


def media_table(metadata: MetaData) -> Table:
    """What is at ``/media/<name>``: an artifact. ``is_ours``: made for this boot, and gone with it."""
    return Table(
        "boot_media", metadata,
        Column("name", Text, primary_key=True),
        _uuid("node_uuid"), _uuid("boot_id"), _text("artifact"),
        Column("is_ours", Boolean, nullable=False),
        _time("created_at"),
        Index("boot_media_node", "node_uuid"),
    )  # fmt: skip


def isos_table(metadata: MetaData) -> Table:
    """Which CD was made of what: the same parts make one CD."""
    return Table(
        "boot_isos", metadata,
        Column("digest", Text, primary_key=True),
        _text("artifact"), _time("created_at"),
    )  # fmt: skip


def attempts_table(metadata: MetaData) -> Table:
    """One row a boot attempt; at most one of a node is ``running``. ``last_hop``: the one that ends it well."""
    return Table(
        "boot_attempts", metadata,
        _uuid("uuid", primary_key=True),
        _uuid("node_uuid"), _uuid("boot_id"), _text("purpose"), _text("interface"), _text("last_hop"), _text("outcome"),
        _text("failing_hop", nullable=True), _text("reason", nullable=True),
        _time("began_at"), _time("seen_at"), _time("ended_at", nullable=True),
        Index("boot_attempts_node", "node_uuid", "began_at"),
        Index("boot_attempts_running", "node_uuid", unique=True, postgresql_where=sql("outcome = 'running'")),
    )  # fmt: skip


def hops_table(metadata: MetaData) -> Table:
    """What was seen of an attempt. ``detail``: what was fetched, from where, how many bytes in how many seconds."""
    return Table(
        "boot_hops", metadata,
        Column("id", BigInteger, Identity(), primary_key=True),
        Column(
            "attempt_uuid", UUID(as_uuid=False), ForeignKey("boot_attempts.uuid", ondelete="CASCADE"), nullable=False
        ),
        _text("hop"), _text("outcome"), _time("at"),
        Column("detail", JSONB, nullable=False),
        Index("boot_hops_attempt", "attempt_uuid", "at"),
    )  # fmt: skip


def leases_table(metadata: MetaData) -> Table:
    """Which NIC has which address, as the DHCP server last said."""
    return Table(
        "boot_leases", metadata,
        Column("ip", Text, primary_key=True),
        _text("mac"), _time("seen_at"),
    )  # fmt: skip
