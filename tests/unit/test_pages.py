"""Every link between the pages leads somewhere, anchors included."""

from __future__ import annotations

from pathlib import Path

import pytest

from .pages import PAGES, ROOT, anchors, broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_a_page_and_a_heading(page: Path) -> None:
    assert broken(page) == []


def test_what_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One `thing`, at once\n[a](#one-thing-at-once) [b](https://example.com/x)\n```\n# not one\n[c](gone.md)\n```\n")
    assert anchors(page) == {"one-thing-at-once"}
    assert broken(page) == []
