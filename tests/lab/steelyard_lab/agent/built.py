"""What was built for the machines, and what Steelyard is told of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from steelyard_lab.agent.instance_image import Image, instance_image
from steelyard_lab.agent.ramdisk import Ramdisk, ramdisk

# An emulated timer may be late; a machine without a screen has nothing to set a mode of; before it knows its node the
# agent waits for a disk of 4 GiB at least, which the lab's are not: once is enough.
ARGUMENTS = "console=ttyS0,115200 nomodeset no_timer_check ipa-disk-wait-attempts=1 ipa-disk-wait-delay=1"
HEARTBEAT_S = 60


@dataclass(frozen=True)
class Built:
    ramdisk: Ramdisk
    image: Image

    @classmethod
    def build(cls, cache: Path) -> Built:
        """From the cache, or built into it: minutes the first time. Errors: LabError."""
        cache.mkdir(parents=True, exist_ok=True)
        made = ramdisk(cache)
        return cls(made, instance_image(cache, made))

    @classmethod
    def read(cls, text: str) -> Built:
        agent, image = json.loads(text)
        return cls(
            Ramdisk(**{name: Path(place) for name, place in agent.items()}),
            Image(**{name: Path(place) for name, place in image.items()}),
        )

    def as_text(self) -> str:
        return json.dumps(
            [{name: str(place) for name, place in vars(part).items()} for part in (self.ramdisk, self.image)]
        )

    def settings(self) -> dict[str, str]:
        """For Steelyard's boot service: the same ramdisk deploys, cleans and rescues."""
        kernel, initrd = (f"file://{file}" for file in (self.ramdisk.kernel, self.ramdisk.initrd))
        return {
            "STEELYARD_DEPLOY_KERNEL": kernel,
            "STEELYARD_DEPLOY_RAMDISK": initrd,
            "STEELYARD_RESCUE_KERNEL": kernel,
            "STEELYARD_RESCUE_RAMDISK": initrd,
            "STEELYARD_ARTIFACTS_FILES": str(self.ramdisk.kernel.parent),
            "STEELYARD_KERNEL_APPEND_PARAMS": ARGUMENTS,
            "STEELYARD_AGENT_HEARTBEAT_TIMEOUT_S": str(HEARTBEAT_S),
        }
