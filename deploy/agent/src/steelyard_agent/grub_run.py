"""Runs GRUB's scripts: statements, words, functions, files that call others."""

from __future__ import annotations

import re
from collections.abc import Sequence

from steelyard_agent.entry import CannotStart
from steelyard_agent.grub_commands import COMMANDS, WITHOUT_EFFECT
from steelyard_agent.grub_script import Block, Command, For, If, Loop, Statement, Word, parse
from steelyard_agent.grub_state import Grub, Item, options

STEPS_AT_MOST = 20_000  # a configuration that runs for ever is not run for ever
DEPTH_AT_MOST = 40
WORD_AT_MOST = 1 << 16  # the kernel's command line has 4 kB at most
FILES = ("configfile", "source", ".", "extract_entries_source", "extract_entries_configfile")
MENU_OPTIONS = {f"--{name}": name for name in ("id", "class", "users", "hotkey", "source")}


class Run:
    """Errors of all methods: CannotStart. They give whether the last command went well."""

    def __init__(self, grub: Grub) -> None:
        self.grub = grub
        self._steps = self._depth = 0

    def file(self, name: str) -> bool:
        text = self.grub.text(name)
        return text is not None and self.block(parse(text))

    def block(self, block: Block, arguments: Sequence[str] = ()) -> bool:
        """``arguments``: as ``$1``, ``$2`` …"""
        self._depth += 1
        if self._depth > DEPTH_AT_MOST:
            raise CannotStart("grub.cfg: calls itself without end")
        variables = self.grub.variables
        before = {str(number): variables.pop(str(number), "") for number in range(1, 10)}
        variables.update({str(number): value for number, value in enumerate(arguments, 1)})
        outcome = self._all(block)
        variables.update(before)
        self._depth -= 1
        return outcome

    def _all(self, block: Block) -> bool:
        outcome = True
        for statement in block:
            self._count()
            outcome = self._one(statement)
        return outcome

    def _count(self) -> None:
        self._steps += 1
        if self._steps > STEPS_AT_MOST:
            raise CannotStart("grub.cfg: runs without end")

    def _one(self, statement: Statement) -> bool:
        match statement:
            case If():
                body = next((body for asked, body in statement.branches if self._all(asked)), statement.otherwise)
                return self._all(body)
            case Loop():
                while self._all(statement.condition) is statement.expected:
                    self._count()
                    self._all(statement.body)
            case For():
                for value in self._fields(statement.words):
                    self.grub.variables[statement.name] = value
                    self._all(statement.body)
            case Command():
                return self._command(statement)
        return True

    def _command(self, command: Command) -> bool:
        name, *arguments = self._fields(command.words) or [""]
        if command.block is not None:
            self._keep(name, arguments, command.block)
            return True
        if name == "!":
            return not self._call(*(arguments or [""]))
        return self._call(name, *arguments)

    def _keep(self, name: str, arguments: list[str], block: Block) -> None:
        if name == "function":
            self.grub.functions["".join(arguments[:1])] = block
        elif name in ("menuentry", "submenu"):
            given, others = options(arguments, MENU_OPTIONS)
            item = Item(title="".join(others[:1]), id=given.get("id", ""), block=block, arguments=tuple(others))
            self.grub.menu.append(item)

    def _call(self, name: str, *arguments: str) -> bool:
        assigned = re.fullmatch(r"([A-Za-z_]\w*)=(.*)", name, re.S)
        if assigned:
            self.grub.variables[assigned.group(1)] = assigned.group(2)
            return True
        if name in self.grub.functions:
            return self.block(self.grub.functions[name], arguments)
        if name in FILES:
            return self.file("".join(arguments[:1]))
        command = COMMANDS.get(name)
        return command(self.grub, arguments) if command else WITHOUT_EFFECT.get(name, True)

    def _fields(self, words: Sequence[Word]) -> list[str]:
        return [field for word in words for field in self._split(word)]

    def _split(self, word: Word) -> list[str]:
        """Variables by their values; those without quotes are split at spaces, and gone when they are empty."""
        made: list[str] = []
        for part in word:
            value = self.grub.value(part.text) if part.is_variable else part.text
            pieces = value.split() if part.is_variable and not part.is_quoted else [value]
            if pieces:
                made = made or [""]
                made[-1] += pieces[0]
                made += pieces[1:]
            if made and len(made[-1]) > WORD_AT_MOST:
                raise CannotStart("grub.cfg: a word grows without end")
        return made
