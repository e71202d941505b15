"""The archive of control plane binaries that kubernetes-sigs/controller-tools publishes for envtest."""

from __future__ import annotations

import hashlib
import re
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
import yaml

from chainenv_sandbox.controlplane import versions
from chainenv_sandbox.controlplane.assets import KUBECTL, SERVERS, BinariesError, UnavailableError, placed, this_platform
from chainenv_sandbox.controlplane.progress import progress, report

INDEX_URL = "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml"
TIMEOUT = httpx.Timeout(30, connect=3)


@dataclass(frozen=True)
class Archive:
    name: str
    url: str
    sha512: str


def install(store: Path, index_url: str) -> None:
    """Puts the three binaries into `store`. Raises UnavailableError, and BinariesError when the archive is not what the index says."""
    report(f"searching for a published envtest archive of Kubernetes v{versions.MAJOR}.{versions.MINOR} ({index_url})")
    try:
        with httpx.Client(timeout=TIMEOUT, follow_redirects=True) as client:
            archive = _newest(client, index_url)
            with tempfile.TemporaryFile() as file:
                _download(client, archive, file)
                _unpack(archive, file, store)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UnavailableError(str(error) or type(error).__name__) from error


def _newest(client: httpx.Client, url: str) -> Archive:
    """The newest patch of the wanted minor that has an archive for this platform. Pre-releases do not count."""
    response = client.get(url)
    response.raise_for_status()
    try:
        releases: dict[str, Any] = dict(yaml.safe_load(response.text)["releases"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise UnavailableError(f"{url} is not an index of envtest releases") from error
    wanted = re.compile(rf"v{versions.MAJOR}\.{versions.MINOR}\.(\d+)")
    patches = sorted(((int(match[1]), version) for version in releases if (match := wanted.fullmatch(str(version)))), reverse=True)
    for _, version in patches:
        name = f"envtest-{version}-{this_platform()}.tar.gz"
        if entry := releases[version].get(name):
            return Archive(name, entry["selfLink"], entry["hash"])
    raise UnavailableError(f"no archive of Kubernetes v{versions.MAJOR}.{versions.MINOR} for {this_platform()} is published")


def _download(client: httpx.Client, archive: Archive, file: IO[bytes]) -> None:
    digest = hashlib.sha512()
    with client.stream("GET", archive.url) as response, progress(f"downloading {archive.name}", "about 80 MB, seconds") as running:
        response.raise_for_status()
        for chunk in response.iter_bytes():
            file.write(chunk)
            digest.update(chunk)
            running.update(f"{file.tell() / 1e6:.0f} MB")
    if digest.hexdigest() != archive.sha512:
        raise BinariesError(
            f"{archive.url} does not have the checksum of the index, so it was not unpacked\n"
            f"  sha512 wanted: {archive.sha512}\n  sha512 got:    {digest.hexdigest()}\n"
            "Try again; if it stays so, something between here and there changes the file. "
            "KUBEBUILDER_ASSETS=<directory with etcd and kube-apiserver> goes without it."
        )


def _unpack(archive: Archive, file: IO[bytes], store: Path) -> None:
    """Only the files wanted, under their bare names: paths within the archive are never followed."""
    file.seek(0)
    missing = {*SERVERS, KUBECTL}
    try:
        with tarfile.open(fileobj=file, mode="r:gz") as members:
            for member in members:
                name = Path(member.name).name
                if name in missing and member.isfile() and (source := members.extractfile(member)):
                    with placed(store / name) as temporary:
                        with temporary.open("wb") as out:
                            shutil.copyfileobj(source, out, 1 << 20)
                        temporary.chmod(0o755)
                    missing.discard(name)
    except tarfile.TarError as error:
        raise UnavailableError(f"{archive.name} cannot be unpacked: {error}") from error
    if missing:
        raise UnavailableError(f"{archive.name} lacks {', '.join(sorted(missing))}")
