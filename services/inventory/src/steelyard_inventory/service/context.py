"""What every method of the records gets first: the API's version and base URL, and what a list is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..store import render
from ..store.pages import Page


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What a caller is shown who does not see everything (contracts: Steelyard-Caller).

    ``visible``: a project, of which alone something is shown; None: of all. ``redacted``: (field, whom else it is
    shown to: "owner", "lessee") of ``project``.
    """

    visible: str | None = None
    project: str = ""
    redacted: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def sees(self, node: Mapping[str, Any]) -> bool:
        return self.visible is None or self.visible in (node["owner"], node["lessee"])

    def hides(self, node: Mapping[str, Any]) -> frozenset[str]:
        """Fields of the node that are not shown."""
        return frozenset(
            name for name, whom in self.redacted if not any(node.get(each) == self.project for each in whom)
        )

    def narrowed(self, filters: Mapping[str, Any]) -> dict[str, Any]:
        """The filters of a list, with what may be seen."""
        return dict(filters) if self.visible is None else {**filters, "visible": self.visible}


EVERYTHING = Sight()


@dataclass(frozen=True, kw_only=True)
class Api:
    """``minor``: the microversion to answer in. ``base_url``: before ``/v1``, without a slash at its end."""

    minor: int
    base_url: str
    sight: Sight = EVERYTHING


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A list: ``fields`` None means the default columns, or all with ``is_detail``; ``query`` is echoed in ``next``."""

    page: Page
    filters: Mapping[str, Any] = field(default_factory=dict)
    fields: Sequence[str] | None = None
    is_detail: bool = False
    resource_url: str = ""
    query: Mapping[str, Any] = field(default_factory=dict)

    def columns(self, default: Sequence[str]) -> tuple[str, ...] | None:
        """The fields of a document; None for all."""
        if self.is_detail:
            return None
        return tuple(default if self.fields is None else self.fields)

    def answer(self, api: Api, plural: str, items: list[render.Document], last: str | None) -> bytes:
        """The list's JSON; a full page has a ``next`` behind ``last``, the marker of its last item."""
        body: dict[str, Any] = {plural: items}
        if last is not None and len(items) == self.page.limit:
            page = {
                "sort_key": self.page.sort_key, "sort_dir": self.page.sort_dir, "fields": self.fields,
                "limit": self.page.limit, "marker": last,
            }  # fmt: skip
            body["next"] = render.next_url(api.base_url, self.resource_url, self.query, page)
        return render.dump(body)
