"""Which tools there are, and what each is built from. helm takes the sandbox's Kubernetes for the cluster's when it only renders."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from chainenv_sandbox.controlplane.versions import MAJOR, MINOR

HERE: Traversable = resources.files(__package__)
SOURCES = (".go", ".mod", ".sum")


@dataclass(frozen=True)
class Tool:
    """`package` is relative to the module of its folder. `about` is how long a first build takes."""

    name: str
    package: str
    about: str
    shares: str = ""
    """The folder of go.mod, where it has not the tool's own name."""
    module: str | None = None
    linked: tuple[str, ...] = ()
    """Variables set by the linker, as `name=value`; {version} is the module's."""
    tags: str = ""

    @property
    def folder(self) -> str:
        return self.shares or self.name

    @property
    def version(self) -> str:
        """Of the module that it comes from; our own programs have none."""
        return required(self.folder)[self.module] if self.module else ""

    @property
    def linker_flags(self) -> str:
        """A program built from a module does not know its version by itself."""
        return " ".join(["-s -w", *(f"-X {each.format(version=self.version)}" for each in self.linked)])


def _of_prometheus(name: str, about: str) -> Tool:
    """Without service discovery: most of the size, and nothing that a rule or a fixed target needs."""
    return Tool(
        name,
        f"github.com/prometheus/prometheus/cmd/{name}",
        about,
        shares="prometheus",
        module="github.com/prometheus/prometheus",
        linked=("github.com/prometheus/common/version.Version={version}",),
        tags="remove_all_sd",
    )


TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "helm",
            "helm.sh/helm/v3/cmd/helm",
            "1 to 3 minutes",
            module="helm.sh/helm/v3",
            linked=(
                "helm.sh/helm/v3/internal/version.version={version}",
                *(f"helm.sh/helm/v3/pkg/{package}.k8sVersionMajor={MAJOR}" for package in ("chartutil", "lint/rules")),
                *(f"helm.sh/helm/v3/pkg/{package}.k8sVersionMinor={MINOR}" for package in ("chartutil", "lint/rules")),
            ),
        ),
        _of_prometheus("promtool", "2 to 4 minutes"),
        _of_prometheus("prometheus", "1 to 4 minutes"),
        Tool(
            "actionlint",
            "github.com/rhysd/actionlint/cmd/actionlint",
            "some seconds",
            module="github.com/rhysd/actionlint",
            linked=("github.com/rhysd/actionlint.version={version}",),
        ),
        Tool("judge", ".", "about 1 minute"),
        Tool("argodiff", ".", "1 to 3 minutes"),
        Tool("dashboard", ".", "half a minute"),
    )
}

CRDS: Mapping[str, tuple[str, str]] = {
    "argocd-application.yaml": ("github.com/argoproj/argo-cd/v3", "manifests/crds/application-crd.yaml"),
    "argocd-applicationset.yaml": ("github.com/argoproj/argo-cd/v3", "manifests/crds/applicationset-crd.yaml"),
    "flux-kustomization.yaml": (
        "github.com/fluxcd/kustomize-controller",
        "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",
    ),
    "flux-gitrepository.yaml": (
        "github.com/fluxcd/source-controller",
        "config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml",
    ),
}
"""File name here: module, and path within it."""


def sources(folder: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of what the folder's program is built from."""
    for each in sorted(HERE.joinpath(folder).iterdir(), key=lambda file: file.name):
        if each.name.endswith(SOURCES):
            yield each.name, each.read_bytes()


def digest(name: str) -> str:
    """Another one as soon as anything changes that the tool (or `crds`) is built from."""
    tool = TOOLS.get(name)
    found = hashlib.sha256(f"{tool.linker_flags}{tool.tags}".encode() if tool else b"")
    for file, content in sources(tool.folder if tool else name):
        found.update(f"{file} {len(content)}\n".encode() + content)
    return found.hexdigest()[:12]


def required(folder: str) -> dict[str, str]:
    """Modules and versions that the folder's go.mod names."""
    text = dict(sources(folder))["go.mod"].decode()
    return dict(re.findall(r"^(?:require)?\s+([a-z0-9.-]+\.[a-z]+/\S+)\s+(v\S+)", text, re.MULTILINE))
