"""Puts together what works with agents: ramdisks, the agent's steps, images; ``main`` puts it beside the rest."""

from __future__ import annotations

from pathlib import Path

from steelyard_common.db import Database
from steelyard_common.health import Parts
from steelyard_common.provider import Clock
from steelyard_common.provider.starting import now

from .domain.ramdisk_choice import Defaults
from .drivers.agent import AgentClient
from .drivers.agent_logs import AgentLogs
from .drivers.dns import DnsServer
from .handlers.steps import Works
from .keeping import sources
from .service.agents import Agents
from .service.artifacts import Artifacts
from .service.deploying import Deploying, Helpers
from .service.dns import DnsRecords
from .service.drive_files import DriveFiles
from .service.inband import InBand
from .service.installing import Installing, Tools
from .service.instance_parts import InstanceParts
from .service.inventory import Inventory
from .service.kexec import Kexec
from .service.kickstarts import Kickstarts
from .service.own_url import own_url
from .service.polling import Polling
from .service.ramdisks import Boots, Ramdisks
from .service.small_files import SmallFiles
from .service.volume_boots import VolumeBoots
from .settings import Settings


def make_works(
    settings: Settings, parts: Parts, agents: Agents, inventory: Inventory, artifacts: Artifacts, boots: Boots,
    clock: Clock = now, *, database: Database,
) -> Works:  # fmt: skip
    """``parts``: what is to be stopped goes there. Errors: InvalidRequest for a DNS server that is told in part."""
    sealer = settings.sealer()
    client = AgentClient(timeout_s=settings.agent_timeout_s)
    parts.add("agents", stop=client.close)
    polling = Polling(agents, client).start()
    parts.add("polling", stop=polling.stop, check=polling.is_alive)
    rules = settings.deploy_rules()
    inband = InBand(agents, client, clock, silence_s=settings.agent_heartbeat_timeout_s)
    ramdisks = Ramdisks(agents, artifacts, boots, Defaults(urls=settings.ramdisks()), clock)
    logs = AgentLogs(Path(settings.agent_logs_dir) if settings.agent_logs_dir else None, days=settings.agent_logs_days)
    instances = InstanceParts(artifacts, inventory, sealer, rules.images, clock)
    helpers = Helpers(
        agents=agents, inband=inband, ramdisks=ramdisks, parts=instances, sealer=sealer, logs=logs, clock=clock
    )  # fmt: skip
    deploying = Deploying(helpers, rules)
    dns = _dns(settings, parts, database, instances, clock)
    files = SmallFiles(sources(settings), allow_md5=settings.allow_md5)
    tools = Tools(
        agents=agents, ramdisks=ramdisks, boots=boots, parts=instances, sealer=sealer, files=files,
        kickstarts=make_kickstarts(settings, database, clock), drives=DriveFiles(instances, files),
    )  # fmt: skip
    return Works(
        ramdisks=ramdisks, deploying=deploying, kexec=Kexec(helpers, deploying), volumes=VolumeBoots(inventory, boots),
        installing=Installing(tools, settings.install_rules()), dns=dns,
    )  # fmt: skip


def make_kickstarts(settings: Settings, database: Database, clock: Clock = now) -> Kickstarts:
    def url() -> str:
        return own_url(settings.boot_url, settings.http_bind, settings.port_file)

    return Kickstarts(database, settings.sealer(), url, clock)


def _dns(
    settings: Settings, parts: Parts, database: Database, instances: InstanceParts, clock: Clock
) -> DnsRecords | None:
    """None where no server is told of. Errors: InvalidRequest."""
    if settings.dns_server is None:
        return None
    host, port = settings.dns_server
    server = DnsServer(
        host, port, settings.dns_key(), ttl_s=settings.dns_ttl_s, timeout_s=settings.dns_timeout_s
    )  # fmt: skip
    lend_s = settings.dns_timeout_s + 10
    dns = DnsRecords(database, server, settings.dns_zones(), instances.told_drive, clock, lend_s=lend_s).start()
    parts.add("dns-records", stop=dns.stop, check=dns.is_alive)
    return dns
