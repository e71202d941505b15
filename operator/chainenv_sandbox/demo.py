"""`chainenv-sandbox demo`: the story of one chain environment, played with the real commands and their real output."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click
import httpx

from chainenv_sandbox.baseten.process import start_simulator
from chainenv_sandbox.controlplane import ControlPlane
from chainenv_sandbox.controlplane.progress import report
from chainenv_sandbox.demo_shell import Shell
from chainenv_sandbox.processes import Child
from chainenv_sandbox.up import CHECK_SECONDS, ESTABLISHED, SIMULATOR_KEY, checkout, interrupted_by_signals

SAMPLE = "deploy/samples/staging.yaml"
CHANGED_SAMPLE = "deploy/samples/staging-new-instance-types.yaml"
ENVIRONMENT = "$BASETEN_BASE_URL/v1/chains/abcd1234/environments/staging"
INTERRUPTED = 130

ROLLOUT = (
    "kubectl get chenv staging --watch -o custom-columns="
    "CURRENT:.status.currentDeployment.id,CANDIDATE:.status.candidateDeployment.id,CANDIDATE-STATUS:.status.candidateDeployment.status"
)
INSTANCE_TYPES = (
    "kubectl get chenv staging -o jsonpath="
    """'{range .status.currentDeployment.chainlets[*]}{.name}{"\\t"}{.instanceTypeName}{"\\t"}{.status}{"\\n"}{end}'"""
)
MAX_REPLICA = "kubectl get chenv staging -o jsonpath='{.status.chainletSettings[0].autoscalingSettings.maxReplica}'"
CORRECTION = "kubectl get events --watch --field-selector reason=AutoscalingCorrected -o custom-columns=REASON:.reason,MESSAGE:.message"
AUTOSCALING = f"{ENVIRONMENT}/chainlet_settings/autoscaling_settings"
NINE = '{"updates": [{"chainlet_name": "HelloWorld", "autoscaling_settings": {"max_replica": 9}}]}'
BY_HAND = f"""curl -fsS --noproxy '*' -X PATCH -H "Authorization: Api-Key $BASETEN_API_KEY" -H 'Content-Type: application/json' \\
    -d '{NINE}' \\
    "{AUTOSCALING}\""""
TO_PLAY_WITH = (
    "kubectl get chenv --watch",
    "kubectl get chenv staging -o yaml",
    "chainenv status staging --watch",
    "kubectl edit chenv staging",
    f"kubectl apply -f {SAMPLE}    # back to the first instance types",
    f"""curl --noproxy '*' -H "Authorization: Api-Key $BASETEN_API_KEY" "{ENVIRONMENT}\"""",
)


@click.command()
def demo() -> None:
    """Apply, watch and change a ChainEnvironment on this machine, step by step.

    Starts a control plane, the Baseten simulator and the operator. On a terminal they stay up afterwards, until Ctrl-C.
    """
    started = time.monotonic()
    root = checkout()
    if root is None:
        raise click.ClickException("the demo applies the files of a checkout (crds/, deploy/samples/): run it from one")
    finished = False
    try:
        with interrupted_by_signals(), ExitStack() as stack:
            stage = _set(stack, root)
            operator = _create(stage.shell)
            stage.shell.narrate(f"Serving, {time.monotonic() - started:.1f} s after the start of this demo.")
            _roll(stage.shell)
            _correct(stage)
            finished = True
            if sys.stdin.isatty() and sys.stdout.isatty():
                _stay(stage.shell, operator)
    except KeyboardInterrupt:
        report("stopped")
    sys.exit(0 if finished else INTERRUPTED)


@dataclass(frozen=True)
class Stage:
    shell: Shell
    base_url: str
    """Of the simulator."""


def _set(stack: ExitStack, root: Path) -> Stage:
    """The control plane and the simulator; the operator is started in the story."""
    plane = stack.enter_context(ControlPlane.start())
    simulator = stack.enter_context(start_simulator(keys={"default": SIMULATOR_KEY}))
    logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chainenv-demo-", ignore_cleanup_errors=True)))
    # What must be on PATH so that `kubectl` and `chainenv` are the ones used here.
    wanted = {"kubectl": plane.kubectl_program, "chainenv": Path(sys.executable).parent / "chainenv"}
    missing = [str(program.parent) for name, program in wanted.items() if (found := shutil.which(name)) is None or Path(found) != program]
    variables = ({"PATH": ":".join([*missing, "$PATH"])} if missing else {}) | {
        "KUBECONFIG": str(plane.kubeconfig),
        "BASETEN_BASE_URL": simulator.base_url,
        "BASETEN_API_KEY": SIMULATOR_KEY,
    }
    shell = stack.enter_context(Shell(directory=root, logs=logs, variables=variables, needed=[plane]))
    return Stage(shell, simulator.base_url)


