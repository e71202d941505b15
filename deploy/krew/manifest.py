"""The krew plugin: its archive, and the manifest that names the archive's hash (make generate).

python deploy/krew/manifest.py FILE.zip: writes the archive that a release offers. Nothing in it is compressed or dated, so it is the
same wherever it is made.
"""

from __future__ import annotations

import hashlib
import io
import re
import sys
import zipfile
from pathlib import Path

import yaml

KREW = Path(__file__).parent
ROOT = KREW.parents[1]
REPOSITORY = "https://git.example.com/platform/chainenv"
ARCHIVE = "kubectl-chainenv.zip"
LONG_AGO = (1980, 1, 1, 0, 0, 0)


def version() -> str:
    text = (ROOT / "operator" / "chainenv" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.*)"$', text, re.MULTILINE)
    assert found
    return found[1]


def archive() -> bytes:
    launcher = (KREW / "kubectl-chainenv").read_text(encoding="utf-8").replace("@VERSION@", version())
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as file:
        for name, text, mode in (("kubectl-chainenv", launcher, 0o755), ("LICENSE", (ROOT / "LICENSE").read_text(encoding="utf-8"), 0o644)):
            entry = zipfile.ZipInfo(name, LONG_AGO)
            entry.create_system, entry.external_attr = 3, (0o100000 | mode) << 16  # Unix: the mode is krew's to keep
            file.writestr(entry, text)
    return data.getvalue()


def manifest() -> str:
    description = (
        "Shows chain environments as a tree with their deployments, replicas, history and cost, changes what serves in them, "
        "waits for them, reads their logs, and exports what a chain has on Baseten as manifests."
    )
    plugin = {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "chainenv"},
        "spec": {
            "version": f"v{version()}",
            "homepage": REPOSITORY,
            "shortDescription": "Show and change Baseten chain environments",
            "description": description,
            "caveats": "It needs uv or pipx on PATH, which fetch the program itself at its first use.",
            "platforms": [
                {
                    "selector": {"matchExpressions": [{"key": "os", "operator": "In", "values": ["darwin", "linux"]}]},
                    "uri": f"{REPOSITORY}/releases/download/v{version()}/{ARCHIVE}",
                    "sha256": hashlib.sha256(archive()).hexdigest(),
                    "bin": "kubectl-chainenv",
                    "files": [{"from": name, "to": "."} for name in ("kubectl-chainenv", "LICENSE")],
                }
            ],
        },
    }
    return yaml.safe_dump(plugin, sort_keys=False, width=120)


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(archive())
