"""The image of an instance: what was told of it, whether that makes sense, and how the agent is told (facts §9, §12).

Pure. Who fetches it: the agent from its source (``http``), or boot, which keeps and serves it (``local``). What the
agent cannot fetch (file, oci) is always fetched by boot.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from steelyard_common.errors import InvalidRequest

from .artifacts import Artifact
from .node_for_boot import capabilities

HTTP, LOCAL = "http", "local"
PARTITION, WHOLE = "partition", "whole-disk"
HASHES = {32: "md5", 64: "sha256", 128: "sha512"}
FORMATS = frozenset({"raw", "qcow2", "gpt", "iso"})
WITHOUT_CHECKSUM = frozenset({"file", "oci"})  # whose source says what it is, or is ours
_HEX = frozenset("0123456789abcdefABCDEF")
MOST_GB = 1 << 24


@dataclass(frozen=True, kw_only=True)
class ImageRules:
    """What an operator sets. ``by``: who fetches, unless the node says so; ``raw``: boot converts what it fetches."""

    by: str = HTTP
    raw: bool = True
    stream: bool = True
    allow_md5: bool = False


@dataclass(frozen=True, kw_only=True)
class Image:
    """``checksum``: the URL of a checksum file; else ``algorithm`` with ``digest``, both or neither."""

    source: str
    by: str
    is_partition: bool
    format: str | None = None
    checksum: str | None = None
    algorithm: str | None = None
    digest: str | None = None
    proxies: Mapping[str, str] = field(default_factory=dict)
    no_proxy: str | None = None

    @property
    def wished(self) -> str | None:
        """The checksum as a wish for an artifact has it."""
        return f"{self.algorithm}:{self.digest}" if self.algorithm else self.checksum


def image(node: Mapping[str, Any], rules: ImageRules) -> Image:
    """``node``: NodeForProvider. Errors: InvalidRequest for an image that is told wrongly or not whole."""
    info = node.get("instance_info") or {}
    driver_info = node.get("driver_info") or {}
    source = info.get("image_source")
    if not source or not isinstance(source, str):
        raise InvalidRequest("instance_info has no image_source: set it to the URL of the image")
    scheme = _scheme(source)
    is_partition = _is_partition(info)
    checksum, algorithm, digest = _checksum(info, scheme, rules)
    by = info.get("image_download_source") or driver_info.get("image_download_source") or rules.by
    if by not in (HTTP, LOCAL):
        raise InvalidRequest(
            f"image_download_source is '{by}'; it can be http (the agent fetches) or local (boot does)"
        )
    found = info.get("image_disk_format")
    if found is not None and found not in FORMATS:
        raise InvalidRequest(f"image_disk_format is '{found}'; it can be {', '.join(sorted(FORMATS))}")
    proxies = {
        each: str(driver_info[f"image_{each}_proxy"])
        for each in ("http", "https")
        if driver_info.get(f"image_{each}_proxy")
    }
    no_proxy = driver_info.get("image_no_proxy")
    return Image(
        source=source, by=LOCAL if scheme in WITHOUT_CHECKSUM else by, is_partition=is_partition, format=found,
        checksum=checksum, algorithm=algorithm, digest=digest, proxies=proxies,
        no_proxy=str(no_proxy) if no_proxy is not None and proxies else None,
    )  # fmt: skip


def _scheme(source: str) -> str:
    try:
        scheme = urlsplit(source).scheme
    except ValueError:
        scheme = ""
    if scheme not in ("http", "https", *WITHOUT_CHECKSUM):
        raise InvalidRequest("image_source must be a URL: http, https, file or oci")
    return scheme


def _is_partition(info: Mapping[str, Any]) -> bool:
    """Errors: InvalidRequest."""
    kind = info.get("image_type")
    if kind not in (None, PARTITION, WHOLE):
        raise InvalidRequest(f"image_type is '{kind}'; it can be {WHOLE} or {PARTITION}")
    is_partition = kind == PARTITION if kind else bool(info.get("kernel") or info.get("ramdisk"))
    if is_partition and not info.get("root_gb"):
        raise InvalidRequest("instance_info needs root_gb, the size of the root partition, for a partition image")
    return is_partition


def _checksum(info: Mapping[str, Any], scheme: str, rules: ImageRules) -> tuple[str | None, str | None, str | None]:
    """→ (URL, algorithm, digest). Errors: InvalidRequest."""
    algorithm, digest = info.get("image_os_hash_algo"), info.get("image_os_hash_value")
    if bool(algorithm) != bool(digest):
        raise InvalidRequest("image_os_hash_algo and image_os_hash_value are given together")
    told = info.get("image_checksum")
    if algorithm and digest:
        if algorithm not in HASHES.values() or HASHES.get(len(str(digest))) != algorithm or not set(digest) <= _HEX:
            raise InvalidRequest(f"image_os_hash_value is no {algorithm} that is known: use sha256 or sha512")
    elif told and str(told).startswith(("http://", "https://")):
        return str(told), None, None
    elif told:
        digest = str(told).rpartition(":")[2]
        algorithm = HASHES.get(len(digest)) if set(digest) <= _HEX else None
        if algorithm is None:
            raise InvalidRequest("image_checksum is no md5, sha256 or sha512, and no URL of a checksum file")
    elif scheme not in WITHOUT_CHECKSUM:
        raise InvalidRequest(
            "instance_info needs image_checksum (sha256, sha512, or the URL of a checksum file) for an image from "
            f"{scheme}: without it nobody knows whether the image is what was meant"
        )
    if algorithm == "md5" and not rules.allow_md5:
        raise InvalidRequest("md5 is not taken as a checksum: use sha256 or sha512, or set STEELYARD_ALLOW_MD5")
    return None, algorithm, str(digest).lower() if digest else None


def image_info(
    node: Mapping[str, Any], made: Image, artifact: Artifact | None, rules: ImageRules, boot_mode: str,
    authorization: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """What the agent is told. ``artifact``: when boot fetched it; ``authorization``: opened, for the source."""
    told: dict[str, Any] = {
        "id": made.source.rstrip("/").rpartition("/")[2] or "image", "urls": [made.source],
        "disk_format": made.format, "container_format": "bare", "stream_raw_images": rules.stream,
        "image_type": PARTITION if made.is_partition else WHOLE, "node_uuid": node["uuid"],
    }  # fmt: skip
    if artifact is not None:
        told |= {
            "id": artifact.sha256, "urls": [artifact.url], "os_hash_algo": "sha256", "os_hash_value": artifact.sha256,
            "disk_format": "raw" if artifact.format == "gpt" else artifact.format,
        }  # fmt: skip
    else:
        if made.algorithm:
            told |= {"os_hash_algo": made.algorithm, "os_hash_value": made.digest}
        if made.checksum or made.algorithm == "md5":
            told["checksum"] = made.checksum or made.digest
        if authorization:
            told["image_request_authorization"] = base64.b64encode(authorization.encode()).decode()
        if made.proxies:
            told |= {"proxies": dict(made.proxies), "no_proxy": made.no_proxy}
    return told | (_partitions(node, boot_mode) if made.is_partition else {})


def _partitions(node: Mapping[str, Any], boot_mode: str) -> dict[str, Any]:
    """Errors: InvalidRequest for a size that is no number."""
    info = node.get("instance_info") or {}
    own = capabilities(node.get("properties") or {}) | capabilities(info)
    label = own.get("disk_label") or ("gpt" if boot_mode == "uefi" else None)
    root, swap = _size(info, "root_gb"), _size(info, "swap_mb")
    ephemeral = _size(info, "ephemeral_gb")
    told = {
        "kernel": info.get("kernel"), "ramdisk": info.get("ramdisk"), "root_gb": str(root), "root_mb": 1024 * root,
        "swap_mb": swap, "ephemeral_mb": 1024 * ephemeral, "ephemeral_format": info.get("ephemeral_format"),
        "preserve_ephemeral": _is_true(info.get("preserve_ephemeral")), "deploy_boot_mode": boot_mode,
        "boot_option": "local",
    }  # fmt: skip
    return told | ({"disk_label": label} if label else {})


def partition_sizes(node: Mapping[str, Any]) -> tuple[int, int]:
    """Bytes of the root partition, and of swap and ephemeral together. Errors: InvalidRequest."""
    info = node.get("instance_info") or {}
    return _size(info, "root_gb") << 30, (_size(info, "swap_mb") << 20) + (_size(info, "ephemeral_gb") << 30)


def _size(info: Mapping[str, Any], name: str) -> int:
    value = info.get(name) or 0
    if isinstance(value, bool) or not str(value).isdecimal() or int(value) > MOST_GB:
        raise InvalidRequest(f"instance_info: {name} must be a whole number")
    return int(value)


def _is_true(value: Any) -> bool:
    return value is True or str(value).strip().lower() in ("true", "yes", "on", "1")
