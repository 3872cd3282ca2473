"""What boot reads from its environment, once, at the start."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from steelyard_common.addresses import Network, networks
from steelyard_common.provider import ProviderSettings
from steelyard_common.settings import DatabaseSettings, SealSettings, env, positive, seconds, some_seconds

from .domain.install_rules import InstallRules
from .domain.kernel_arguments import check_arguments, split
from .settings_agents import AgentSettings
from .settings_bucket import BucketSettings
from .settings_dhcp import DhcpSettings
from .settings_dns import DnsSettings
from .settings_installers import InstallerSettings

_SIZE = re.compile(r"(\d+)\s*(|[KMGT])(?:i?B)?", re.IGNORECASE)


def size(text: str) -> int:
    """Bytes: 512, 20GiB, 64 G (all are powers of 1024)."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError("a size is expected, like 20GiB")
    return int(found.group(1)) << (10 * " KMGT".index(found.group(2).upper() or " "))


def some_size(text: str) -> int:
    """Of a limit, which nothing would fit."""
    value = size(text)
    if not value:
        raise ValueError("a positive size is expected, like 64GiB")
    return value


def directories(text: str) -> tuple[Path, ...]:
    """Absolute paths, with commas."""
    paths = tuple(Path(piece.strip()) for piece in text.split(",") if piece.strip())
    if any(not each.is_absolute() for each in paths):
        raise ValueError("absolute paths are expected")
    return paths


def names(text: str) -> tuple[str, ...]:
    """With commas."""
    return tuple(piece.strip() for piece in text.split(",") if piece.strip())


def base_url(text: str) -> str:
    """http(s)://host[:port][/path], without the last slash."""
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", text):
        raise ValueError("a URL is expected, like http://10.0.0.5:8089")
    return text.rstrip("/")


def kernel_arguments(text: str) -> str:
    """As they stand. Errors: InvalidRequest for what no boot loader would carry to the kernel unchanged."""
    check_arguments(split(text))
    return text


def base_urls(text: str) -> str:
    """One or several of these, with commas."""
    return ",".join(base_url(piece.strip()) for piece in text.split(","))


