"""kubectl as a person with a manifest uses it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from .cluster import Cluster, Json


class Kubectl:
    """kubectl in a namespace of the test's own."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.namespace = cluster.new_namespace()

    def __call__(self, *arguments: str, input: str | None = None, check: bool = True) -> str:
        return self._run(*arguments, input=input, check=check).stdout

    def _run(self, *arguments: str, input: str | None, check: bool) -> subprocess.CompletedProcess[str]:
        return self.cluster.kubectl(*arguments, namespace=self.namespace, input=input, check=check)

    def apply(self, manifest: Json) -> Json:
        self("apply", "-f", "-", input=json.dumps(manifest))
        return self.cluster.resource(self.namespace, manifest["metadata"]["name"])

    def refusal(self, manifest: Json, *flags: str) -> str:
        """What kubectl says; fails the test when the manifest is taken."""
        done = self._run("apply", *flags, "-f", "-", input=json.dumps(manifest), check=False)
        assert done.returncode == 1, f"kubectl took it: {done.stdout}"
        return done.stderr

    def create(self, manifest: Json, *, dry_run: bool = False) -> None:
        """For what is too large for the annotation that apply writes."""
        self("create", *(["--dry-run=server"] if dry_run else []), "-f", "-", input=json.dumps(manifest))

    def refused_to_create(self, manifest: Json) -> str:
        done = self._run("create", "--dry-run=server", "-f", "-", input=json.dumps(manifest), check=False)
        assert done.returncode == 1, f"kubectl took it: {done.stdout}"
        return done.stderr

    def edit(self, name: str, operations: list[Json]) -> None:
        """A JSON patch."""
        self("patch", "chenv", name, "--type=json", "-p", json.dumps(operations))

    def refused_edit(self, name: str, operations: list[Json]) -> str:
        done = self._run("patch", "chenv", name, "--type=json", "-p", json.dumps(operations), input=None, check=False)
        assert done.returncode == 1, f"kubectl took it: {done.stdout}"
        return done.stderr


@pytest.fixture
def kubectl(cluster: Cluster) -> Iterator[Kubectl]:
    kubectl = Kubectl(cluster)
    yield kubectl
    cluster.clear(kubectl.namespace)
