from __future__ import annotations

import hashlib
import io
import os
import tarfile
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from chainenv_sandbox.controlplane import BinariesError, ensure_binaries, versions
from chainenv_sandbox.controlplane.assets import store_in, this_platform

from .helpers import Run, process_arguments, program, wait_for

NOWHERE = "http://127.0.0.1:9/envtest-releases.yaml"  # the discard port: refused at once
SERVERS = ("etcd", "kube-apiserver")
ALL = (*SERVERS, "kubectl")
MINOR = f"v{versions.MAJOR}.{versions.MINOR}"


def fake_kubectl(path: Path, minor: str = "34") -> Path:
    return program(path, f"""echo '{{"clientVersion": {{"major": "1", "minor": "{minor}"}}}}'""")


def fake_go(path: Path, version: str = "1.27.1", before_build: str = ":") -> Path:
    """Its build writes a program that holds the environment of the build."""
    build = 'while [ "$1" != -o ]; do shift; done; env > "$2"; chmod +x "$2"'
    return program(path, f'if [ "$1" = version ]; then echo go version go{version} x/y; exit; fi\n{before_build}\n{build}')


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An empty cache, and a PATH with the system's tools in which neither go nor kubectl is found."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("env", "chmod", "sleep", "sh"):
        source = next(folder / name for folder in (Path("/bin"), Path("/usr/bin")) if (folder / name).exists())
        (tools / name).symlink_to(source)
    return {"PATH": f"{tmp_path / 'bin'}:{tools}", "CHAINENV_SANDBOX_CACHE": str(tmp_path / "cache"), "PIP_NO_INDEX": "1"}


@pytest.fixture
def store(env: dict[str, str]) -> Path:
    return store_in(Path(env["CHAINENV_SANDBOX_CACHE"]))


