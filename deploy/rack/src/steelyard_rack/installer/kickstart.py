"""Kickstarts as a simulated installer reads them: commands, and scripts by section. Pure.

As much as decides what a machine does: what is installed, from where, what is run, how it ends. Whether a kickstart is
one that a real installer takes is for its own parser to say.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

ENDINGS = ("poweroff", "shutdown", "reboot", "halt")
_SCRIPTS = ("%pre", "%pre-install", "%post", "%onerror", "%traceback")


class BadKickstart(ValueError):
    """It cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Kickstart:
    """``commands``: the last of each name, with its options; ``scripts``: (section, text), in order."""

    commands: Mapping[str, Mapping[str, str]]
    scripts: tuple[tuple[str, str], ...]
    ending: str = "halt"

    def of(self, *sections: str) -> list[str]:
        """The scripts of these sections."""
        return [text for section, text in self.scripts if section in sections]


def read(text: str) -> Kickstart:
    """Raises BadKickstart."""
    commands: dict[str, Mapping[str, str]] = {}
    scripts: list[tuple[str, str]] = []
    section, lines, ending = "", list[str](), "halt"
    for line in text.splitlines():
        word = line.split(maxsplit=1)[0] if line.strip() else ""
        if section:
            if word == "%end":
                if section in _SCRIPTS:
                    scripts.append((section, "\n".join(lines)))
                section = ""
            lines.append(line)
        elif word.startswith("%"):
            section, lines = word, []
        elif word and not word.startswith("#"):
            commands[word] = _options(line)
            ending = word if word in ENDINGS else ending
    if section:
        raise BadKickstart(f"{section} is not ended by %end")
    return Kickstart(commands=commands, scripts=tuple(scripts), ending=ending)


def _options(line: str) -> dict[str, str]:
    """``--name=value`` and ``--name value``. Raises BadKickstart."""
    try:
        words = shlex.split(line, comments=True)[1:]
    except ValueError as error:
        raise BadKickstart(f"'{line[:60]}': {error}") from error
    found: dict[str, str] = {}
    for number, word in enumerate(words):
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            behind = words[number + 1] if number + 1 < len(words) else ""
            found[name] = value if equals else "" if behind.startswith("--") else behind
    return found
