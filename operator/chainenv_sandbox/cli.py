"""The command chainenv-sandbox."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import ClassVar

import click

from chainenv_sandbox import up as sandbox
from chainenv_sandbox.controlplane import BinariesError, KubectlError, ensure_binaries, ensure_kubectl
from chainenv_sandbox.processes import NotReadyError, ProcessDiedError

KUBECONFIG = Path(".sandbox/kubeconfig")


class Group(click.Group):
    """Imports the commands of other parts only when they are asked for, and shows expected errors without a traceback."""

    elsewhere: ClassVar[dict[str, str]] = {
        "baseten": "chainenv_sandbox.baseten.cli:baseten",
        "demo": "chainenv_sandbox.demo:demo",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.elsewhere})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.elsewhere:
            return super().get_command(ctx, cmd_name)
        module, _, name = self.elsewhere[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (BinariesError, KubectlError, NotReadyError, ProcessDiedError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="chainenv-sandbox")
def main() -> None:
    """A real Kubernetes control plane and a Baseten simulator on this machine."""


@main.command()
@click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Use the cluster that this file names; start only the simulator. CRDs are applied there only with --crds.",
)
@click.option(
    "--write-kubeconfig",
    type=click.Path(dir_okay=False, path_type=Path),
    default=KUBECONFIG,
    show_default=True,
    help="Where to write the admin's kubeconfig of the cluster started here. Removed at the end.",
)
@click.option("--no-baseten", is_flag=True, help="Do not start the Baseten simulator.")
@click.option("--baseten-port", type=click.IntRange(0, 65535), default=0, help="Where the simulator serves.  [default: a free port]")
@click.option(
    "--crds",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Apply the *.yaml of this directory.  [default: crds/ of the checkout, when there is one]",
)
@click.option("--audit", is_flag=True, help="Record every request to the API server (metadata), in a file that is named at the start.")
def up(kubeconfig: Path | None, write_kubeconfig: Path, no_baseten: bool, baseten_port: int, crds: Path | None, audit: bool) -> None:
    """Start everything and keep it running until Ctrl-C.

    Prints the environment variables that point kubectl and chainenv at the sandbox, the chains that Baseten has, a sample to apply,
    and how to make things go wrong.
    """
    sandbox.run(
        sandbox.Options(
            kubeconfig=kubeconfig,
            write_kubeconfig=write_kubeconfig,
            baseten=not no_baseten,
            baseten_port=baseten_port,
            crds=crds,
            audit=audit,
        )
    )


@main.command()
def binaries() -> None:
    """Fetch or build etcd and kube-apiserver, once, and print their directory (fit for KUBEBUILDER_ASSETS)."""
    click.echo(ensure_binaries().directory)


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def kubectl(arguments: tuple[str, ...]) -> None:
    """Run the sandbox's kubectl, by default against the sandbox that `up` started in this directory."""
    program = ensure_kubectl()
    if "KUBECONFIG" not in os.environ and KUBECONFIG.exists():
        os.environ["KUBECONFIG"] = str(KUBECONFIG.absolute())
    sys.stdout.flush()
    os.execv(program, [str(program), *arguments])
