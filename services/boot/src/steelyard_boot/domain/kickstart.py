"""Kickstarts: a template, the operator's or a user's, looked through and filled in. Pure.

Templates are Jinja's as Ironic's users write them, but only what puts a text together: values of ``ks_options``,
``if``, ``default``, ``raw`` and comments. Without loops, calls and arithmetic the work is bounded by the template's
length, whoever wrote it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import SandboxedEnvironment
from steelyard_common.errors import InvalidRequest

WHOLE = "ks_options"
REQUIRED = ("liveimg_url", "agent_token", "heartbeat_url")
OPTIONAL = (
    "config_drive", "heartbeat_urls", "is_source_a_path", "insecure_heartbeat", "liveimg_checksum", "root_disk",
)  # fmt: skip
MOST_TEMPLATE, MOST_RENDERED = 128 << 10, 4 << 20  # bytes
_PLAIN = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.If, nodes.CondExpr, nodes.Not, nodes.And,
    nodes.Or, nodes.Compare, nodes.Operand,
)  # fmt: skip
_TESTS, _FILTERS, _OPERATORS = ("defined", "undefined"), ("default", "d"), ("in", "notin", "eq", "ne")
_CLOSED = ("%pre", "%pre-install", "%post", "%onerror", "%traceback", "%packages", "%addon", "%anaconda")
# A kickstart is no HTML: what would be escaped there must stay as it is.
_ENVIRONMENT = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a template may use. ``liveimg_url``: an image, or a tree (``is_source_a_path``) with packages.

    ``config_drive``: sections that write the config drive; ``root_disk``: as ``ignoredisk --only-use`` takes it;
    ``heartbeats``: the same place by each address of the API. A template may use the first alone (``heartbeat_url``),
    or all, as words of a shell (``heartbeat_urls``).
    """

    liveimg_url: str = field(repr=False)
    agent_token: str = field(repr=False)
    heartbeats: tuple[str, ...]
    config_drive: str = field(default="", repr=False)
    is_source_a_path: bool = False
    insecure_heartbeat: bool = False
    liveimg_checksum: str = ""
    root_disk: str = ""

    @property
    def heartbeat_url(self) -> str:
        return self.heartbeats[0]

    @property
    def heartbeat_urls(self) -> str:
        return shlex.join(self.heartbeats)

    def told(self) -> dict[str, str]:
        """What does not hold is not there, so that ``in`` and ``is defined`` tell."""
        found = {name: getattr(self, name) for name in (*REQUIRED, *OPTIONAL)}
        return {
            name: "true" if value is True else value
            for name, value in found.items()
            if value or name in (*REQUIRED, "config_drive")
        }


def render(template: str, options: Options) -> str:
    """The kickstart. Errors: InvalidRequest that says what is wrong with the template, and where."""
    try:
        parsed = _ENVIRONMENT.parse(template)
        _check(parsed)
        text = _bounded(_ENVIRONMENT.from_string(parsed).generate({WHOLE: options.told()}))
    except TemplateSyntaxError as error:
        raise InvalidRequest(f"the kickstart template, line {error.lineno}: {(error.message or '')[:200]}") from error
    except TemplateError as error:
        raise InvalidRequest(f"the kickstart template: {(error.message or '')[:200]}") from error
    except (SyntaxError, RecursionError) as error:
        raise InvalidRequest("the kickstart template is nested too deeply") from error
    _check_uses(text, options)
    _check_sections(text)
    return text


def _bounded(pieces: Iterator[str]) -> str:
    found, size = [], 0
    for piece in pieces:
        size += len(piece)
        if size > MOST_RENDERED:
            raise InvalidRequest(f"the kickstart would be longer than {MOST_RENDERED >> 20} MiB")
        found.append(piece)
    return "".join(found)


def _check(parsed: nodes.Template) -> None:
    """Errors: InvalidRequest for what is more than putting a text together."""
    left: list[nodes.Node] = [parsed]
    while left:
        node = left.pop()
        fault = _fault(node)
        if fault:
            raise InvalidRequest(f"the kickstart template, line {node.lineno}: {fault}")
        left += node.iter_child_nodes()


def _fault(node: nodes.Node) -> str:
    match node:
        case nodes.Name(name=name):
            return "" if name == WHOLE else f"'{name}' is unknown; values are {_values()}"
        case (
            nodes.Getattr(node=nodes.Name(), attr=name) | nodes.Getitem(node=nodes.Name(), arg=nodes.Const(value=name))
        ):
            return "" if name in (*REQUIRED, *OPTIONAL) else f"'{WHOLE}.{name}' is unknown; values are {_values()}"
        case nodes.Test(name=name):
            return "" if name in _TESTS else f"the test '{name}' is not taken: {' and '.join(_TESTS)} are"
        case nodes.Filter(name=name):
            return "" if name in _FILTERS else f"the filter '{name}' is not taken: default is"
        case nodes.Operand(op=operator):
            return "" if operator in _OPERATORS else f"the comparison '{operator}' is not taken"
        case _ if isinstance(node, _PLAIN):
            return ""
    return f"'{type(node).__name__.lower()}' is not taken: a template has values of {WHOLE}, if and default only"


def _values() -> str:
    return ", ".join(f"{WHOLE}.{name}" for name in (*REQUIRED, *OPTIONAL))


def _check_uses(text: str, options: Options) -> None:
    """Errors: InvalidRequest for a kickstart without what a deployment cannot do without."""
    given: Mapping[str, str] = options.told()
    missing = [name for name in (*REQUIRED, "config_drive") if given[name] and given[name] not in text]
    if missing:
        names = ", ".join(f"{WHOLE}.{name}" for name in missing)
        raise InvalidRequest(
            f"the kickstart template does not use {names}: without them nothing is installed, nobody hears how it "
            "goes, or the config drive is lost"
        )


def _check_sections(text: str) -> None:
    """Errors: InvalidRequest for a section that is begun within another, or never ended."""
    opened, at = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        word = line.split(maxsplit=1)[0] if line.startswith("%") else ""
        if word == "%end":
            opened = ""
        elif word in _CLOSED:
            if opened:
                break
            opened, at = word, number
    if opened:
        raise InvalidRequest(f"the kickstart, line {at}: {opened} is not ended by %end")
