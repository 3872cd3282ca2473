from pathlib import Path

import pytest
from steelyard_lab import prerequisites


def test_without_its_commands_the_lab_names_the_package_of_each(tmp_path: Path) -> None:
    missing = prerequisites.missing_packages(str(tmp_path))

    assert "Debian package openipmi" in missing
    assert "Debian package qemu-system-x86" in missing


def test_every_package_it_may_ask_for_is_in_the_line_it_prints() -> None:
    wanted = {*prerequisites.COMMANDS.values(), *prerequisites.FILES.values()}

    assert wanted <= set(prerequisites.packages_line().split())


def test_a_user_other_than_root_is_told_so_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    (missing,) = prerequisites.what_is_missing()

    assert missing.startswith("root:")
