"""The settings page of the reference, made from the services' own settings classes."""

from __future__ import annotations

from steelyard_common.settings import CommonSettings, Row, describe

from .checks import SETTINGS

_HEAD = """\
# Settings

Every service reads its settings from the environment, checks them all at once at its start, and says everything that is
wrong in one line. `steelyard up` sets what it must and passes the rest on. (Made from code: `make docs`.)
"""


def settings_page() -> str:
    """Markdown: what all services read, then each one's own."""
    common = describe(CommonSettings)
    parts = [_HEAD, _section("Every service", common)]
    shared = {row.name for row in common}
    for service, settings in SETTINGS.items():
        parts.append(_section(service, [row for row in describe(settings) if row.name not in shared]))
    return "\n".join(parts)


def _section(title: str, rows: list[Row]) -> str:
    lines = [f"| `{row.name}` | {_default(row.default)} | {row.description.replace('|', '&#124;')} |" for row in rows]
    return "\n".join([f"## {title}\n", "| variable | default | what it is |", "| --- | --- | --- |", *lines, ""])


def _default(text: str) -> str:
    if text in ("(required)", "(computed)"):
        return text.strip("()")
    return f"`{text}`" if text else "–"
