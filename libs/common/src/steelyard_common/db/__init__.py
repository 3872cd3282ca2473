"""PostgreSQL: transactions with an outbox, the relay that empties it, migrations (architecture §1 idea 3, §8)."""

from .database import Database, Transaction, raw_json
from .migrations import migrate, run_migrations
from .outbox import outbox_table
from .relay import Relay

__all__ = ["Database", "Relay", "Transaction", "migrate", "outbox_table", "raw_json", "run_migrations"]
