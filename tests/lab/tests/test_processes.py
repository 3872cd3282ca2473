import os
import sys
from pathlib import Path

import pytest
from steelyard_lab.failure import LabError
from steelyard_lab.machine import running_qemu
from steelyard_lab.processes import Daemon, run, wait_until


def test_a_condition_that_never_comes_true_is_an_error_that_names_it() -> None:
    with pytest.raises(LabError, match=r"the moon rises: not within 0\.01 s"):
        wait_until(lambda: False, "the moon rises", timeout_s=0.01, every_s=0.001)


def test_a_command_that_fails_is_an_error_in_its_own_words() -> None:
    with pytest.raises(LabError, match="status 3: no disk"):
        run([sys.executable, "-c", "import sys; sys.exit(print('no disk', file=sys.stderr) or 3)"])


def test_a_daemon_that_dies_at_once_is_an_error_with_the_end_of_its_log(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "raise SystemExit('port is taken')"]

    with Daemon("bmc", words, tmp_path / "log", os.environ) as daemon, pytest.raises(LabError, match="port is taken"):
        daemon.wait_until_ready(lambda: False, timeout_s=30)


def test_a_pid_file_of_a_process_that_is_no_qemu_says_that_no_machine_runs(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(str(os.getpid()))

    assert running_qemu(tmp_path / "pid") is None
    assert running_qemu(tmp_path / "no such file") is None
