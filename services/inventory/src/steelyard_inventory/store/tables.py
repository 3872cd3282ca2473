"""The tables that inventory owns. Columns are named as in the API; JSON columns hold what the API shows.

``sealed`` columns hold {"<column>": {"<JSON pointer>": "<sealed secret>"}}: the shown document has ****** there,
so that a list passes through as it is and no reader ever meets a secret.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    func,
    text,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import JSONB, UUID
from steelyard_common.db import outbox_table

from .columns import flag as _flag
from .columns import json_column as _json
from .columns import metadata as metadata
from .columns import stamps as _stamps
from .columns import time_column as _time
from .operation_tables import operation_nodes as operation_nodes
from .operation_tables import operations as operations
from .recipe_tables import allocations as allocations
from .recipe_tables import deploy_templates as deploy_templates
from .recipe_tables import inspection_rules as inspection_rules
from .recipe_tables import runbooks as runbooks
from .record_tables import chassis as chassis
from .record_tables import node_inventories as node_inventories
from .record_tables import portgroups as portgroups
from .record_tables import volume_connectors as volume_connectors
from .record_tables import volume_targets as volume_targets
from .tenancy_tables import quotas as quotas
from .timeline_tables import durations as durations
from .timeline_tables import plans as plans
from .timeline_tables import timeline as timeline
from .webhook_tables import webhook_deliveries as webhook_deliveries
from .webhook_tables import webhooks as webhooks

_INTERFACE_COLUMNS = [
    Column(f"{interface}_interface", Text, nullable=True)
    for interface in (
        "bios", "boot", "console", "deploy", "firmware", "inspect", "management",
        "network", "power", "raid", "rescue", "storage", "vendor",
    )
]  # fmt: skip

nodes = Table(
    "nodes",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("uuid", UUID(as_uuid=False), nullable=False, unique=True),
    Column("name", Text, unique=True),
    Column("driver", Text, nullable=False),
    _json("driver_info"),
    _json("driver_internal_info"),
    _json("properties"),
    _json("extra"),
    _json("instance_info"),
    _json("sealed"),
    Column("instance_uuid", UUID(as_uuid=False), unique=True),
    Column("instance_name", Text),
    Column("chassis_uuid", UUID(as_uuid=False), ForeignKey("chassis.uuid"), index=True),
    Column("resource_class", Text),
    Column("conductor_group", Text, nullable=False, server_default=""),
    Column("owner", Text),
    Column("lessee", Text),
    Column("description", Text),
    Column("shard", Text),
    Column("parent_node", UUID(as_uuid=False)),
    _json("network_data"),
    Column("automated_clean", Boolean),
    _flag("protected"),
    Column("protected_reason", Text),
    _flag("retired"),
    Column("retired_reason", Text),
    _flag("maintenance"),
    Column("maintenance_reason", Text),
    Column("fault", Text),
    _flag("disable_power_off"),
    *_INTERFACE_COLUMNS,
    _flag("console_enabled"),
    Column("power_state", Text),
    Column("target_power_state", Text),
    Column("provision_state", Text, nullable=False),
    Column("target_provision_state", Text),
    _time("provision_updated_at"),
    Column("last_error", Text),
    Column("reservation", Text),  # shown copy of the lock's holder, written with it
    _json("clean_step"),
    _json("deploy_step"),
    _json("service_step"),
    _json("raid_config"),
    _json("target_raid_config"),
    Column("boot_mode", Text),
    Column("secure_boot", Boolean),
    _time("inspection_started_at"),
    _time("inspection_finished_at"),
    Column("traits", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),  # sorted
    Column("tags", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),  # sorted
    Column("health", Text),
    Column("allocation_uuid", UUID(as_uuid=False)),
    Column("fence", BigInteger, nullable=False, server_default=text("0")),  # grows with every lock taken
    Column("revision", BigInteger, nullable=False, server_default=text("1")),  # grows with every change of the record
    _time("power_changed_at"),  # end of the node's last own power change: what was seen before it is old news
    Column("power_corrections", Integer, nullable=False, server_default=text("0")),  # in a row, by power sync
    *_stamps(),
    postgresql_with={"fillfactor": 80},
)
Index("nodes_driver", nodes.c.driver)
Index("nodes_resource_class", nodes.c.resource_class)
Index("nodes_owner", nodes.c.owner)
Index("nodes_lessee", nodes.c.lessee)
Index("nodes_parent", nodes.c.parent_node)
Index("nodes_shard", nodes.c.shard)
Index("nodes_conductor_group", nodes.c.conductor_group)
Index("nodes_tags", nodes.c.tags, postgresql_using="gin")
Index("nodes_created", nodes.c.created_at, nodes.c.id)
Index("nodes_instance_name", nodes.c.instance_name, postgresql_where=nodes.c.instance_name.isnot(None))
Index("nodes_retired", nodes.c.id, postgresql_where=nodes.c.retired)
# Power sync walks shard by shard in id order.
Index("nodes_power_shard", func.mod(nodes.c.id, 64), nodes.c.id)
# Fault and maintenance are rare: a partial index finds them and costs the others nothing.
Index("nodes_fault", nodes.c.fault, postgresql_where=nodes.c.fault.isnot(None))
Index("nodes_maintenance", nodes.c.id, postgresql_where=nodes.c.maintenance)
# Allocations look for a free node of a class, from a random UUID on.
Index(
    "nodes_free", nodes.c.resource_class, nodes.c.uuid,
    postgresql_where=text(
        "provision_state = 'available' AND instance_uuid IS NULL AND power_state IS NOT NULL AND NOT maintenance"
    ),
)  # fmt: skip

ports = Table(
    "ports",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("uuid", UUID(as_uuid=False), nullable=False, unique=True),
    Column("node_uuid", UUID(as_uuid=False), ForeignKey("nodes.uuid", ondelete="CASCADE"), nullable=False, index=True),
    Column("address", Text, nullable=False, unique=True),
    _json("extra"),
    Column("pxe_enabled", Boolean, nullable=False, server_default=text("true")),
    _json("local_link_connection"),
    _json("internal_info"),
    Column("portgroup_uuid", UUID(as_uuid=False), ForeignKey("portgroups.uuid", ondelete="SET NULL"), index=True),
    Column("physical_network", Text),
    _flag("is_smartnic"),
    Column("name", Text, unique=True),
    Column("description", Text),
    Column("vendor", Text),
    Column("category", Text),
    Column("available_for_dynamic_portgroup", Boolean, nullable=False, server_default=text("true")),
    *_stamps(),
)

# Who holds a node now. One row at most: that is the lock. A workflow's row goes with its end; a lease's may expire.
locks = Table(
    "locks",
    metadata,
    Column("node_uuid", UUID(as_uuid=False), ForeignKey("nodes.uuid", ondelete="CASCADE"), primary_key=True),
    Column("holder", Text, nullable=False),  # the instance that took it: what the API shows as reservation
    Column("purpose", Text, nullable=False),
    Column("workflow_uuid", UUID(as_uuid=False)),  # null: a lease
    Column("fence", BigInteger, nullable=False),
    Column("idempotency_id", Text),  # a lease asked for twice is given once
    Column("since", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True)),  # null: a workflow, which has deadlines of its own
)

workflows = Table(
    "workflows",
    metadata,
    Column("uuid", UUID(as_uuid=False), primary_key=True),
    Column("node_uuid", UUID(as_uuid=False), ForeignKey("nodes.uuid", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),  # running done failed aborted
    Column("fence", BigInteger, nullable=False),
    _json("params"),
    _json("cause"),  # {user, request_id, origin}
    Column("idempotency_id", Text),
    Column("error", JSONB),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("current_step", Integer, nullable=False, server_default=text("0")),
    _flag("parked"),  # it waits for a signal and holds no lock: others may have the node
    Column("due_at", DateTime(timezone=True)),  # when the engine must look: dispatch, redispatch or time out
    Column("abort_asked_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    postgresql_with={"fillfactor": 70},
)
# Unfinished workflows are few: the engine scans this index for what is due, and no index lies on due_at (HOT updates).
# One a node that holds it, and one that is parked.
Index(
    "workflows_active", workflows.c.node_uuid, workflows.c.parked,
    unique=True, postgresql_where=workflows.c.finished_at.is_(None),
)  # fmt: skip
Index("workflows_node", workflows.c.node_uuid, workflows.c.created_at)
Index(
    "workflows_idempotency", workflows.c.node_uuid, workflows.c.idempotency_id,
    unique=True, postgresql_where=workflows.c.idempotency_id.isnot(None),
)  # fmt: skip

steps = Table(
    "steps",
    metadata,
    Column("workflow_uuid", UUID(as_uuid=False), ForeignKey("workflows.uuid", ondelete="CASCADE"), primary_key=True),
    Column("index", Integer, primary_key=True),
    Column("interface", Text, nullable=False),
    Column("name", Text, nullable=False),
    _json("args"),
    Column("status", Text, nullable=False),  # pending dispatched sleeping waiting done failed aborted
    Column("attempt", Integer, nullable=False, server_default=text("0")),  # dispatches so far
    Column("failures", Integer, nullable=False, server_default=text("0")),  # retryable ones so far
    Column("retries", Integer, nullable=False, server_default=text("0")),  # how many failures are forgiven
    Column("alone", Boolean, nullable=False, server_default=text("false")),  # shares no message: cannot be repeated
    _json("info"),  # what the planner knew: source, priority, asked, wait_s, children, abortable, requires_ramdisk
    Column("silences", Integer, nullable=False, server_default=text("0")),  # dispatches in a row without an answer
    _json("memo"),
    Column("progress", Text),
    Column("signal", Text),
    Column("timeout_s", Double, nullable=False),
    Column("deadline_at", DateTime(timezone=True)),  # set when the step starts
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    Column("error", JSONB),
    postgresql_with={"fillfactor": 70},
)

workers = Table(
    "workers",
    metadata,
    Column("instance", Text, primary_key=True),  # the API's conductor hostname
    Column("service", Text, nullable=False),
    Column("conductor_group", Text, nullable=False, server_default=""),
    _json("provides"),  # {"power": ["redfish", "ipmitool", "fake"], "management": [...]}
    _json("hardware_types", "[]"),
    _json("supplies", "[]"),  # keys of driver_info that it has a default for
    _json("steps", "[]"),
    Column("version", Text, nullable=False, server_default=""),
    Column("online", Boolean, nullable=False, server_default=text("true")),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    *_stamps(),
)

outbox = outbox_table(metadata)
