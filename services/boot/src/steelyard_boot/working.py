"""Puts together what works with agents: ramdisks, the agent's steps, images; ``main`` puts it beside the rest."""

from __future__ import annotations

from pathlib import Path

from steelyard_common.health import Parts
from steelyard_common.provider import Clock
from steelyard_common.provider.starting import now

from .domain.ramdisk_choice import Defaults
from .drivers.agent import AgentClient
from .drivers.agent_logs import AgentLogs
from .handlers.steps import Works
from .service.agents import Agents
from .service.artifacts import Artifacts
from .service.deploying import Deploying, Helpers
from .service.inband import InBand
from .service.instance_parts import InstanceParts
from .service.inventory import Inventory
from .service.polling import Polling
from .service.ramdisks import Boots, Ramdisks
from .service.volume_boots import VolumeBoots
from .settings import Settings


def make_works(
    settings: Settings, parts: Parts, agents: Agents, inventory: Inventory, artifacts: Artifacts, boots: Boots,
    clock: Clock = now,
) -> Works:  # fmt: skip
    """``parts``: what is to be stopped goes there."""
    sealer = settings.sealer()
    client = AgentClient(timeout_s=settings.agent_timeout_s)
    parts.add("agents", stop=client.close)
    polling = Polling(agents, client).start()
    parts.add("polling", stop=polling.stop, check=polling.is_alive)
    rules = settings.deploy_rules()
    inband = InBand(agents, client, clock, silence_s=settings.agent_heartbeat_timeout_s)
    ramdisks = Ramdisks(agents, artifacts, boots, Defaults(urls=settings.ramdisks()), clock)
    logs = AgentLogs(Path(settings.agent_logs_dir) if settings.agent_logs_dir else None, days=settings.agent_logs_days)
    helpers = Helpers(
        agents=agents, inband=inband, ramdisks=ramdisks,
        parts=InstanceParts(artifacts, inventory, sealer, rules.images, clock),
        sealer=sealer, logs=logs, clock=clock,
    )  # fmt: skip
    deploying = Deploying(helpers, rules)
    return Works(ramdisks=ramdisks, deploying=deploying, volumes=VolumeBoots(inventory, boots))