@dataclass(frozen=True, kw_only=True)
class ArtifactSettings:
    """Kernels, ramdisks, ISOs and images: where they lie, where they come from, how long they stay."""

    boot_url: str = field(
        default="",
        metadata=env(
            "STEELYARD_BOOT_URL",
            "where machines reach boot's HTTP; empty = the address it is bound to, if that is one",
            parse=base_url,
        ),
    )
    boot_url_v6: str = field(
        default="",
        metadata=env(
            "STEELYARD_BOOT_URL_V6",
            "the same for machines that ask by DHCPv6, like http://[2001:db8::5]:8089; its host serves TFTP to them;"
            " empty = STEELYARD_BOOT_URL",
            parse=base_url,
        ),
    )
    artifacts_dir: Path = field(
        default=Path("/var/lib/steelyard/artifacts"),
        metadata=env(
            "STEELYARD_ARTIFACTS_DIR", "folder of the artifacts, the same for all replicas of boot", parse=Path
        ),
    )
    artifacts_keep_bytes: int = field(
        default=20 << 30,
        metadata=env(
            "STEELYARD_ARTIFACTS_KEEP_BYTES",
            "beyond this size of all, what nobody needs goes, the least recently used first (20GiB)",
            parse=size,
        ),
    )
    artifacts_unused_s: float = field(
        default=7 * 86400,
        metadata=env(
            "STEELYARD_ARTIFACTS_UNUSED_S", "what nobody needs or used for so long goes, in seconds", parse=seconds
        ),
    )
    artifacts_most_bytes: int = field(
        default=64 << 30,
        metadata=env("STEELYARD_ARTIFACTS_MOST_BYTES", "the largest artifact that is taken (64GiB)", parse=some_size),
    )
    artifacts_spare_bytes: int = field(
        default=1 << 30,
        metadata=env("STEELYARD_ARTIFACTS_SPARE_BYTES", "what stays free on the folder's disk (1GiB)", parse=size),
    )
    artifacts_fetches: int = field(
        default=8, metadata=env("STEELYARD_ARTIFACTS_FETCHES", "fetches at once by one replica", parse=positive)
    )
    artifacts_per_host: int = field(
        default=4,
        metadata=env("STEELYARD_ARTIFACTS_PER_HOST", "fetches at once from one host, by all replicas", parse=positive),
    )
    artifacts_connect_s: float = field(
        default=10,
        metadata=env("STEELYARD_ARTIFACTS_CONNECT_S", "time a source has to be connected to", parse=some_seconds),
    )
    artifacts_stall_s: float = field(
        default=30,
        metadata=env("STEELYARD_ARTIFACTS_STALL_S", "how long a source may send nothing", parse=some_seconds),
    )
    artifacts_whole_s: float = field(
        default=4 * 3600,
        metadata=env("STEELYARD_ARTIFACTS_WHOLE_S", "time one fetch has, with all its tries", parse=some_seconds),
    )
    artifacts_fresh_s: float = field(
        default=300,
        metadata=env(
            "STEELYARD_ARTIFACTS_FRESH_S",
            "how long nobody asks whether what has no checksum has changed at its source",
            parse=seconds,
        ),
    )
    artifacts_redirects: int = field(
        default=5, metadata=env("STEELYARD_ARTIFACTS_REDIRECTS", "redirects that are followed", parse=positive)
    )
    artifacts_files: tuple[Path, ...] = field(
        default=(),
        metadata=env(
            "STEELYARD_ARTIFACTS_FILES", "directories that file:// URLs may lead to, with commas", parse=directories
        ),
    )
    artifacts_tenant_networks: tuple[Network, ...] = field(
        default=(),
        metadata=env(
            "STEELYARD_ARTIFACTS_TENANT_NETWORKS",
            "internal networks that projects' images may come from, with commas; else loopback, private, link-local "
            "and metadata addresses are refused",
            parse=networks,
        ),
    )
    artifacts_ca_file: str = field(
        default="",
        metadata=env("STEELYARD_ARTIFACTS_CA_FILE", "who signs the sources' certificates (PEM), if not the usual"),
    )
    artifacts_plain_registries: tuple[str, ...] = field(
        default=(),
        metadata=env(
            "STEELYARD_ARTIFACTS_PLAIN_REGISTRIES", "OCI registries, host[:port], that have no TLS", parse=names
        ),
    )
    artifacts_convert_s: float = field(
        default=1800,
        metadata=env("STEELYARD_ARTIFACTS_CONVERT_S", "time qemu-img has for one image", parse=some_seconds),
    )
    qemu_img: str = field(
        default="qemu-img", metadata=env("STEELYARD_QEMU_IMG", "the program that converts images to raw")
    )


@dataclass(frozen=True, kw_only=True)
class BootingSettings:
    """How machines are brought up."""

    agent_api_url: str = field(
        default="",
        metadata=env(
            "STEELYARD_AGENT_API_URL",
            "where machines reach the API: the agent is told so; without it no agent is booted; several with commas,"
            " as for IPv4 and IPv6: agents and installers take those that they reach",
            parse=base_urls,
        ),
    )
    kernel_append_params: str = field(
        default="nofb vga=normal",
        metadata=env(
            "STEELYARD_KERNEL_APPEND_PARAMS",
            "kernel arguments of nodes that have none of their own; %default% in theirs stands for these",
            parse=kernel_arguments,
        ),
    )
    loaders_dir: str = field(
        default="",
        metadata=env(
            "STEELYARD_LOADERS_DIR", "folder of boot loaders, looked into before those that the system has installed"
        ),
    )
    boot_patience_s: float = field(
        default=600,
        metadata=env(
            "STEELYARD_BOOT_PATIENCE_S",
            "a boot attempt has failed when nothing was seen of the machine for so long",
            parse=some_seconds,
        ),
    )
    media_timeout_s: float = field(
        default=100,
        metadata=env(
            "STEELYARD_MEDIA_TIMEOUT_S", "time a BMC has to insert or eject virtual media", parse=some_seconds
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Settings(
    ArtifactSettings,
    BucketSettings,
    BootingSettings,
    DhcpSettings,
    DnsSettings,
    AgentSettings,
    InstallerSettings,
    DatabaseSettings,
    SealSettings,
    ProviderSettings,
):
    """All of it; times in seconds."""

    def install_rules(self) -> InstallRules:
        """How installers work. Errors: InvalidRequest when their template cannot be read."""
        return InstallRules(
            api_urls=tuple(filter(None, self.agent_api_url.split(","))), template=self.kickstart_text(),
            is_insecure=self.installer_insecure, grace_s=self.installer_grace_s, images=self.deploy_rules().images,
        )  # fmt: skip
