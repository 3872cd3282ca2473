"""docs/howto/share-a-fleet.md, word by word: every command of it is run as it stands there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from steelyard_local.testing import running_suite

from tests.contract.oidc_issuer import AUDIENCE, Issuer

from .shared import wait_for_workers

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "share-a-fleet.md"
EXPECTED = re.compile(r"^(?P<command>\s*status .*?)\s+# (?P<status>\d{3})$")
ALL = ["admin", "manager", "member", "reader"]
LONGEST_S = 240


def _script() -> str:
    """The page's indented blocks; where a status stands behind a command, it must be that one."""
    lines = ["set -euo pipefail"]
    for line in PAGE.read_text().splitlines():
        if line.startswith("    "):
            expected = EXPECTED.match(line)
            if expected:
                command, status = expected["command"].strip(), expected["status"]
                lines.append(f'found=$({command}); echo "{status} $found"; test "$found" = {status}')
            else:
                lines.append(line[4:])
    return "\n".join(lines)


@pytest.mark.slow
def test_the_page_does_what_it_says() -> None:
    with Issuer() as issuer:
        names = {"OIDC_ISSUER": issuer.url, "OIDC_AUDIENCE": AUDIENCE, "OIDC_SYSTEM_ROLE": "operators"}
        environment = {f"STEELYARD_{name}": value for name, value in names.items()}
        with running_suite("--auth", "oidc", environment=environment) as suite:
            tokens = {
                "OPERATOR": issuer.signed(roles=["admin", "operators"], project=None),
                "RED": issuer.signed(roles=ALL, project="red"),
                "BLUE": issuer.signed(roles=ALL, project="blue"),
            }
            wait_for_workers(suite.url, tokens["OPERATOR"])
            done = subprocess.run(
                ["bash", "-x", "-c", _script()], env={"PATH": "/usr/bin:/bin", "API": suite.url, **tokens},
                capture_output=True, text=True, timeout=LONGEST_S, check=False,
            )  # fmt: skip

    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    assert '"may_create"' in done.stdout
    assert "faultcode" not in done.stdout
