"""docs/security.md names a test for each attack, and the operator's rights: the tests exist, and nothing is left out."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (?P<attack>[^|]+) \| (?P<answer>[^|]+) \| `(?P<file>[\w/]+\.py)::(?P<test>\w+)` \|$", re.MULTILINE)


def rows() -> list[re.Match[str]]:
    return list(ROW.finditer(PAGE))


def names_of_tests(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")}


def test_each_attack_has_a_test_that_is_there() -> None:
    table = PAGE.partition("| attack | answer | test |\n|---|---|---|\n")[2].partition("\n\n")[0]
    assert len(table.splitlines()) == len(rows()) >= 25, "each row has an attack, an answer and a test"
    missing = [row[0] for row in rows() if row["test"] not in names_of_tests(ROOT / "tests" / row["file"])]
    assert missing == []


def test_what_the_page_tells_people_to_apply_is_there() -> None:
    named = set(re.findall(r"-f (deploy/policies/[\w.-]+)", PAGE))
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "deploy" / "policies").glob("*.yaml")} == named


def test_there_is_a_way_to_report() -> None:
    policy = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "Report a vulnerability" in policy
    assert "docs/security.md" in policy
