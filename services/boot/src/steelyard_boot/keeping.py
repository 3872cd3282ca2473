"""Puts together what keeps artifacts: where they lie, what fetches, collects and reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from steelyard_common.db import Database
from steelyard_common.errors import InvalidRequest
from steelyard_common.health import Parts
from steelyard_common.provider import Clock
from steelyard_common.provider.starting import now

from .drivers import Source, Storage
from .drivers.bucket import Bucket
from .drivers.converting import QemuImg
from .drivers.download import Http, HttpRules
from .drivers.files import Files
from .drivers.folder import Drafts, Folder
from .drivers.oci import Registry
from .service.artifact_desk import ArtifactDesk
from .service.artifacts import Artifacts, Limits, Shelf
from .service.collecting import Collector, Keeping
from .service.fetch import OneFetch
from .service.fetching import Fetcher, FetchRules
from .service.own_url import own_url
from .service.reading import Reading
from .settings import Settings


@dataclass(frozen=True, kw_only=True)
class ArtifactParts:
    """All that artifacts are made of."""

    artifacts: Artifacts
    fetcher: Fetcher
    collector: Collector
    reading: Reading
    desk: ArtifactDesk
    storage: Storage

    def start(self, parts: Parts) -> None:
        """From now on wishes are fetched, and garbage goes."""
        parts.add("fetcher", stop=self.fetcher.start().stop, check=self.fetcher.is_alive)
        parts.add("collector", stop=self.collector.start().stop)
        parts.add("reading", stop=self.reading.start().stop)
        if isinstance(self.storage, Bucket):
            parts.add("bucket", check=self.storage.is_well)


def make_artifacts(
    settings: Settings, database: Database, clock: Clock = now, *, free_bytes: Callable[[], int] | None = None,
    **rules: Any,
) -> ArtifactParts:  # fmt: skip
    """``free_bytes``: of the folder, if not as the system says; ``rules``: of ``FetchRules``, that no setting says.

    Errors: InvalidRequest when the folder cannot be used, or the bucket lacks its key."""
    storage, drafts = _storage(settings)
    sealer = settings.sealer()
    shelf = Shelf(storage=storage, drafts=drafts, free_bytes=free_bytes or drafts.free_bytes)
    limits = Limits(
        most_bytes=settings.artifacts_most_bytes, spare_bytes=settings.artifacts_spare_bytes,
        allow_md5=settings.allow_md5,
    )  # fmt: skip
    fetch_rules = FetchRules(
        parallel=settings.artifacts_fetches, per_host=settings.artifacts_per_host, whole_s=settings.artifacts_whole_s,
        fresh_s=settings.artifacts_fresh_s, **rules,
    )  # fmt: skip
    keeping = Keeping(unused_s=settings.artifacts_unused_s, keep_bytes=settings.artifacts_keep_bytes)
    collector = Collector(database, shelf, keeping, clock)
    fetch = OneFetch(
        database, shelf, sources(settings), QemuImg(settings.qemu_img, settings.artifacts_convert_s),
        open_secret=sealer.open, make_room=collector.make_room, limits=limits, rules=fetch_rules, clock=clock,
    )  # fmt: skip
    fetcher = Fetcher(database, fetch, fetch_rules, settings.instance, clock)

    def url() -> str:
        return own_url(settings.boot_url, settings.http_bind, settings.port_file)

    artifacts = Artifacts(database, shelf, url, sealer.fingerprint, limits, wished=fetcher.wake)
    return ArtifactParts(
        artifacts=artifacts,
        fetcher=fetcher,
        collector=collector,
        reading=Reading(database, storage, clock),
        desk=ArtifactDesk(database, artifacts, collector.remove, url, clock),
        storage=storage,
    )


def _storage(settings: Settings) -> tuple[Storage, Drafts]:
    try:
        folder, drafts = Folder(settings.artifacts_dir), Drafts(settings.artifacts_dir)
    except OSError as error:
        raise InvalidRequest(f"STEELYARD_ARTIFACTS_DIR: {settings.artifacts_dir}: {error.strerror}") from error
    bucket = settings.bucket()
    if bucket is None:
        return folder, drafts
    spare, ca_file = settings.artifacts_spare_bytes, settings.artifacts_ca_file
    return Bucket(bucket, folder, drafts, spare_bytes=spare, ca_file=ca_file), drafts


def sources(settings: Settings) -> dict[str, Source]:
    rules = HttpRules(
        connect_s=settings.artifacts_connect_s, stall_s=settings.artifacts_stall_s,
        redirects=settings.artifacts_redirects, networks=settings.artifacts_tenant_networks,
        ca_file=settings.artifacts_ca_file,
    )  # fmt: skip
    http = Http(rules)
    return {
        "http": http, "https": http, "file": Files(settings.artifacts_files),
        "oci": Registry(http, settings.artifacts_plain_registries),
    }  # fmt: skip
