"""GRUB's script language: its text as statements (GRUB manual, "Writing full configuration files directly")."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from steelyard_agent.entry import CannotStart

NESTING_AT_MOST = 50


@dataclass(frozen=True)
class Part:
    """A piece of a word: text as it stands, or a variable's name. Quoted ones are never split into words."""

    text: str
    is_variable: bool = False
    is_quoted: bool = False


Word = tuple[Part, ...]


@dataclass(frozen=True)
class Command:
    """``block``: what a menu entry, a submenu or a function holds."""

    words: tuple[Word, ...]
    block: Block | None = None


@dataclass(frozen=True)
class If:
    branches: tuple[tuple[Block, Block], ...]
    otherwise: Block


@dataclass(frozen=True)
class Loop:
    """``expected``: what the condition's outcome must be for another round."""

    condition: Block
    body: Block
    expected: bool


@dataclass(frozen=True)
class For:
    name: str
    words: tuple[Word, ...]
    body: Block


Statement = Command | If | Loop | For
Block = tuple[Statement, ...]
END = None  # of a statement

_PIECE = re.compile(
    r"""(?P<space>[ \t\r]+|\\\n) | (?P<comment>\#[^\n]*) | (?P<end>[\n;])
    | '(?P<single>[^']*)' | "(?P<double>(?:[^"\\]|\\.)*)"
    | \$\{(?P<braced>[^}\n]*)\} | \$(?P<name>[A-Za-z_]\w*|[0-9@*\#?])
    | \\(?P<escaped>.) | (?P<plain>[^\s;'"$\\]+) | (?P<other>.)""",
    re.X | re.S,
)
_IN_DOUBLE = re.compile(r"\$\{([^}\n]*)\}|\$([A-Za-z_]\w*|[0-9@*#?])|\\(.)|([^$\\]+|.)", re.S)


def parse(text: str) -> Block:
    """Errors: CannotStart, if it is no script of GRUB's."""
    return _Parser(list(_tokens(text))).script()


def _tokens(text: str) -> Iterator[Word | None]:
    """Words, with END between statements."""
    word: list[Part] = []
    is_begun = False  # '' is a word, too
    for found in _PIECE.finditer(text):
        kind, value = found.lastgroup or "", found.group(found.lastgroup or 0)
        if kind == "comment" and is_begun:
            kind = "plain"
        if kind in ("space", "comment", "end"):
            if is_begun:
                yield tuple(word)
                word, is_begun = [], False
            if kind == "end":
                yield END
            continue
        is_begun = True
        word += _parts(kind, value)
    if is_begun:
        yield tuple(word)
    yield END


def _parts(kind: str, value: str) -> list[Part]:
    if kind in ("braced", "name"):
        return [Part(value, is_variable=True)]
    if kind == "double":
        return _in_double(value)
    if kind == "escaped":
        return [Part("" if value == "\n" else value, is_quoted=True)]
    if kind == "other" and value != "$":
        raise CannotStart(f"grub.cfg: a {value} that is never closed")
    return [Part(value, is_quoted=kind == "single")]


def _in_double(value: str) -> list[Part]:
    parts = [Part("", is_quoted=True)]
    for braced, name, escaped, plain in _IN_DOUBLE.findall(value):
        if escaped:
            plain = escaped if escaped in '"$\\' else "" if escaped == "\n" else f"\\{escaped}"
        parts.append(Part(braced or name, True, True) if braced or name else Part(plain, is_quoted=True))
    return parts


class _Parser:
    def __init__(self, tokens: list[Word | None]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def script(self) -> Block:
        block = self._block()
        if self._at < len(self._tokens):
            raise CannotStart(f"grub.cfg: {self._reserved()!r} ends nothing")
        return block

    def _block(self, *ends: str) -> Block:
        """Up to one of these reserved words, which stays to be read."""
        self._depth += 1
        if self._depth > NESTING_AT_MOST:
            raise CannotStart("grub.cfg: nested too deeply")
        statements: list[Statement] = []
        while self._at < len(self._tokens):
            reserved = self._reserved()
            if reserved in ends or reserved in _CLOSING:
                break
            if self._tokens[self._at] is END:
                self._at += 1
                continue
            statements.append(self._statement(reserved))
        self._depth -= 1
        return tuple(statements)

    def _statement(self, reserved: str) -> Statement:
        if reserved == "if":
            return self._if()
        if reserved in ("while", "until"):
            self._at += 1
            condition = self._block("do")
            self._expect("do")
            body = self._block("done")
            self._expect("done")
            return Loop(condition, body, reserved == "while")
        if reserved == "for":
            return self._for()
        return self._command()

    def _if(self) -> If:
        branches: list[tuple[Block, Block]] = []
        otherwise: Block = ()
        while True:
            self._at += 1  # if, elif
            condition = self._block("then")
            self._expect("then")
            branches.append((condition, self._block("elif", "else", "fi")))
            if self._reserved() == "elif":
                continue
            if self._reserved() == "else":
                self._at += 1
                otherwise = self._block("fi")
            self._expect("fi")
            return If(tuple(branches), otherwise)

    def _for(self) -> For:
        self._at += 1
        words = self._words()
        self._skip_ends()
        self._expect("do")
        body = self._block("done")
        self._expect("done")
        name, *rest = words or [()]
        return For("".join(part.text for part in name), tuple(rest[1:]), body)  # rest[0] is "in"

    def _command(self) -> Command:
        words = self._words()
        if self._reserved() != "{":
            return Command(tuple(words))
        self._at += 1
        block = self._block("}")
        self._expect("}")
        return Command(tuple(words), block)

    def _words(self) -> list[Word]:
        words: list[Word] = []
        while (word := self._token()) is not END and self._reserved() not in ("{", "}"):
            words.append(word)
            self._at += 1
        if words and _plain(words[0]) == "function":
            self._skip_ends()  # the brace may stand in the next line
        return words

    def _skip_ends(self) -> None:
        while self._at < len(self._tokens) and self._tokens[self._at] is END:
            self._at += 1

    def _expect(self, word: str) -> None:
        if self._reserved() != word:
            raise CannotStart(f"grub.cfg: {word!r} is missing")
        self._at += 1

    def _token(self) -> Word | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else END

    def _reserved(self) -> str:
        """The next word if it stands there without quotes; else nothing."""
        word = self._token()
        return "" if word is END else _plain(word)


_CLOSING = {"then", "elif", "else", "fi", "do", "done", "}"}


def _plain(word: Word) -> str:
    (part, *more) = word
    return part.text if not more and not part.is_variable and not part.is_quoted else ""
