"""Every link between the pages leads somewhere, anchors included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .pages import PAGES, ROOT, anchors, broken, misleading


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_a_page_and_a_heading(page: Path) -> None:
    assert broken(page) == []


def test_what_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One `thing`, at once\n[a](#one-thing-at-once) [b](https://example.com/x)\n```\n# not one\n[c](gone.md)\n```\n")
    assert anchors(page) == {"one-thing-at-once"}
    assert broken(page) == []


def test_what_code_says_of_the_pages_is_there(tmp_path: Path) -> None:
    code = [each for folder in ("operator", "tests", "benchmarks", "deploy") for each in (ROOT / folder).rglob("*.py")]
    assert [found for each in code if each.name != "test_pages.py" for found in misleading(each)] == []
    example = tmp_path / "code.py"
    example.write_text(
        'docs/behaviour.md, "Nothing twice"; docs/behaviour.md, "Gone"; docs/gone.md; docs/decisions/0001; docs/decisions/0000'
    )
    assert [found.partition(": ")[2] for found in misleading(example)] == [
        'docs/behaviour.md, "Gone"',
        "docs/gone.md",
        "docs/decisions/0000",
    ]


def test_the_readme_names_the_versions_that_are_tested() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tools = ROOT / "operator" / "chainenv_sandbox"
    modules = {
        "Kubernetes": ("controlplane/gomodule", "k8s.io/kubernetes"),
        "Helm": ("gotools/helm", "helm.sh/helm/v3"),
        "Argo CD": ("gotools/crds", "github.com/argoproj/argo-cd/v3"),
        "Flux": ("gotools/crds", "github.com/fluxcd/kustomize-controller"),
        "Prometheus": ("gotools/prometheus", "github.com/prometheus/prometheus"),
    }
    rows = {row.split("|")[1].strip(): row for row in readme.splitlines() if row.startswith("| ")}
    for name, (folder, module) in modules.items():
        found = re.search(rf"^\s*{re.escape(module)} v(\S+)", (tools / folder / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
        assert found, module
        assert found[1] in rows[name], name
    pythons = re.search(r"python: \[(.*)\]", (ROOT / ".github" / "workflows" / "ci.yaml").read_text(encoding="utf-8"))
    assert pythons
    assert rows["Python"].split("|")[2].strip() == pythons[1].replace('"', "")


def test_the_mapping_has_every_setting_of_baseten() -> None:
    page = (ROOT / "docs" / "field-mapping.md").read_text(encoding="utf-8")
    [file] = (ROOT / "crds").glob("*.yaml")
    schema = yaml.safe_load(file.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]

    def leaves(field: dict[str, Any], path: str) -> Iterator[str]:
        inside, items = field.get("properties", {}), field.get("items")
        if not inside and not items:
            yield path
        for name, more in inside.items():
            yield from leaves(more, f"{path}.{name}")
        if items:
            yield from leaves(items, f"{path}[]")

    for name in ("promotionSettings", "chainletSettings"):
        for path in leaves(schema["properties"][name], f"spec.{name}"):
            last = path.removeprefix("spec.").replace("ID", "_id")
            theirs = re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", last)
            assert f"| `{theirs}` | `{path}` |" in page, path


def test_the_site_leads_to_every_page() -> None:
    listed = re.findall(r"^ +- (?:.*: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    written = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert sorted(listed) == sorted(written | {"index.md", "chart.md", "contributing.md"})
