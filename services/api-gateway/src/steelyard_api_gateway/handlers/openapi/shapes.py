"""How an operation is told: what it takes and answers, and the operations that all records have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...domain.listings import Listing

Json = dict[str, Any]
ANYTHING: Json = {}
TEXT: Json = {"type": "string"}
TRAITS: Json = {"type": "array", "items": {"type": "string", "maxLength": 255}}


@dataclass(frozen=True, kw_only=True)
class Operation:
    """``query``: a list's rules, or names of parameters. ``body``, ``answer``: a schema, or the name of one.

    ``many``: the answer is ``{many: [answer, …], next}``. ``answer`` None: nothing is said.
    """

    does: str
    query: Listing | tuple[str, ...] = ()
    body: str | Json | None = None
    needs_body: bool = True
    answer: str | Json | None = None
    many: str | None = None
    also: tuple[int, ...] = ()  # other statuses of success
    media: str = "application/json"  # of the answer


def exactly(properties: Json, *required: str) -> Json:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def kept(
    path: str, name: str, listing: Listing, *, words: str, many: str, details: bool = False
) -> dict[str, Operation]:
    """The five or six operations that records have in common."""
    one, article = f"{path}/<ident>", "an" if words[0] in "aeiou" else "a"
    made = {
        f"GET {path}": Operation(does=f"List {several(words)}", query=listing, answer=name, many=many),
        f"POST {path}": Operation(does=f"Create {article} {words}", body=f"New{name}", answer=name),
        f"GET {one}": Operation(does=f"Show {article} {words}", query=("fields",), answer=name),
        f"PATCH {one}": Operation(does=f"Change {article} {words}", body="Patch", answer=name),
        f"DELETE {one}": Operation(does=f"Delete {article} {words}"),
    }
    if details:
        made[f"GET {path}/detail"] = Operation(
            does=f"List {several(words)} with all fields", query=whole(listing), answer=name, many=many
        )
    return made


def several(words: str) -> str:
    return words if words.endswith("s") else f"{words}s"


def whole(listing: Listing) -> Listing:
    """The `/detail` form of a list: it takes neither ``fields`` nor ``detail``."""
    return Listing(
        resource=listing.resource, fields={}, sortable=listing.sortable, filters=listing.filters, detail_since=0
    )


def below(
    path: str, name: str, many: str, listing: Listing, words: str, *, details: bool = True
) -> dict[str, Operation]:
    made = {f"GET {path}": Operation(does=f"List {words}", query=listing, answer=name, many=many)}
    if details:
        made[f"GET {path}/detail"] = Operation(
            does=f"List {words} with all fields", query=whole(listing), answer=name, many=many
        )
    return made


NODE = "/nodes/<ident>"
