"""OCI registries: how an artifact is named there, and which of its parts is the image. Pure.

Sources: OCI distribution specification 1.1 (pull), OCI image specification 1.1 (manifest), lifecycle facts §9.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from steelyard_common.errors import InvalidRequest

MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_PIECE = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_PIECE}(?:/{_PIECE})*")  # repository: distribution specification, pulling manifests
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CHALLENGE = re.compile(r'([a-zA-Z_]+)="([^"]*)"')


@dataclass(frozen=True, kw_only=True)
class OciName:
    """``reference``: a tag or a digest."""

    registry: str
    repository: str
    reference: str


@dataclass(frozen=True, kw_only=True)
class Layer:
    """The one that is the artifact."""

    digest: str
    size: int


def parse(url: str) -> OciName:
    """``oci://registry[:port]/repository[:tag|@sha256:…]``; without either the tag is ``latest``. Errors:
    InvalidRequest."""
    parts = urlsplit(url)
    path = parts.path.lstrip("/")
    repository, at, digest = path.partition("@")
    reference = digest
    if not at:
        repository, _, reference = path.partition(":")
        reference = reference or "latest"
    if not _NAME.fullmatch(repository) or not (_DIGEST if at else _TAG).fullmatch(reference):
        raise InvalidRequest("an image of a registry is oci://<registry>/<repository>:<tag> or …@sha256:<64 hex>")
    return OciName(registry=parts.netloc, repository=repository, reference=reference)


def only_manifest(index: Mapping[str, Any], name: OciName) -> str:
    """The digest of an index's one manifest. Errors: InvalidRequest."""
    found = [str(each.get("digest")) for each in index.get("manifests") or [] if isinstance(each, Mapping)]
    if len(found) != 1 or not _DIGEST.fullmatch(found[0]):
        raise InvalidRequest(
            f"{name.repository}:{name.reference} is an index of {len(found)} manifests: name one of them by its "
            "digest (oci://…@sha256:…)"
        )
    return found[0]


def only_layer(manifest: Mapping[str, Any], name: OciName) -> Layer:
    """The layer of an artifact that has one. Errors: InvalidRequest."""
    layers = [each for each in manifest.get("layers") or [] if isinstance(each, Mapping)]
    if len(layers) != 1:
        raise InvalidRequest(
            f"{name.repository}:{name.reference} has {len(layers)} layers; an image of a disk has one. It may be a "
            "container's"
        )
    digest, size, media = layers[0].get("digest"), layers[0].get("size"), str(layers[0].get("mediaType"))
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest) or not isinstance(size, int) or size < 0:
        raise InvalidRequest(f"{name.repository}:{name.reference} has a layer without a sha256 digest and a size")
    if re.search(r"\.tar\b|diff\.tar", media):
        raise InvalidRequest(f"{name.repository}:{name.reference} is a container's image ({media}), and none of a disk")
    return Layer(digest=digest, size=size)


def challenge(header: str) -> dict[str, str] | None:
    """What a registry says of the tokens it takes: {realm, service, scope}; None when it takes none."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "bearer":
        return None
    found = dict(_CHALLENGE.findall(rest))
    return found if found.get("realm") else None
