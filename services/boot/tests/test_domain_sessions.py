"""To whom the token of a boot is told again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from steelyard_boot.domain.sessions import Session, is_of, is_told_again, of_boot

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOLD = Session(node_uuid="n1", token="sealed:t", issued_at=NOW, issued_to="req-1", boot="1")


def test_the_request_that_a_token_was_issued_to_is_told_it_again() -> None:
    assert is_of(TOLD, "req-1")
    assert is_told_again(TOLD, "req-1")


@pytest.mark.parametrize("request_id", ["req-2", ""])
@pytest.mark.parametrize("issued_to", ["req-1", "", None])
def test_no_other_request_is(issued_to: str | None, request_id: str) -> None:
    session = replace(TOLD, issued_to=issued_to)

    assert not is_of(session, request_id)
    assert not is_told_again(session, request_id)


@pytest.mark.parametrize("change", [{"last_heartbeat_at": NOW}, {"pregenerated": True}, {"token": None}])
def test_it_is_told_no_more_once_it_is_used_or_when_it_travels_otherwise(change: dict[str, Any]) -> None:
    assert not is_told_again(replace(TOLD, **change), "req-1")


def test_another_boot_forgets_the_request_with_the_token() -> None:
    assert of_boot(TOLD, "1") == TOLD
    assert of_boot(TOLD, "2") == Session(node_uuid="n1", boot="2")
