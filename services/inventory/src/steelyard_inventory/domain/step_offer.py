"""Which steps a node can run, from what workers announced; and what may be shown of arguments. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from steelyard_common.secrets import MASK, PREFIX, SECRET_NAME


@dataclass(frozen=True, kw_only=True)
class Announced:
    """A worker's word: its service, its conductor group, {interface: implementations}, rows of the catalogue."""

    service: str
    group: str
    provides: Mapping[str, Iterable[str]]
    steps: Iterable[Mapping[str, Any]]


def offered(workers: Iterable[Announced], interfaces: Mapping[str, str | None], group: str) -> list[dict[str, Any]]:
    """The steps for a node with these implementations in this conductor group, by interface and name."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for worker in workers:
        if worker.group not in ("", group):
            continue
        for row in worker.steps:
            interface, name = str(row.get("interface")), str(row.get("name"))
            if row.get("core") or not _serves(worker, row, interface, interfaces):
                continue
            shown = found.setdefault((interface, name), _shown(row, interfaces.get(interface)))
            if worker.service not in shown["services"]:
                shown["services"] = sorted([*shown["services"], worker.service])
    return [found[key] for key in sorted(found)]


def masked(value: Any, name: str = "") -> Any:
    """A value as it may be shown: nothing that is sealed, or stands under the name of a secret."""
    if isinstance(value, dict):
        return {key: masked(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item, name) for item in value]
    hidden = bool(SECRET_NAME.search(name)) or (isinstance(value, str) and value.startswith(PREFIX))
    return MASK if hidden and value not in (None, "") else value


def _serves(
    worker: Announced, row: Mapping[str, Any], interface: str, interfaces: Mapping[str, str | None]
) -> bool:  # fmt: skip
    if interface not in interfaces:
        return True  # an interface of somebody's own: it is for every node of the group
    implementation = interfaces[interface]
    among = row.get("implementations") or worker.provides.get(interface, ())
    return implementation is not None and implementation in among


def _shown(row: Mapping[str, Any], implementation: str | None) -> dict[str, Any]:
    args = row.get("args") or {}
    required = args.get("required") or ()
    return {
        "interface": row["interface"],
        "step": row["name"],
        "implementation": implementation,
        "description": row.get("description", ""),
        "kinds": row.get("kinds") or {},
        "args": args,
        "argsinfo": {
            name: {"description": rule.get("description", ""), "required": name in required}
            for name, rule in (args.get("properties") or {}).items()
        },
        "requires_ramdisk": bool(row.get("requires_ramdisk")),
        "abortable": bool(row.get("abortable", True)),
        "effects": list(row.get("effects") or ()),
        "undo": row.get("undo"),
        "services": [],
    }
