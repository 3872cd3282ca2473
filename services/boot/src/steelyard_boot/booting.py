"""Puts together what booting is made of; ``main`` puts it beside the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import Blueprint, Flask
from steelyard_common.bmc.line import PoolSettings
from steelyard_common.bmc.pool import BmcPool
from steelyard_common.db import Database
from steelyard_common.errors import InvalidRequest
from steelyard_common.health import Parts
from steelyard_common.provider import Clock
from steelyard_common.provider.starting import now

from .domain.composing import Site
from .domain.dhcp import SiteRules
from .domain.naming import both_orders
from .drivers import Storage
from .drivers.dhcp import DhcpServer, Dnsmasq, Kea, NoDhcp
from .drivers.loaders import Loaders
from .drivers.log_file import LogFile
from .drivers.remote_media import BmcMedia
from .drivers.tftp_tree import TftpTree
from .handlers import boot_media, boot_scripts, boot_traffic
from .handlers.artifacts import serve
from .keeping import ArtifactParts
from .service.attempts import Attempts
from .service.boots import Boots
from .service.dhcp import Followers, LogReader
from .service.media import Media, Shelf, artifact_key
from .service.own_url import own_url
from .service.reading import Reading
from .service.scripts import Scripts
from .service.traffic import Traffic
from .service.trail import Trail
from .settings import Settings

Knows = Callable[[Sequence[str], Sequence[str]], bool]


@dataclass(frozen=True, kw_only=True)
class BootingParts:
    """All that booting is made of."""

    boots: Boots
    media: Media
    scripts: Scripts
    traffic: Traffic
    trail: Trail
    loaders: Loaders
    bmcs: BmcPool
    database: Database
    clock: Clock
    followers: Followers
    dhcp_log: LogFile

    def start(self, parts: Parts, settings: Settings) -> None:
        """From now on what is seen is written down. Errors: Unavailable while the DHCP server cannot be told."""
        parts.add("bmcs", stop=self.bmcs.close)
        self.followers.begin()
        if settings.dhcp_log_file is not None:
            reader = LogReader(
                self.database, self.dhcp_log, settings.dhcp_leases_file, self.trail.note, self.clock
            )  # fmt: skip
            parts.add("dhcp-log", stop=reader.start().stop)
        parts.add("trail", stop=self.trail.start().stop, check=self.trail.is_alive)

    def attempts(self, node_uuid: Callable[[str], str]) -> Attempts:
        return Attempts(self.database, node_uuid, self.clock)

    def forget(self, node_uuid: str) -> None:
        """The node is no more."""
        self.boots.forget(node_uuid)
        self.trail.forget(node_uuid)

    def blueprints(self, reading: Reading) -> list[Blueprint]:
        return [
            boot_scripts.blueprint(self.scripts, self.loaders),
            boot_media.blueprint(self.media, self.traffic, lambda key: serve(reading, key)),
        ]

    def watch(self, app: Flask) -> None:
        boot_traffic.watch(app, self.traffic)


def make_booting(
    settings: Settings, database: Database, kept: ArtifactParts, clock: Clock = now, *, knows: Knows,
) -> BootingParts:  # fmt: skip
    """``knows``: whether there is a node of these MACs or system UUIDs at all."""
    sealer = settings.sealer()
    bmcs = BmcPool(PoolSettings(), sealer.open)
    loaders = Loaders(settings.loaders_dir)
    dhcp_log = LogFile(settings.dhcp_log_file)
    trail = Trail(
        database, settings.site, clock, settings.boot_patience_s, reads_dhcp=lambda: dhcp_log.is_read
    )  # fmt: skip

    def url() -> str:
        return own_url(settings.boot_url, settings.http_bind, settings.port_file)

    shelf = Shelf(
        artifacts=kept.artifacts, storage=kept.storage, remove=kept.collector.remove, url=url,
        api_url=settings.agent_api_url,
    )  # fmt: skip
    media = Media(database, shelf, BmcMedia(bmcs), loaders, clock, sealer.open)
    site = Site(api_url=settings.agent_api_url, arguments=settings.kernel_append_params)
    followers = _followers(settings, database, kept.storage, loaders, url)
    return BootingParts(
        boots=Boots(database, site, media, clock, followers=[followers], media_timeout_s=settings.media_timeout_s),
        media=media,
        scripts=Scripts(
            database,
            url,
            trail.note,
            clock,
            sealer.open,
            is_known=lambda asked: bool(asked.macs or asked.uuids) and knows(asked.macs, both_orders(asked.uuids)),
        ),
        traffic=Traffic(database, trail.note, clock),
        trail=trail,
        loaders=loaders,
        bmcs=bmcs,
        database=database,
        clock=clock,
        followers=followers,
        dhcp_log=dhcp_log,
    )


def _followers(
    settings: Settings, database: Database, storage: Storage, loaders: Loaders, url: Callable[[], str]
) -> Followers:  # fmt: skip
    """Errors: InvalidRequest for a server without a folder."""
    tree = None
    if settings.tftp_dir is not None:
        tree = TftpTree(settings.tftp_dir, storage, loaders, artifact_key)

    def rules() -> SiteRules:
        return SiteRules(
            url=url(), url_v6=settings.boot_url_v6, tftp_server=settings.tftp_server,
            only_known=settings.dhcp_only_known, ranges=settings.dhcp_ranges, loaders=tuple(loaders.all()),
        )  # fmt: skip

    return Followers(database, _dhcp_server(settings), tree, rules)


def _dhcp_server(settings: Settings) -> DhcpServer:
    if settings.dhcp == "none":
        return NoDhcp()
    if settings.dhcp_dir is None:
        raise InvalidRequest("STEELYARD_DHCP_DIR is not set: the DHCP server would have nothing to read")
    if settings.dhcp == "kea":
        return Kea(settings.dhcp_dir, settings.kea_control)
    return Dnsmasq(settings.dhcp_dir, settings.dhcp_pid_file, restarts=settings.dhcp_restarts)