def _create(shell: Shell) -> Child:
    """Returns the operator, which goes on running."""
    shell.narrate("A real Kubernetes API server and a simulator of Baseten run on this machine. To use them from another terminal:")
    for line in shell.exports():
        click.echo(line)
    shell.narrate("Install the resource's definition, and start the operator. It polls Baseten more often than it would in production.")
    shell.run("kubectl apply --server-side -f crds/")
    shell.run(f"kubectl wait '{ESTABLISHED}' --timeout=30s -f crds/")
    operator = shell.background("chainenv run --progress-seconds=1 --poll-seconds=5 --metrics-port=0 --probe-port=0")
    shell.narrate("A ChainEnvironment names a chain and the settings of an environment. The operator creates the environment on Baseten.")
    shell.run(f"kubectl apply -f {SAMPLE}")
    shell.narrate("Baseten deploys the chain; the resource shows how far it is. (Ctrl-C ends a watch.)")
    shell.follow("kubectl get chenv staging --watch", until=r"\bACTIVE +\d+ +True\b")
    return operator


def _roll(shell: Shell) -> None:
    shell.run("kubectl wait chenv/staging --for=condition=Ready --timeout=60s")
    deployment = shell.run("kubectl get chenv staging -o wide").splitlines()[1].split()[3]
    shell.narrate("The events record what the operator has done.")
    shell.run("kubectl describe chenv staging | sed -n '/^Events:/,$p'")
    shell.narrate("Change the instance types of both chainlets in the manifest, and apply it again.")
    shell.run(f"diff {SAMPLE} {CHANGED_SAMPLE} | grep instanceTypeID")
    shell.narrate(
        "What would that do on Baseten, and what would it cost? A plan makes only reads; it ends with 2 when there is something to do."
    )
    shell.run(f"chainenv plan -f {CHANGED_SAMPLE} || [ $? -eq 2 ]")
    shell.run(f"kubectl apply -f {CHANGED_SAMPLE}")
    shell.narrate("One new deployment for both changes comes as the candidate, and takes over when it serves.")
    shell.follow(ROLLOUT, until=rf"(?m)^(?!{deployment}\b)\w+ +<none>")
    shell.run("kubectl wait chenv/staging --for=condition=Synced --timeout=60s")
    shell.run("chainenv status staging")
    shell.run(INSTANCE_TYPES)


def _correct(stage: Stage) -> None:
    shell = stage.shell
    shell.narrate("Somebody changes a setting on Baseten by hand: up to 9 replicas, where the manifest has 3.")
    if shutil.which("curl"):
        shell.run(BY_HAND)
    else:  # the same request, sent from here
        url = AUTOSCALING.replace("$BASETEN_BASE_URL", stage.base_url)
        click.echo(f"PATCH {url} {NINE} (sent from here: there is no curl on PATH)")
        headers = {"Authorization": f"Api-Key {SIMULATOR_KEY}", "Content-Type": "application/json"}
        click.echo(httpx.patch(url, content=NINE, headers=headers, trust_env=False).raise_for_status().text)
    shell.narrate("The operator finds it at its next poll and corrects it.")
    shell.follow(CORRECTION, until="maxReplica")
    shell.run("kubectl wait chenv/staging --for=condition=Synced --timeout=60s")
    shell.run(MAX_REPLICA)


def _stay(shell: Shell, operator: Child) -> None:
    """Until a signal, or until the one who started us (make) is gone."""
    parent = os.getppid()
    shell.narrate("All of it stays up. In another terminal, in this directory:")
    for line in [*shell.exports(), *TO_PLAY_WITH, f"tail -f {operator.log}"]:
        click.echo(line)
    click.echo("\nCtrl-C stops everything.")
    while os.getppid() == parent:
        shell.require_alive()
        time.sleep(CHECK_SECONDS)
