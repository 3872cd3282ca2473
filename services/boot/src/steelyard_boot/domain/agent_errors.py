"""What the agent says when something fails, and what to do about it. Pure.

The words are those of ironic-python-agent 13 (errors.py, extensions/standby.py, partition_utils.py, utils.py) and of
the programs that it calls; the first row that fits counts.
"""

from __future__ import annotations

import re

_REMEDIES: tuple[tuple[str, str], ...] = (
    (
        r"failed to verify against checksum",
        "What came is not what was meant, or the checksum is an old one: compare both with what the image's publisher "
        "says, correct instance_info image_checksum (or image_os_hash_value) and deploy again.",
    ),
    (
        r"partition is too small",
        "Set instance_info root_gb to at least the image's virtual size and deploy again.",
    ),
    (
        r"is outside of the device",
        "The partitions do not fit the disk: root_gb, swap_mb, ephemeral_gb, half a GiB for what boots by UEFI, and "
        "the config drive. Ask for less in instance_info, or name a larger disk by properties.root_device.",
    ),
    (
        r"no space left on device|cannot grow device files|file too large|errno 28",
        "The image does not fit: name a larger disk by properties.root_device (the inventory of an inspection lists "
        "them), or take a smaller image. If it was the ramdisk's memory that was full, let images be written as they "
        "come (a raw image, or image_download_source local).",
    ),
    (
        r"no suitable device|finding the disk",
        "No disk of the node fits: compare properties.root_device with the disks that an inspection lists; without a "
        "hint the smallest of 4 GiB or more is taken.",
    ),
    (
        r"config ?drive",
        "Give the config drive as base64 of a gzipped ISO, as an object (meta_data, user_data, network_data), or as a "
        "URL that the node reaches, and deploy again.",
    ),
    (
        r"download of image .*\b(401|403)\b",
        "The image's source wants to know who asks: set instance_info image_request_authorization_secret.",
    ),
    (
        r"download of image .*\b(404|410)\b",
        "The source has no such image: correct instance_info image_source and deploy again.",
    ),
    (
        r"download of image .*(certificate|ssl)",
        "The ramdisk does not know who signed the source's certificate: build it with that authority, or set "
        "image_download_source to local, and boot fetches the image.",
    ),
    (
        r"download of image|image download",
        "The node must reach image_source from its own network; if it cannot, set image_download_source to local, and "
        "boot fetches the image and serves it.",
    ),
    (
        r"security inspection|not valid for use|unsafe|image format",
        "The image is not of the format that was told, or leads to other files: look at it with qemu-img info, and set "
        "instance_info image_disk_format.",
    ),
)  # fmt: skip
_COMPILED = [(re.compile(pattern, re.IGNORECASE | re.DOTALL), remedy) for pattern, remedy in _REMEDIES]


def remedy_for(text: str) -> str:
    """What to do about it; empty for what is not known."""
    return next((remedy for pattern, remedy in _COMPILED if pattern.search(text)), "")
