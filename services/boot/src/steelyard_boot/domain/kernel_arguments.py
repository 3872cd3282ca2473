"""Kernel arguments are data: what every loader carries to the kernel unchanged, and nothing that a loader would obey.

| character or word | why it is refused |
| --- | --- |
| anything but printable ASCII | a line end begins a new command in each of the three languages |
| ``"`` ``'`` ``\\`` | GRUB writes a backslash before them (grub-core/lib/cmdline.c), PXELINUX does not |
| ``${`` | iPXE and GRUB put a setting in its place |
| ``||`` ``&&`` ``;`` as words, ``#…`` | iPXE ends the command there (core/exec.c) |
| two blanks in a row, or one at either end | iPXE joins words by one |

A value may have blanks: the kernel reads ``name="a b"``, and each renderer writes it so that this arrives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from steelyard_common.errors import InvalidRequest

DEFAULT = "%default%"
LONGEST = 4000  # bytes; COMMAND_LINE_SIZE is 2048 on x86 and arm64, 4096 at most elsewhere
_PRINTABLE = re.compile("[ -~]*")
_BREAKS = ("||", "&&", ";")


def check_arguments(arguments: Sequence[str]) -> None:
    """Errors: InvalidRequest that quotes the argument's name, not its value: that may be a secret."""
    for argument in arguments:
        fault = _fault(argument)
        if fault:
            name = argument.partition("=")[0].encode("ascii", "backslashreplace").decode()[:60]
            raise InvalidRequest(f"the kernel argument {name!r} {fault}")
    if len(command_line(arguments)) > LONGEST:
        raise InvalidRequest(f"the kernel arguments are longer than {LONGEST} characters")


def _fault(argument: str) -> str:
    if not argument or argument != argument.strip() or "  " in argument:
        return "is empty, or has two blanks in a row or one at an end"
    if not _PRINTABLE.fullmatch(argument):
        return "has characters that are no printable ASCII"
    if any(char in argument for char in "\"'\\`"):
        return "has quotes or backslashes, which boot loaders change"
    if "${" in argument:
        return "has '${', which boot loaders replace"
    words = argument.split(" ")
    if any(word in _BREAKS or word.startswith("#") for word in words):
        return "has a word that ends an iPXE command"
    if len(words) > 1 and ("=" not in argument or " " in argument.partition("=")[0]):
        return "has a blank in its name; a value with blanks is written name=some words"
    return ""


def as_kernel_reads(argument: str) -> str:
    """One argument as it stands on the kernel's command line."""
    if " " not in argument:
        return argument
    name, _, value = argument.partition("=")
    return f'{name}="{value}"'


def command_line(arguments: Iterable[str]) -> str:
    return " ".join(as_kernel_reads(argument) for argument in arguments)


def split(text: str) -> tuple[str, ...]:
    """What a person writes in ``kernel_append_params``: blanks part, double quotes keep a value together.

    Errors: InvalidRequest for a quote that is never closed.
    """
    words: list[str] = []
    word, quoted = "", False
    for char in text:
        if char == '"':
            quoted = not quoted
        elif char.isspace() and not quoted:
            words += [word] if word else []
            word = ""
        else:
            word += char
    if quoted:
        raise InvalidRequest("kernel_append_params has a double quote that is never closed")
    return tuple(words + ([word] if word else []))


def appended(own: str | None, default: str) -> tuple[str, ...]:
    """The node's ``kernel_append_params``; ``%default%`` in it stands for the site's. Without any: the site's.

    Errors: InvalidRequest.
    """
    text = default if own is None else own.replace(DEFAULT, default)
    arguments = split(text)
    check_arguments(arguments)
    return arguments
