"""python docs/site_pages.py: writes to build/pages what the site is made of (make docs). The README is its first page.

The pages link to files of the checkout that are no pages; on the site these links lead to the repository.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
PAGES = ROOT / "build" / "pages"
IMAGES = DOCS / "images"
REPOSITORY = "https://git.example.com/platform/chainenv/blob/main"
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def main() -> None:
    shutil.rmtree(PAGES, ignore_errors=True)
    for source, target in pages().items():
        page = PAGES / target
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(relinked(source, target), encoding="utf-8")
    shutil.copytree(IMAGES, PAGES / IMAGES.name)


def pages() -> dict[Path, Path]:
    """Each page of the checkout, and where it is on the site."""
    found = {page: page.relative_to(DOCS) for page in DOCS.rglob("*.md")}
    chart = ROOT / "deploy" / "helm" / "chainenv-operator" / "README.md"
    return {**found, ROOT / "README.md": Path("index.md"), chart: Path("chart.md"), ROOT / "CONTRIBUTING.md": Path("contributing.md")}


def relinked(source: Path, target: Path) -> str:
    known = pages()

    def link(found: re.Match[str]) -> str:
        path, anchor = (source.parent / found[1]).resolve(), found[2] or ""
        if path in known:
            up = "../" * len(target.parent.parts)
            return f"]({up}{known[path]}{anchor})"
        if path.parent == IMAGES:
            return f"]({'../' * len(target.parent.parts)}{IMAGES.name}/{path.name}{anchor})"
        return f"]({REPOSITORY}/{path.relative_to(ROOT)}{anchor})"

    return LINK.sub(link, source.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
