"""The command: what is looked at, what is said, and how it ends: 0 go on, 1 not now, 2 asked wrongly."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import combinations

from steelyard_common.contracts.catalogue import is_external
from steelyard_common.errors import InvalidRequest, SteelyardError
from steelyard_common.releases import are_neighbours

from ..layout import Layout
from . import database, release, sources, streams
from .findings import REASONS, Finding
from .release import Release
from .sources import Sources


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", metavar="VERSION|FILE", help="the release to go to, or its --print-release as a file")
    parser.add_argument("--allow", action="append", default=[], metavar="REASON", help="wave a reason through")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--print-release", action="store_true", help="what this release knows, for --to of another")
    parser.add_argument("--database-url", metavar="URL", help="instead of that of the data folder")
    parser.add_argument("--nats-url", metavar="URL", help="as a user who may see everything")
    parser.add_argument("--nats-password-file", metavar="FILE")
    parser.add_argument("--nats-ca-file", metavar="FILE")
    parser.add_argument("--seal-keys-file", metavar="FILE")
    parser.add_argument(
        "--service", action="append", default=[], metavar="NAME=URL", help="the HTTP of a replica (repeat)"
    )


def run(options: argparse.Namespace, layout: Layout) -> int:
    """→ exit status. Errors: InvalidRequest, NotFound."""
    if options.print_release:
        print(release.ours().to_json())
        return 0
    if wrong := sorted({*options.allow} - REASONS.keys()):
        raise InvalidRequest(f"--allow takes a reason ({', '.join(REASONS)}), not {wrong[0]}")
    to = release.find(options.to)
    found = list(check(sources.find(options, layout), to))
    standing = [each for each in found if each.reason not in options.allow]
    if options.json:
        rows = [asdict(each) | {"remedy": each.remedy, "allowed": each not in standing} for each in found]
        print(json.dumps({"to": to.version, "may_upgrade": not standing, "findings": rows}, indent=2))
    else:
        print(_table(found, standing))
        print(f"Not now: {len(standing)} things stand in the way of {to.version}." if standing
              else f"Nothing stands in the way of {to.version}.")  # fmt: skip
    return 1 if standing else 0


def check(where: Sources, to: Release) -> Iterator[Finding]:
    """All that stands in the way."""
    if not to.schemas:
        says = "it is known by its number alone: what it knows of schemas, workflows and steps is not judged"
        yield Finding(reason="version-unknown", about=to.version, says=says)
    versions: dict[str, str] = {}
    yield from _replicas(where, versions)
    interfaces: set[str] = set()
    yield from _guarded("database", lambda: _database(where, to, versions, interfaces))
    yield from _guarded("NATS", lambda: _streams(where, interfaces))
    yield from _versions(versions, to)


def _guarded(what: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except SteelyardError as error:
        yield Finding(reason="not-asked", about=what, says=error.detail or error.message)
    except database.FAULTS as error:
        yield Finding(reason="not-asked", about=what, says=str(error).strip())


def _replicas(where: Sources, versions: dict[str, str]) -> Iterator[Finding]:
    for name, url in where.services.items():
        is_ready, wrong, version = sources.health(url) if url else (False, "it does not run", "")
        if not is_ready:
            yield Finding(reason="replica-failing", about=name, says=wrong)
        if version:
            versions[name] = version


def _database(
    where: Sources, to: Release, versions: dict[str, str], interfaces: set[str]
) -> Iterator[Finding]:  # fmt: skip
    if where.database_url is None:
        yield Finding(reason="not-asked", about="database", says="nobody said where it is (--database-url)")
        return
    with database.connect(where.database_url) as connection:
        yield from database.schemas(connection, to)
        versions |= database.versions(connection)
        interfaces |= database.foreign_interfaces(connection)
        yield from database.workers_away(connection)
        yield from database.workflows(connection, to)
        yield from database.nodes(connection)
        yield from database.secrets(connection, to, where.seal_keys)


def _streams(where: Sources, interfaces: set[str]) -> Iterator[Finding]:
    if where.nats is None:
        yield Finding(reason="not-asked", about="NATS", says="nobody said where it is (--nats-url)")
        return
    own = {each for each in interfaces if is_external(each)}
    yield from streams.judge(streams.look(where.nats, where.site), where.site, own)


def _versions(versions: dict[str, str], to: Release) -> Iterator[Finding]:
    """Everybody must be a neighbour of the release to go to, and of everybody else."""
    for name, version in sorted(versions.items()):
        if not are_neighbours(version, to.version):
            says = f"it is of release {version or '(none said)'}, more than one from {to.version}"
            yield Finding(reason="version-apart", about=name, says=says)
    for one, other in combinations(sorted(set(versions.values())), 2):
        if not are_neighbours(one, other):
            who = ", ".join(sorted(name for name, version in versions.items() if version in (one, other)))
            yield Finding(reason="version-apart", about=who, says=f"{one} and {other} do not work side by side")


def _table(found: list[Finding], standing: list[Finding]) -> str:
    head = ["REASON", "WHAT", "WHY", "WHAT HELPS"]
    lines = [
        [each.reason if each in standing else f"({each.reason})", each.about, each.says, each.remedy] for each in found
    ]
    if not lines:
        return ""
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]])
        for line in [head, *lines]
    )
