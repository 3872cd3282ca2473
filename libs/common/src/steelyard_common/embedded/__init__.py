"""Real servers without an installation: PostgreSQL and nats-server from their wheels, for one machine and for tests."""

from .nats import EmbeddedNats
from .nats_folder import NatsFolder
from .postgres import EmbeddedPostgres

__all__ = ["EmbeddedNats", "EmbeddedPostgres", "NatsFolder"]
