"""What boot reads from its environment, once, at the start."""

from __future__ import annotations

from dataclasses import dataclass, field

from steelyard_common.provider import ProviderSettings
from steelyard_common.settings import DatabaseSettings, SealSettings, boolean, env, positive

from .domain.lookup_config import AgentRules


@dataclass(frozen=True, kw_only=True)
class AgentSettings:
    """The agent ramdisk: how it is spoken to."""

    agent_require_tls: bool = field(
        default=True,
        metadata=env("STEELYARD_AGENT_REQUIRE_TLS", "refuse agents that can be called without TLS only", parse=boolean),
    )
    agent_heartbeat_timeout_s: int = field(
        default=300,
        metadata=env(
            "STEELYARD_AGENT_HEARTBEAT_TIMEOUT_S", "an agent says that it lives at least so often", parse=positive
        ),
    )
    agent_allow_md5: bool = field(
        default=False,
        metadata=env("STEELYARD_AGENT_ALLOW_MD5", "agents take md5 as a checksum of images", parse=boolean),
    )

    def agent_rules(self) -> AgentRules:
        """What an agent is told at its lookup."""
        return AgentRules(heartbeat_timeout_s=self.agent_heartbeat_timeout_s, allow_md5=self.agent_allow_md5)


@dataclass(frozen=True, kw_only=True)
class Settings(AgentSettings, DatabaseSettings, SealSettings, ProviderSettings):
    """All of it; times in seconds."""
