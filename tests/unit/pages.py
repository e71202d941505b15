"""The pages of the project: their links and the anchors of their headings."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")])
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Of the headings, as they are made from their words: lower case, hyphens for spaces, nothing else kept."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    plain = [re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in plain}


def links(page: Path) -> list[str]:
    """To other places of the project."""
    return [link for link in LINK.findall(prose(page)) if not re.match(r"[a-z]+:", link)]


def broken(page: Path) -> list[str]:
    found = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(f"{page.relative_to(ROOT)}: {link}")
    return found


REFERENCE = re.compile(r'docs/(decisions/\d{4}|[\w/-]+\.md)(?:, "([^"]+)")?')
"""In code: a page of docs/ and, in quotes, the heading that is meant; of a decision its number alone."""


def misleading(code: Path) -> list[str]:
    """References from code to pages or headings that are not there."""
    found = []
    for reference in REFERENCE.finditer(code.read_text(encoding="utf-8")):
        path, heading = reference.groups()
        pages = list((ROOT / "docs").glob(f"{path}-*.md" if path.startswith("decisions/") else path))
        if len(pages) != 1 or (heading and f"# {heading}\n" not in prose(pages[0])):
            found.append(f"{code}: {reference[0]}")
    return found
