"""Which GitOps controller keeps a field."""

from __future__ import annotations

from typing import Any

import pytest

from chainenv.cli.owners import git_owner


def entry(manager: str, *fields: str, **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": "Apply", "fieldsV1": {"f:spec": {f"f:{name}": {} for name in fields}}, **more}


@pytest.mark.parametrize(
    ("entries", "owner"),
    [
        ([entry("argocd-controller", "chainID", "deploymentID")], "Argo CD"),
        ([entry("argocd-application-controller", "deploymentID")], "Argo CD"),
        ([entry("kustomize-controller", "deploymentID")], "Flux"),
        ([entry("helm-controller", "deploymentID")], "Flux"),
        ([entry("flux-client-side-apply", "deploymentID")], "Flux"),
        ([entry("argocd-controller", "chainID"), entry("kubectl-client-side-apply", "deploymentID")], None),
        ([entry("kubectl-edit", "deploymentID"), entry("argocd-controller", "deploymentID")], "Argo CD"),
        ([entry("argocd-controller", "deploymentIDs")], None),
        ([entry("my-argocd-fan", "deploymentID")], None),
        ([{"manager": "argocd-controller"}, {"fieldsV1": {"f:spec": {"f:deploymentID": {}}}}, "nonsense"], None),
        ([], None),
    ],
)
def test_owner_of_the_deployment(entries: list[Any], owner: str | None) -> None:
    assert git_owner({"metadata": {"managedFields": entries}}, "deploymentID") == owner


def test_an_object_without_managed_fields_has_no_owner() -> None:
    assert git_owner({"metadata": {}}, "deploymentID") is None
