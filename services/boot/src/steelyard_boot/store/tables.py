"""What boot owns."""

from __future__ import annotations

from sqlalchemy import MetaData
from steelyard_common.db import outbox_table

from .agent_tables import agents_table
from .artifact_tables import add_tables as add_artifact_tables
from .boot_tables import attempts_table, boots_table, hops_table, isos_table, leases_table, media_table
from .dns_tables import dns_table
from .kickstart_tables import kickstarts_table

metadata = MetaData()

outbox = outbox_table(metadata)
add_artifact_tables(metadata)
agents = agents_table(metadata)
boots = boots_table(metadata)
boot_media = media_table(metadata)
boot_isos = isos_table(metadata)
boot_attempts = attempts_table(metadata)
boot_hops = hops_table(metadata)
boot_leases = leases_table(metadata)
dns_records = dns_table(metadata)
boot_kickstarts = kickstarts_table(metadata)
