"""An iSCSI volume with the image on it, served by tgt to whoever asks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from steelyard_lab.failure import LabError
from steelyard_lab.lan import ADDRESS
from steelyard_lab.processes import Daemon, run

IQN, PORT = "iqn.2026-01.example:lab-volume", 3260
LUN = 1  # tgt's LUN 0 is a controller
TARGET = ("tgtadm", "--lld", "iscsi", "--mode", "target", "--tid", "1")


@contextmanager
def volume(folder: Path, image: Path, environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """→ the properties of a volume target."""
    disk = folder / "volume.img"
    shutil.copyfile(image, disk)
    arguments: list[str | Path] = ["tgtd", "--foreground", "--iscsi", f"portal={ADDRESS}:{PORT}"]
    with Daemon("tgtd", arguments, folder / "tgtd.log", environ) as server:
        server.wait_until_ready(_answers, timeout_s=60)
        run([*TARGET, "--op", "new", "--targetname", IQN])
        unit = ["tgtadm", "--lld", "iscsi", "--mode", "logicalunit", "--op", "new", "--tid", "1", "--lun", str(LUN)]
        run([*unit, "--backing-store", disk])
        run([*TARGET, "--op", "bind", "--initiator-address", "ALL"])
        yield {"target_portal": f"{ADDRESS}:{PORT}", "target_iqn": IQN, "target_lun": str(LUN)}


def _answers() -> bool:
    try:
        run(["tgtadm", "--lld", "iscsi", "--mode", "sys", "--op", "show"])
    except LabError:
        return False
    return True
