"""What boot reads from its environment about agents: which ramdisk, how it is spoken to, what it is told to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from steelyard_common.settings import boolean, env, positive, some_seconds

from .domain.deploy_rules import DeployRules
from .domain.images import ImageRules
from .domain.lookup_config import AgentRules

_RAMDISKS = ("deploy_kernel", "deploy_ramdisk", "deploy_iso", "rescue_kernel", "rescue_ramdisk", "rescue_iso")


def one_of(*words: str) -> Callable[[str], str]:
    """One of these words."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"one of {', '.join(words)} is expected")
        return text

    return read


def urls(text: str) -> str:
    """With commas, each perhaps behind ``<architecture>=``: of a kind that boot fetches."""
    for piece in filter(None, (each.strip() for each in text.split(","))):
        if not re.fullmatch(r"(?:[A-Za-z0-9_]+=)?(?:https?|oci|file)://\S+", piece):
            raise ValueError("URLs are expected (https, http, oci or file), like https://images.example/kernel")
    return text


def _ramdisk(what: str) -> str:
    name = f"STEELYARD_{what.upper()}"
    work = "rescue a node" if what.startswith("rescue") else "deploy, clean, service and inspect a node"
    part = what.partition("_")[2]
    made: str = field(
        default="",
        metadata=env(
            name,
            f"URL of the {part} to {work}; <architecture>=URL, with commas, for several architectures",
            parse=urls,
        ),
    )
    return made


@dataclass(frozen=True, kw_only=True)
class AgentSettings:
    """The agent ramdisk: which one, how it is spoken to, what it is told to do."""

    agent_require_tls: bool = field(
        default=True,
        metadata=env("STEELYARD_AGENT_REQUIRE_TLS", "refuse agents that can be called without TLS only", parse=boolean),
    )
    allow_md5: bool = field(
        default=False,
        metadata=env("STEELYARD_ALLOW_MD5", "take md5 as a checksum of images; it proves little", parse=boolean),
    )
    agent_heartbeat_timeout_s: int = field(
        default=300,
        metadata=env(
            "STEELYARD_AGENT_HEARTBEAT_TIMEOUT_S",
            "agents call at 0.3 to 0.6 of it; one that was not heard of for so long and does not answer is dead",
            parse=positive,
        ),
    )
    agent_timeout_s: float = field(
        default=30.0, metadata=env("STEELYARD_AGENT_TIMEOUT_S", "how long an agent has to answer", parse=some_seconds)
    )
    agent_logs: str = field(
        default="on_failure",
        metadata=env(
            "STEELYARD_AGENT_LOGS", "when the agent's logs are kept: always, on_failure or never",
            parse=one_of("always", "on_failure", "never"),
        ),
    )  # fmt: skip
    agent_logs_dir: str = field(
        default="", metadata=env("STEELYARD_AGENT_LOGS_DIR", "folder for the agents' logs; empty = none are kept")
    )
    agent_logs_days: int = field(
        default=30, metadata=env("STEELYARD_AGENT_LOGS_DAYS", "how long they are kept, in days", parse=positive)
    )
    deploy_kernel: str = _ramdisk("deploy_kernel")
    deploy_ramdisk: str = _ramdisk("deploy_ramdisk")
    deploy_iso: str = _ramdisk("deploy_iso")
    rescue_kernel: str = _ramdisk("rescue_kernel")
    rescue_ramdisk: str = _ramdisk("rescue_ramdisk")
    rescue_iso: str = _ramdisk("rescue_iso")
    image_download_source: str = field(
        default="http",
        metadata=env(
            "STEELYARD_IMAGE_DOWNLOAD_SOURCE",
            "who fetches images, unless the node says so: http (the agent, from the source) or local (boot serves it)",
            parse=one_of("http", "local"),
        ),
    )
    force_raw_images: bool = field(
        default=True,
        metadata=env(
            "STEELYARD_FORCE_RAW_IMAGES", "boot converts the images that it serves to raw, so that agents need no room",
            parse=boolean,
        ),
    )  # fmt: skip
    erase_iterations: int = field(
        default=1, metadata=env("STEELYARD_ERASE_ITERATIONS", "how often a disk is overwritten", parse=positive)
    )
    erase_parallel: int = field(
        default=4, metadata=env("STEELYARD_ERASE_PARALLEL", "disks of a node that are erased at once", parse=positive)
    )

    def ramdisks(self) -> dict[str, str]:
        """``<deploy|rescue>_<part>[_<architecture>]`` → URL."""
        found: dict[str, str] = {}
        for name in _RAMDISKS:
            for piece in filter(None, (each.strip() for each in str(getattr(self, name)).split(","))):
                arch, equals, url = piece.partition("=")
                is_for_one = equals and "/" not in arch
                found[f"{name}_{arch}" if is_for_one else name] = url if is_for_one else piece
        return found

    def agent_rules(self) -> AgentRules:
        """What an agent is told at its lookup."""
        return AgentRules(heartbeat_timeout_s=self.agent_heartbeat_timeout_s, allow_md5=self.allow_md5)

    def deploy_rules(self) -> DeployRules:
        """How agents work."""
        images = ImageRules(by=self.image_download_source, raw=self.force_raw_images, allow_md5=self.allow_md5)
        erasing = {
            "agent_erase_devices_iterations": self.erase_iterations, "disk_erasure_concurrency": self.erase_parallel,
        }  # fmt: skip
        return DeployRules(images=images, logs=self.agent_logs, erasing=erasing)
