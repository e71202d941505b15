"""Which GitOps controller keeps a field, by the object's managedFields. Pure."""

from __future__ import annotations

from .view import Object, items, part

FLUX = frozenset({"kustomize-controller", "helm-controller", "gitops-toolkit"})


def git_owner(resource: Object, field: str) -> str | None:
    """``Argo CD`` or ``Flux`` when it keeps ``spec.<field>``: what is written there beside Git is put back."""
    for entry in items(part(resource, "metadata"), "managedFields"):
        if f"f:{field}" in part(entry, "fieldsV1", "f:spec"):
            manager = str(entry.get("manager", ""))
            if manager.startswith(("argocd", "argo-cd")):
                return "Argo CD"
            if manager in FLUX or manager.startswith("flux"):
                return "Flux"
    return None
