"""Our live workers as the API's conductors and drivers (api facts §11, §12). Read only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from steelyard_common.contracts.api import INTERFACES
from steelyard_common.contracts.hardware import HARDWARE_TYPES
from steelyard_common.errors import InvalidRequest, NotFound

from ..domain.interfaces import default_interface
from ..store import render
from ..store.workers import Worker
from .context import Api, Asked
from .workers import Directory, Workers

COMPOSITION_SINCE = 30
PROPERTIES_SINCE = 14
PLAIN_INTERFACES_SINCE = 31  # drivers knew the first of them one version before nodes did
CONDUCTOR_DEFAULT = ("hostname", "conductor_group", "alive")
CONDUCTOR_ALL = ("created_at", "updated_at", "hostname", "conductor_group", "drivers", "alive")
CONDUCTOR_SORTS = frozenset({"id", "hostname", "conductor_group", "created_at", "updated_at"})


class Conductors:
    """Queries over the directory of workers."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def list_drivers(self, kind: str | None, *, is_detail: bool, fields: Sequence[str] | None, api: Api) -> bytes:
        """``kind``: classic (there are none), dynamic, or None for all."""
        found = {} if kind == "classic" else self._workers.directory().drivers()
        items = [_driver(name, hosts, api, with_interfaces=is_detail or bool(fields)) for name, hosts in found.items()]
        return render.dump({"drivers": [_chosen(item, fields) for item in items]})

    def show_driver(self, name: str, fields: Sequence[str] | None, api: Api) -> bytes:
        """Errors: NotFound."""
        hosts = self._workers.directory().drivers().get(name)
        if hosts is None:
            raise NotFound(f"Could not find the following driver(s) or hardware type(s): {name}.")
        return render.dump(_chosen(_driver(name, hosts, api, with_interfaces=True), fields))

    def list_conductors(self, asked: Asked, api: Api) -> bytes:
        """Errors: NotFound (the marker), InvalidRequest."""
        directory = self._workers.directory()
        found = _page(_sorted(directory.workers, asked.page.sort_key, asked.page.sort_dir), asked)
        names = asked.columns(CONDUCTOR_DEFAULT) or CONDUCTOR_ALL
        items = [_conductor(worker, directory, names, api) for worker in found]
        return asked.answer(api, "conductors", items, found[-1].instance if found else None)

    def show_conductor(self, hostname: str, fields: Sequence[str] | None, api: Api) -> bytes:
        """Errors: NotFound."""
        directory = self._workers.directory()
        for worker in directory.workers:
            if worker.instance == hostname:
                return render.dump(_conductor(worker, directory, fields or CONDUCTOR_ALL, api))
        raise NotFound(f"Conductor {hostname} could not be found.")


def _driver(name: str, hosts: list[str], api: Api, *, with_interfaces: bool) -> render.Document:
    links = render.link_writer("drivers", api.base_url)
    document: render.Document = {"name": name, "hosts": hosts, "links": links(name)}
    if api.minor >= PROPERTIES_SINCE:
        document["properties"] = links(name, "/properties")
    if api.minor < COMPOSITION_SINCE:
        return document
    document["type"] = "dynamic"
    if with_interfaces and name in HARDWARE_TYPES:
        for interface, since in INTERFACES.items():
            if since <= max(api.minor, PLAIN_INTERFACES_SINCE):
                document[f"default_{interface}_interface"] = default_interface(name, interface)
                document[f"enabled_{interface}_interfaces"] = list(HARDWARE_TYPES[name][interface])
    return document


def _chosen(document: render.Document, fields: Sequence[str] | None) -> render.Document:
    if not fields:
        return document
    return {name: value for name, value in document.items() if name in fields or name == "links"}


def _conductor(worker: Worker, directory: Directory, names: Sequence[str], api: Api) -> render.Document:
    whole: dict[str, Any] = {
        "created_at": worker.created_at.astimezone(UTC),
        "updated_at": worker.updated_at.astimezone(UTC) if worker.updated_at else None,
        "hostname": worker.instance,
        "conductor_group": worker.conductor_group,
        "drivers": sorted(worker.hardware_types),
        "alive": directory.is_alive(worker),
    }
    document = {name: whole[name] for name in names if name in whole}
    return document | {"links": render.link_writer("conductors", api.base_url)(worker.instance)}


def _sorted(workers: Sequence[Worker], key: str, direction: str) -> list[Worker]:
    if key not in CONDUCTOR_SORTS:
        raise InvalidRequest(f'The sort_key value "{key}" is an invalid field for sorting')

    def by(worker: Worker) -> tuple[Any, str]:
        attribute = {"id": "created_at", "hostname": "instance"}.get(key, key)
        value = getattr(worker, attribute)
        return (value is None, value or worker.created_at) if attribute == "updated_at" else value, worker.instance

    return sorted(workers, key=by, reverse=direction == "desc")


def _page(workers: list[Worker], asked: Asked) -> list[Worker]:
    start = 0
    if asked.page.marker is not None:
        names = [worker.instance for worker in workers]
        if asked.page.marker not in names:
            raise NotFound(f"Conductor {asked.page.marker} could not be found.")
        start = names.index(asked.page.marker) + 1
    return workers[start : start + asked.page.limit]