@pytest.fixture
def published(tmp_path: Path) -> Iterator[str]:
    """A loopback server of the directory `published`; its URL."""
    directory = tmp_path / "published"
    directory.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def publish(directory: Path, url: str, releases: Mapping[str, tuple[str, ...]], sha512: str | None = None) -> str:
    """Writes an archive for each version with the files named, and the index; returns the index' URL."""
    index: dict[str, dict[str, dict[str, str]]] = {}
    for version, files in releases.items():
        name = f"envtest-{version}-{this_platform()}.tar.gz"
        with tarfile.open(directory / name, "w:gz") as archive:
            for file in files:
                content = f"#!/bin/sh\necho {file} {version}\n".encode()
                member = tarfile.TarInfo(f"controller-tools/envtest/{file}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        digest = sha512 or hashlib.sha512((directory / name).read_bytes()).hexdigest()
        index[version] = {name: {"hash": digest, "selfLink": f"{url}/{name}"}}
    (directory / "index.yaml").write_text(yaml.safe_dump({"releases": index}))
    return f"{url}/index.yaml"


class TestChosenDirectory:
    def test_is_used_and_nothing_else(self, env: dict[str, str], store: Path, tmp_path: Path) -> None:
        for name in ALL:
            program(tmp_path / "mine" / name, ":")
        fake_kubectl(tmp_path / "bin" / "kubectl")
        assets = ensure_binaries(environ={**env, "KUBEBUILDER_ASSETS": str(tmp_path / "mine")}, index_url=NOWHERE)
        assert (assets.directory, assets.kubectl) == (tmp_path / "mine", tmp_path / "mine" / "kubectl")
        assert not store.exists()

    def test_takes_kubectl_from_path_when_it_has_none(self, env: dict[str, str], tmp_path: Path) -> None:
        for name in SERVERS:
            program(tmp_path / "mine" / name, ":")
        kubectl = fake_kubectl(tmp_path / "bin" / "kubectl")
        assert ensure_binaries(environ={**env, "KUBEBUILDER_ASSETS": str(tmp_path / "mine")}).kubectl == kubectl

    def test_that_lacks_a_server_is_an_error(self, env: dict[str, str], tmp_path: Path) -> None:
        program(tmp_path / "mine" / "etcd", ":")
        fake_kubectl(tmp_path / "bin" / "kubectl")
        with pytest.raises(BinariesError, match="has no executable kube-apiserver"):
            ensure_binaries(environ={**env, "KUBEBUILDER_ASSETS": str(tmp_path / "mine")})


class TestCache:
    def test_is_used_without_a_word(self, env: dict[str, str], store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for name in ALL:
            program(store / name, ":")
        fake_go(tmp_path / "bin" / "go", before_build="exit 1")
        assets = ensure_binaries(environ=env, index_url=NOWHERE)
        assert assets.directory == store
        assert assets.kubectl == store / "kubectl"
        assert capsys.readouterr().err == ""

    @pytest.mark.parametrize(("minor", "used"), [("34", True), ("32+", True), ("29", False), ("", False)])
    def test_kubectl_on_path_must_be_able_to_talk_to_the_server(
        self, env: dict[str, str], store: Path, tmp_path: Path, minor: str, used: bool
    ) -> None:
        for name in ALL:
            program(store / name, ":")
        kubectl = fake_kubectl(tmp_path / "bin" / "kubectl", minor)
        assert ensure_binaries(environ=env).kubectl == (kubectl if used else store / "kubectl")

    def test_what_is_no_program_does_not_count(self, env: dict[str, str], store: Path, tmp_path: Path) -> None:
        for name in ALL:
            program(store / name, ":")
        (store / "etcd").chmod(0o644)
        fake_go(tmp_path / "bin" / "go")
        assert os.access(ensure_binaries(environ=env, index_url=NOWHERE).etcd, os.X_OK)


class TestPublishedArchive:
    def test_the_newest_patch_of_the_minor(self, env: dict[str, str], store: Path, tmp_path: Path, published: str) -> None:
        releases = dict.fromkeys((f"{MINOR}.2", f"{MINOR}.10", f"{MINOR}.11-rc.0", "v1.99.0", f"v1.{versions.MINOR - 1}.9"), ALL)
        index = publish(tmp_path / "published", published, releases)
        assets = ensure_binaries(environ=env, index_url=index)
        assert assets.directory == store
        assert f"etcd {MINOR}.10" in assets.etcd.read_text()
        assert {path.name for path in store.iterdir()} == set(ALL)
        assert all(os.access(store / name, os.X_OK) for name in ALL)

    def test_a_wrong_checksum_is_refused(self, env: dict[str, str], store: Path, tmp_path: Path, published: str) -> None:
        fake_go(tmp_path / "bin" / "go")
        index = publish(tmp_path / "published", published, {f"{MINOR}.1": ALL}, sha512="0" * 128)
        with pytest.raises(BinariesError, match="checksum"):
            ensure_binaries(environ=env, index_url=index)
        assert list(store.iterdir()) == []

    @pytest.mark.parametrize(
        ("releases", "reason"),
        [
            ({"v1.20.0": ALL}, f"no archive of Kubernetes {MINOR}"),
            ({f"{MINOR}.1": SERVERS}, "lacks kubectl"),
        ],
        ids=["other minors only", "incomplete"],
    )
    def test_that_does_not_serve_leads_to_a_build(
        self,
        env: dict[str, str],
        tmp_path: Path,
        published: str,
        capsys: pytest.CaptureFixture[str],
        releases: dict[str, tuple[str, ...]],
        reason: str,
    ) -> None:
        fake_go(tmp_path / "bin" / "go")
        ensure_binaries(environ=env, index_url=publish(tmp_path / "published", published, releases))
        said = capsys.readouterr().err
        assert reason in said
        assert "building kubectl: done" in said

    def test_an_index_that_is_none(self, env: dict[str, str], tmp_path: Path, published: str, capsys: pytest.CaptureFixture[str]) -> None:
        fake_go(tmp_path / "bin" / "go")
        (tmp_path / "published" / "index.yaml").write_text("<html>log in to the hotel's network</html>")
        ensure_binaries(environ=env, index_url=f"{published}/index.yaml")
        assert "is not an index of envtest releases" in capsys.readouterr().err


class TestBuild:
    def test_without_a_network(self, env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        go = fake_go(tmp_path / "bin" / "go")
        kubectl = fake_kubectl(tmp_path / "bin" / "kubectl")
        assets = ensure_binaries(environ={**env, "GOOS": "plan9", "GOFLAGS": "-mod=vendor"}, index_url=NOWHERE)
        built_with = assets.kube_apiserver.read_text().splitlines()
        assert {"GOFLAGS=-mod=readonly", "GOTOOLCHAIN=local", "CGO_ENABLED=0", "GOWORK=off"} <= set(built_with)
        assert not any(line.startswith("GOOS=") for line in built_with)
        assert assets.kubectl == kubectl
        said = capsys.readouterr().err
        assert "the published envtest archive: not possible" in said
        assert f"with Go 1.27.1, {go}" in said
        assert "building kubectl" not in said

    def test_when_nothing_works_says_what_was_tried_and_what_to_do(self, env: dict[str, str], store: Path, tmp_path: Path) -> None:
        fake_go(tmp_path / "bin" / "go", version="1.21.3")
        with pytest.raises(BinariesError) as error:
            ensure_binaries(environ=env, index_url=NOWHERE)
        for part in (str(store), "the published envtest archive:", "go build:", "the installation of Go failed", "KUBEBUILDER_ASSETS"):
            assert part in str(error.value)
        assert list(store.iterdir()) == []

    def test_a_failed_build_keeps_what_was_built_and_shows_the_compilers_words(
        self, env: dict[str, str], store: Path, tmp_path: Path
    ) -> None:
        fail = 'case "$*" in *kube-apiserver) echo no space left on device; exit 2;; esac'
        fake_go(tmp_path / "bin" / "go", before_build=fail)
        with pytest.raises(BinariesError, match="no space left on device"):
            ensure_binaries(environ=env, index_url=NOWHERE)
        assert [path.name for path in store.iterdir()] == ["etcd"]


class TestTwoRuns:
    CODE = f"from chainenv_sandbox.controlplane import ensure_binaries; ensure_binaries(index_url={NOWHERE!r})"

    @pytest.fixture
    def slow_go(self, tmp_path: Path) -> None:
        wait = f"echo $$ >> {tmp_path}/builds; while [ ! -e {tmp_path}/go-on ]; do sleep 0.02; done"
        fake_go(tmp_path / "bin" / "go", before_build=wait)

    def builds(self, tmp_path: Path) -> list[int]:
        file = tmp_path / "builds"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    @pytest.mark.usefixtures("slow_go")
    def test_at_once_build_once(self, env: dict[str, str], store: Path, tmp_path: Path, python: Run) -> None:
        first = python("-c", self.CODE, env=env)
        wait_for(lambda: self.builds(tmp_path), "the first build")
        second = python("-c", self.CODE, env=env)
        wait_for(lambda: "another run is filling" in (tmp_path / "stderr-1").read_text(), "the second run to wait")
        (tmp_path / "go-on").touch()
        assert (first.wait(60), second.wait(60)) == (0, 0)
        assert len(self.builds(tmp_path)) == len(ALL)
        assert {path.name for path in store.iterdir()} == set(ALL)

    @pytest.mark.usefixtures("slow_go")
    def test_a_killed_one_leaves_no_compiler_and_no_half_file(self, env: dict[str, str], store: Path, tmp_path: Path, python: Run) -> None:
        first = python("-c", self.CODE, env=env)
        wait_for(lambda: self.builds(tmp_path), "the first build")
        first.kill()
        wait_for(lambda: self.builds(tmp_path)[0] not in process_arguments(), "the compiler to be gone")
        assert not any((store / name).exists() for name in ALL)
        (tmp_path / "go-on").touch()
        ensure_binaries(environ=env, index_url=NOWHERE)
        assert {path.name for path in store.iterdir()} == set(ALL)
