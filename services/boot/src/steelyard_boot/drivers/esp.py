"""A small EFI system partition for CDs: a FAT image with a boot loader in it, made by mtools."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from steelyard_common.errors import Unsupported

SPARE_BYTES = 512 * 1024
LONGEST_S = 60


def make(files: Mapping[str, Path]) -> bytes:
    """``files``: path on the partition → file here. Errors: Unsupported when mtools are missing or fail."""
    size = sum(file.stat().st_size for file in files.values()) + SPARE_BYTES
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder, "esp.img")
        _run("mformat", "-C", "-i", str(image), "-T", str(-(-size // 512)), "-h", "16", "-s", "32", "::")
        for path in _folders(files):
            _run("mmd", "-i", str(image), f"::/{path}")
        for path, file in sorted(files.items()):
            _run("mcopy", "-i", str(image), str(file), f"::/{path}")
        return image.read_bytes()


def _folders(files: Mapping[str, Path]) -> list[str]:
    """Every folder before those below it."""
    found = {str(parent) for path in files for parent in Path(path).parents if str(parent) != "."}
    return sorted(found)


def _run(*words: str) -> None:
    try:
        subprocess.run(
            words, check=True, capture_output=True, timeout=LONGEST_S, text=True,
            env={**os.environ, "MTOOLS_SKIP_CHECK": "1"},
        )  # fmt: skip
    except FileNotFoundError as error:
        raise Unsupported(
            "an ISO that boots by UEFI is made with mtools, which are not installed here: install the package mtools,"
            " or set driver_info's bootloader to an EFI system partition, or deploy_iso instead of deploy_kernel"
        ) from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = str(getattr(error, "stderr", "") or error).strip()
        raise Unsupported(f"mtools could not make an EFI system partition: {said[:200]}") from error
