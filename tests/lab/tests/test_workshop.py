"""Folders that things are built in go, however the building ended; what is mounted in them is not removed with them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from steelyard_lab.agent.workshop import mounted_below, workshop
from steelyard_lab.prerequisites import ENCLOSED

OWN_MOUNTS = ("unshare", "--mount", "--map-root-user")
MOUNTINFO = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:5 / {0}/root/proc rw - proc proc rw
41 40 0:6 / {0}/root/proc/with\\040space rw - tmpfs tmpfs rw
42 22 0:7 / {0}-2/root/proc rw - proc proc rw
"""


def test_a_folder_is_there_while_it_is_needed(tmp_path: Path) -> None:
    def build() -> None:
        with workshop(tmp_path) as work:
            (work / "root").mkdir()
            raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        build()
    assert list(tmp_path.iterdir()) == []


def test_what_one_left_that_was_killed_goes_and_what_another_works_in_stays(tmp_path: Path) -> None:
    (tmp_path / "building-1" / "root").mkdir(parents=True)
    (tmp_path / "image-1").mkdir()
    code = "import sys; from pathlib import Path; from steelyard_lab.agent.workshop import workshop\n"
    code += f"with workshop(Path({str(tmp_path)!r})): print(flush=True); sys.stdin.read()"
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **path}
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"\n"

        with workshop(tmp_path) as work:
            seen = {each.name for each in tmp_path.iterdir()}
        other.kill()

    assert seen == {"image-1", work.name, f"building-{other.pid}"}
    with workshop(tmp_path) as work:
        assert {each.name for each in tmp_path.iterdir()} == {"image-1", work.name}


def test_mount_points_are_told_the_innermost_first(tmp_path: Path) -> None:
    work = tmp_path / "building-1"

    found = mounted_below(work, MOUNTINFO.format(work.resolve()))

    assert found == [f"{work.resolve()}/root/proc/with space", f"{work.resolve()}/root/proc"]


def test_what_is_mounted_there_is_taken_away_first_and_stays_whole(tmp_path: Path) -> None:
    if subprocess.run([*OWN_MOUNTS, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace of one's own can be made here")
    system, place = tmp_path / "system", tmp_path / "cache" / "building-1" / "root"
    for folder in (system, place):
        folder.mkdir(parents=True)
    (system / "precious").write_text("still here")
    code = "from pathlib import Path; from steelyard_lab.agent.workshop import workshop\n"
    code += f"with workshop(Path({str(tmp_path / 'cache')!r})): pass"
    script = f'mount --bind "{system}" "{place}" && exec "$0" -c "$1"'
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}

    subprocess.run(
        [*OWN_MOUNTS, "sh", "-c", script, sys.executable, code], env={**os.environ, **path}, check=True, timeout=60
    )

    assert (system / "precious").read_text() == "still here"
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_is_mounted_by_a_command_that_is_enclosed_is_gone_with_it(tmp_path: Path) -> None:
    if os.geteuid() != 0 or subprocess.run([*ENCLOSED, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no namespaces can be made here")
    script = f'mount -t tmpfs mine "{tmp_path}" && touch "{tmp_path}/inside" && ls "{tmp_path}"'

    said = subprocess.run([*ENCLOSED, "sh", "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert said.stdout == "inside\n"
    assert mounted_below(tmp_path.parent, Path("/proc/self/mountinfo").read_text()) == []
    assert list(tmp_path.iterdir()) == []
