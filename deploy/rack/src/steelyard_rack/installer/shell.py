"""The shell of kickstarts' scripts, as far as others see what it does: calls by curl, files that are written. Pure.

A simulated machine runs on somebody's real one, so nothing of a script is run: what is not understood is passed over.
What the scripts of our own template do in a real shell is tested where the template is.
"""

from __future__ import annotations

import base64
import binascii
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from string import Template

_ASSIGNED = re.compile(r"([A-Za-z_]\w*)=\$\(.*/tmp/anaconda\.log.*\)$")
_LISTED = re.compile(r"for (\w+) in (.*://.*); do$")
_WRITTEN = re.compile(r"base64 (?:--decode|-d) > (\S+) << '?([A-Za-z-]+)'?$")
_HEADER, _DATA, _METHOD = ("-H", "--header"), ("-d", "--data", "--data-raw"), ("-X", "--request")
_WITH_VALUE = (*_HEADER, *_DATA, *_METHOD, "-o", "--output", "--max-time", "-m", "--retry", "--connect-timeout")


@dataclass(frozen=True, kw_only=True)
class Call:
    """``is_repeated``: until it succeeds, a few times; each time ``url``, then the ``others``."""

    method: str
    url: str
    others: tuple[str, ...] = ()
    data: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    is_repeated: bool = False


@dataclass(frozen=True, kw_only=True)
class Write:
    path: str
    content: bytes = field(repr=False)


def deeds(script: str, log: str = "") -> Iterator[Call | Write]:
    """In order. ``log``: what the installer's log says, for scripts that quote it."""
    values, urls = dict[str, str](), dict[str, list[str]]()
    loops = 0
    lines = iter(script.replace("\\\n", " ").splitlines())
    for raw in lines:
        line = raw.strip()
        loops += line.startswith(("for ", "while ", "until ")) - (line.split(maxsplit=1)[:1] == ["done"])
        written, assigned, listed = _WRITTEN.match(line), _ASSIGNED.match(line), _LISTED.match(line)
        if written:
            yield Write(path=written[1], content=_decoded(lines, written[2]))
        elif assigned:
            values[assigned[1]] = log
        elif listed:
            urls[f"${listed[1]}"] = _words(listed[2])
        elif line.startswith(("curl ", "/usr/bin/curl ")):
            call = _call(line, values, urls, is_repeated=loops > 0)
            if call is not None:
                yield call


def _decoded(lines: Iterator[str], end: str) -> bytes:
    found = []
    for line in lines:
        if line == end:
            break
        found.append(line)
    try:
        return base64.b64decode("".join(found), validate=True)
    except binascii.Error:
        return b""


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []


def _call(
    line: str, values: Mapping[str, str], listed: Mapping[str, list[str]], *, is_repeated: bool
) -> Call | None:  # fmt: skip
    words = [Template(word).safe_substitute(values) for word in _words(line)[1:]]
    ends = next((at for at, word in enumerate(words) if word in ("&&", "||", "|", ";")), len(words))
    given: dict[str, str] = {}
    headers: dict[str, str] = {}
    urls: list[str] = []
    rest = iter(words[:ends])
    for word in rest:
        value = next(rest, "") if word in _WITH_VALUE else ""
        if word in _HEADER:
            name, _, content = value.partition(":")
            headers[name.strip().lower()] = content.strip()
        elif word in _WITH_VALUE:
            given[word] = value
        elif "://" in word:
            urls = [word]
        elif word in listed:
            urls = listed[word]
    data = next((given[name] for name in _DATA if name in given), "")
    method = next((given[name] for name in _METHOD if name in given), "POST" if data else "GET")
    if not urls:
        return None
    return Call(
        method=method, url=urls[0], others=tuple(urls[1:]), data=data, headers=headers, is_repeated=is_repeated
    )  # fmt: skip
