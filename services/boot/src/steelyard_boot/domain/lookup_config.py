"""What an agent is told of itself at its lookup (lifecycle facts §12). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Management interfaces whose BMC is known, so that the agent need not look for one.
KNOWN_BMC = frozenset({"redfish", "idrac-redfish"})
IMAGE_FORMATS = ("raw", "gpt", "qcow2", "iso")


@dataclass(frozen=True, kw_only=True)
class AgentRules:
    """What an operator sets for all agents. ``tls_*`` None: the agent's own choice."""

    heartbeat_timeout_s: int = 300
    allow_md5: bool = False
    image_formats: tuple[str, ...] = IMAGE_FORMATS
    bios_bootloader: bool = True
    tls_min_version: str | None = None
    tls_ciphers: str | None = None


def lookup_config(rules: AgentRules, token: str | None, management: str | None) -> dict[str, Any]:
    """``token``: in the clear for the request that it was issued to, ``******`` for others, None for those too old to
    be given one."""
    return {
        "metrics": {
            "backend": "noop", "prepend_host": False, "prepend_uuid": False, "prepend_host_reverse": True,
            "global_prefix": None,
        },
        "metrics_statsd": {"statsd_host": "localhost", "statsd_port": 8125},
        "heartbeat_timeout": rules.heartbeat_timeout_s,
        "agent_containers": {
            "allow_arbitrary_containers": False, "allowed_containers": [],
            "container_steps_file": "/etc/ironic-python-agent.d/mysteps.yaml", "runner": "podman", "pull_options": [],
            "run_options": ["--rm", "--network=host"],
        },
        "agent_token": token,
        "agent_token_required": True,
        "agent_md5_checksum_enable": rules.allow_md5,
        "disable_deep_image_inspection": False,
        "permitted_image_formats": list(rules.image_formats),
        "agent_skip_bmc_detect": management in KNOWN_BMC,
        "enable_bios_bootloader_install": rules.bios_bootloader,
        "tls_min_version": rules.tls_min_version,
        "tls_cipher_suites": rules.tls_ciphers,
    }  # fmt: skip
