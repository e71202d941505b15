"""`chainenv-sandbox up`: everything in the foreground, until a signal."""

from __future__ import annotations

import json
import os
import shlex
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click

from chainenv_sandbox.controlplane import ControlPlane, ensure_kubectl
from chainenv_sandbox.controlplane.access import write_private
from chainenv_sandbox.controlplane.kubectl import require_success, run_kubectl
from chainenv_sandbox.controlplane.progress import report

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CHECK_SECONDS = 0.5
SIMULATOR_KEY = "sandbox-key"
SAMPLE = "deploy/samples/staging.yaml"


@dataclass(frozen=True)
class Options:
    kubeconfig: Path | None
    """Of a cluster that is already there."""
    write_kubeconfig: Path
    baseten: bool = True
    baseten_port: int = 0
    crds: Path | None = None
    audit: bool = False


ESTABLISHED = '--for=jsonpath={.status.conditions[?(@.type=="Established")].status}=True'
"""As a condition, `kubectl wait` gives up on a CRD that is so young that it has no conditions at all; so, it says _TOO_YOUNG then."""
_TOO_YOUNG = "cannot be filtered"


def run(options: Options) -> None:
    """Returns on SIGINT, SIGTERM or SIGHUP, when all has been stopped. Raises when etcd or kube-apiserver ends by itself."""
    try:
        with interrupted_by_signals(), ExitStack() as stack:
            plane = None if options.kubeconfig else _control_plane(stack, options)
            kubeconfig = (options.kubeconfig or options.write_kubeconfig).absolute()
            root = checkout()
            directory = options.crds or (root / "crds" if root and plane else None)
            if files := sorted(directory.glob("*.yaml")) if directory else []:
                report(f"applying {', '.join(file.name for file in files)}")
                apply_crds(plane.kubectl_program if plane else ensure_kubectl(), files, kubeconfig)
            variables = {"KUBECONFIG": str(kubeconfig)}
            if options.baseten:
                from chainenv_sandbox.baseten.process import start_simulator

                simulator = stack.enter_context(start_simulator(keys={"default": SIMULATOR_KEY}, port=options.baseten_port))
                report(f"the Baseten simulator serves at {simulator.base_url}")
                variables |= {"BASETEN_BASE_URL": simulator.base_url, "BASETEN_API_KEY": SIMULATOR_KEY}
            _announce(variables, plane)
            while True:
                if plane:
                    plane.require_alive()
                time.sleep(CHECK_SECONDS)
    except KeyboardInterrupt:
        report("stopped")


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Each of the signals raises KeyboardInterrupt, once: the clean-up that follows is not disturbed by a second one."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    # What is ignored already stays so: that is how nohup works.
    before = {number: handler for number in STOPPING if (handler := signal.getsignal(number)) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _control_plane(stack: ExitStack, options: Options) -> ControlPlane:
    started = time.monotonic()
    plane = stack.enter_context(ControlPlane.start(audit=options.audit))
    target, text = options.write_kubeconfig.absolute(), plane.kubeconfig.read_text()
    target.parent.mkdir(parents=True, exist_ok=True)
    write_private(target, text)

    def remove() -> None:
        """Unless somebody else, such as a second sandbox, has written it since."""
        if target.exists() and target.read_text() == text:
            target.unlink()

    stack.callback(remove)
    report(f"etcd and kube-apiserver serve at {plane.url} after {time.monotonic() - started:.1f} s")
    return plane


def apply_crds(program: Path, files: Iterable[Path], kubeconfig: Path) -> None:
    """Returns when they can be used. Raises KubectlError."""
    named = [f"--filename={file}" for file in files]
    require_success(run_kubectl(program, "apply", "--server-side", *named, kubeconfig=kubeconfig))
    deadline = time.monotonic() + 30
    while True:
        waited = run_kubectl(program, "wait", ESTABLISHED, "--timeout=30s", *named, kubeconfig=kubeconfig)
        if _TOO_YOUNG not in waited.stderr or time.monotonic() > deadline:
            require_success(waited)
            return
        time.sleep(0.1)


def neutral_environment() -> dict[str, str]:
    """Ours, without what would point kubectl or the operator elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("CHAINENV_", "BASETEN_", "KUBE"))}


def checkout() -> Path | None:
    """The root of the source tree that this file lies in; None when installed from a wheel."""
    operator = Path(__file__).resolve().parents[1]
    return operator.parent if operator.name == "operator" and (operator.parent / "crds").is_dir() else None


def _announce(variables: dict[str, str], plane: ControlPlane | None) -> None:
    """On stdout, and fit to be sourced by a shell."""
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    lines = [f"audit log: {plane.audit_log}"] if plane and plane.audit_log else []
    lines += [
        "In another terminal, with the lines above:",
        "  chainenv run --poll-seconds=5 --probe-port=0 --metrics-port=0    # the operator, against this sandbox",
        *([f"  kubectl apply -f {SAMPLE}"] if checkout() else ()),
        "  kubectl get chainenvironments -A --watch",
        *(_with_baseten() if "BASETEN_BASE_URL" in variables else ()),
        "Ctrl-C stops everything.",
    ]
    for line in lines:
        click.echo(f"# {line}".rstrip())


def _with_baseten() -> Iterator[str]:
    """What is there, and what can be done to it. Each line that begins with curl can be typed as it stands."""
    from chainenv_sandbox.baseten.simulation import DEFAULT_CHAINS

    yield ""
    for chain in DEFAULT_CHAINS:
        yield f"Chain {chain.id} has the chainlets {', '.join(chain.chainlets)}; its environment production serves."
    yield "A second one:"
    yield _control("POST", "chains", '{"id": "efgh5678", "chainlets": ["Embed", "Rank"]}')
    yield ""
    yield "Make things go wrong:"
    first, chainlet = DEFAULT_CHAINS[0].id, DEFAULT_CHAINS[0].chainlets[0]
    drift = json.dumps({"autoscaling": {chainlet: {"max_replica": 9}}})
    for text, method, path, body in (
        ("drift, as if somebody changed a setting", "PATCH", f"chains/{first}/environments/production", drift),
        ("the next deployment fails", "POST", f"chains/{first}/failures", '{"status": "BUILD_FAILED"}'),
        ("Baseten answers 503 to the next 20 calls", "POST", "faults", '{"kind": "answer", "status": 503, "times": 20}'),
        ("the answer to the next change is lost", "POST", "faults", '{"kind": "reset", "point": "after_effect", "method": "PATCH"}'),
        ("at most 2 requests a second", "PATCH", "options", '{"rate_limit": 2}'),
        ("the key is revoked", "DELETE", "keys/default", ""),
        ("no fault any more", "DELETE", "faults", ""),
        ("all as in the beginning, the key too", "POST", "reset", ""),
    ):
        yield f"{text}:"
        yield _control(method, path, body)
    yield ""
    yield "Every call that the operator made:"
    yield '  curl -fsS "$BASETEN_BASE_URL/_control/journal"'


def _control(method: str, path: str, body: str) -> str:
    data = f" -d '{body}'" if body else ""
    return f'  curl -fsS -X {method} "$BASETEN_BASE_URL/_control/{path}"{data}'
