"""What boot reads from its environment about installers (deploy interface ``anaconda``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from steelyard_common.errors import InvalidRequest
from steelyard_common.settings import boolean, env, seconds

TEMPLATE = Path(__file__).parent / "templates" / "ks.cfg"


@dataclass(frozen=True, kw_only=True)
class InstallerSettings:
    """Installers that are told what to do by a kickstart."""

    kickstart_template: Path | None = field(
        default=None,
        metadata=env(
            "STEELYARD_KICKSTART_TEMPLATE",
            "file with the template of the kickstarts of nodes that name none (ks_template); empty = our own",
            parse=Path,
        ),
    )
    installer_insecure: bool = field(
        default=False,
        metadata=env(
            "STEELYARD_INSTALLER_INSECURE",
            "installers call the API without looking at its certificate (as insecure_heartbeat in templates)",
            parse=boolean,
        ),
    )
    installer_grace_s: float = field(
        default=30.0,
        metadata=env(
            "STEELYARD_INSTALLER_GRACE_S",
            "time an installer has, after it said that it is done, to leave the disk and switch the machine off",
            parse=seconds,
        ),
    )

    def kickstart_text(self) -> str:
        """Errors: InvalidRequest when the template cannot be read."""
        file = self.kickstart_template or TEMPLATE
        try:
            return file.read_text()
        except (OSError, UnicodeError) as error:
            raise InvalidRequest(f"STEELYARD_KICKSTART_TEMPLATE: {file} cannot be read") from error
