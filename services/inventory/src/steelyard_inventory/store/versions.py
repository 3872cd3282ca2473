"""Changes that are meant for what the caller has seen: ``If-Match`` (RFC 9110 §13.1.1).

A row's version is PostgreSQL's own (``xmin``): each change of a row makes a new one, whoever makes it, and it costs
nothing to keep. It is looked at after the row was taken, so that nobody comes in between.
"""

from __future__ import annotations

import functools

from sqlalchemy import Connection, Table, bindparam, select
from steelyard_common.errors import PreconditionFailed

from .pages import version_of
from .sql import Prepared


def require(connection: Connection, table: Table, uuid: str, wanted: tuple[str, ...] | None) -> None:
    """``uuid``: of a row that is taken; ``wanted`` None: whatever it is, which costs nothing.

    Errors: PreconditionFailed."""
    if wanted is None:
        return
    found = _statement(table).row(connection, {"uuid": uuid})
    if found is None or found[0] not in wanted:
        raise PreconditionFailed(
            f"{uuid} was changed after it was read: its ETag is no longer the one in If-Match. Read it again, and make"
            " the change to what it is now."
        )


@functools.lru_cache(maxsize=32)
def _statement(table: Table) -> Prepared:
    return Prepared(select(version_of(table)).where(table.c.uuid == bindparam("uuid", type_=table.c.uuid.type)))
