"""The settings page is what the code says."""

from __future__ import annotations

from pathlib import Path

from steelyard_local.reference import settings_page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"


def test_the_settings_page_is_up_to_date() -> None:
    assert PAGE.read_text() == settings_page(), "run `make docs`"
