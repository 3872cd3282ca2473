"""Reads iPXE scripts as iPXE does (core/exec.c, core/settings.c): lines, words, operators, settings. And runs them.

No quotes exist. A line is expanded (``${name}``, ``${net${nic}/mac}``), cut at blanks, and parted at ``||``, ``&&``
and ``;``; what follows ``||`` runs after a failure, what follows ``&&`` after a success. A word that begins with ``#``
ends the line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

COMMANDS = {
    "boot", "chain", "clear", "dhcp", "echo", "exit", "goto", "imgfetch", "imgfree", "inc", "initrd", "iseq", "isset",
    "kernel", "reboot", "sanboot", "sanhook", "set", "sleep",
}  # fmt: skip
_INNERMOST = re.compile(r"\$\{([^${}]*)\}")


class Ended(Exception):
    """The script left: by which command."""


@dataclass
class Machine:
    """``answers``: command and its words → whether it succeeds. ``log``: what was run, expanded."""

    settings: dict[str, str] = field(default_factory=dict)
    answers: Callable[[list[str]], bool] = lambda _words: True
    log: list[list[str]] = field(default_factory=list)
    steps: int = 0

    def expand(self, line: str) -> str:
        while found := _INNERMOST.search(line):
            line = line[: found.start()] + self._value(found.group(1)) + line[found.end() :]
        return line

    def _value(self, name: str) -> str:
        name, _, form = name.partition(":")
        value = self.settings.get(name, "")
        return value.replace(":", "-") if form == "hexhyp" else value

    def run(self, script: str) -> str:
        """→ the command that it ended with"""
        lines = script.splitlines()
        assert lines[0] == "#!ipxe"
        labels = {line[1:]: number for number, line in enumerate(lines) if line.startswith(":")}
        at = 1
        try:
            while at < len(lines):
                self.steps += 1
                assert self.steps < 10_000, "the script never ends"
                at = self._line(lines[at], at, labels)
        except Ended as ended:
            return str(ended)
        return "end of script"

    def _line(self, line: str, at: int, labels: dict[str, int]) -> int:
        if line.startswith(":"):
            return at + 1
        succeeded, ran = True, True
        for operator, words in commands(self.expand(line)):
            ran = not operator or (operator == "&&" and succeeded) or (operator == "||" and not succeeded)
            if not ran or not words:
                if operator == "||":
                    succeeded = True
                continue
            self.log.append(words)
            if words[0] == "goto":
                return labels[words[1]]
            succeeded = self._command(words)
        assert succeeded, f"the script fails at {line!r}"
        return at + 1

    def _command(self, words: list[str]) -> bool:
        name, rest = words[0], words[1:]
        assert name in COMMANDS, f"{name} is no command"
        if name == "set":
            self.settings[rest[0].partition(":")[0]] = " ".join(rest[1:])
        elif name == "inc":
            self.settings[rest[0]] = str(int(self.settings.get(rest[0]) or 0) + 1)
        elif name == "iseq":
            first, second, *_ = [*rest, "", ""]
            return first == second
        elif name == "isset":
            return bool(rest)
        elif name in ("exit", "reboot"):
            raise Ended(name)
        elif not self.answers(words):
            return False
        elif name in ("boot", "sanboot", "chain"):
            raise Ended(" ".join(words))
        return True


def commands(line: str) -> list[tuple[str, list[str]]]:
    """→ (operator before it, words) of each command in an expanded line."""
    found: list[tuple[str, list[str]]] = [("", [])]
    for word in line.split():
        if word.startswith("#"):
            break
        if word in ("||", "&&", ";"):
            found.append((word, []))
        else:
            found[-1][1].append(word)
    return found
