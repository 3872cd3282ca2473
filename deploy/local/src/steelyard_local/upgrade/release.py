"""What a release knows: which schemas, which kinds of workflows, which steps. Ours is read from the installed code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from steelyard_common.contracts.catalogue import Offer
from steelyard_common.contracts.permissions import PROVIDERS
from steelyard_common.errors import InvalidRequest
from steelyard_common.releases import installed, release_of
from steelyard_inventory.domain.workflows import Kind

SCHEMAS = {service: f"steelyard_{service}:migrations" for service in ("inventory", "power", "boot")}
# The head of each schema at the end of the release before this one: the oldest that this one migrates from.
MIGRATES_FROM: Mapping[str, str] = {}


@dataclass(frozen=True, kw_only=True)
class Schema:
    """``revisions``: all that are known, the newest first; ``oldest``: the release before migrates older ones."""

    revisions: list[str]
    oldest: str | None = None


@dataclass(frozen=True, kw_only=True)
class Release:
    """``kinds``: of workflows; ``steps``: interface.name. Empty: not known, and not judged."""

    version: str
    schemas: dict[str, Schema] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)


def ours() -> Release:
    """The release whose code this is."""
    steps = {f"{step.interface}.{step.name}" for service in PROVIDERS for step in _offer(service).steps}
    return Release(
        version=installed("steelyard-local"),
        schemas={service: _schema(service, scripts) for service, scripts in SCHEMAS.items()},
        kinds=sorted(Kind),
        steps=sorted(steps),
    )


def find(wanted: str | None) -> Release:
    """``wanted``: a version, or a file that a release's `--print-release` wrote; None: ours. Errors: InvalidRequest."""
    if wanted is None or wanted == installed("steelyard-local"):
        return ours()
    if release_of(wanted) is not None:
        return Release(version=wanted)
    try:
        body: dict[str, Any] = json.loads(Path(wanted).read_text())
        schemas = {name: Schema(**schema) for name, schema in body.pop("schemas").items()}
        made = Release(**body, schemas=schemas)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidRequest(f"--to takes a version, or a file of --print-release, not {wanted!r}") from error
    if release_of(made.version) is None:
        raise InvalidRequest(f"{wanted} names no version")
    return made


def _offer(service: str) -> Offer:
    """What a provider announces: it stands in its domain, or in the domain's catalogue where that is a folder."""
    domain = f"steelyard_{service}.domain"
    has_catalogue = find_spec(domain).submodule_search_locations and find_spec(f"{domain}.catalogue")  # type: ignore[union-attr]
    offer: Offer = import_module(f"{domain}.catalogue" if has_catalogue else domain).OFFER
    return offer


def _schema(service: str, scripts: str) -> Schema:
    from alembic.config import Config  # a second that no other command has to wait
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", scripts)
    config.set_main_option("path_separator", "os")
    found = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    return Schema(revisions=found, oldest=MIGRATES_FROM.get(service))
