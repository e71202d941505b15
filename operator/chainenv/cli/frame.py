"""The frame of the command line: what there is, grouped by what people want, and how failures are written."""

from __future__ import annotations

import errno
import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from .. import __version__
from .options import cluster_options
from .text import harmless

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as a shell reports it."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
COMPLETE_VARIABLE = "_CHAINENV_COMPLETE"

SECTIONS: Mapping[str, Mapping[str, str]] = {
    "See what is there": {
        "status": "Show environments as a tree: conditions, deployments, replicas, history, cost.",
        "history": "List what served in an environment.",
        "logs": "Print the logs of an environment's chainlets.",
        "deployments": "List every deployment of a chain, and what nobody uses.",
    },
    "Change what serves": {
        "promote": "Promote a deployment into an environment.",
        "rollback": "Go back to a deployment that served before.",
        "approve": "Approve the rollout that waits.",
        "abort": "Abort the rollout under way: deactivate its candidate.",
    },
    "Direct the operator": {
        "reconcile": "Ask for a reconciliation now.",
        "wait": "Wait until an environment is Synced and Ready.",
        "pause": "Let the operator leave an environment alone.",
        "resume": "End a pause.",
    },
    "Know before, bring into Git": {
        "plan": "Show what applying manifests would do on Baseten, and what it would cost.",
        "export": "Write manifests of the environments a chain has on Baseten.",
    },
    "Run the operator": {
        "run": "Run the operator until SIGTERM.",
        "crd": "Print the CustomResourceDefinition: chainenv crd | kubectl apply --server-side -f -",
    },
    "Set up the shell": {
        "completion": "Print the completion script of bash, zsh or fish.",
    },
}
"""Each command stands in the module of its name, as ``command``."""

_SUMMARIES = {name: summary for commands in SECTIONS.values() for name, summary in commands.items()}
_AS_SERVICES = frozenset({"run", "crd"})
"""They answer a wrong use as services do: several lines, exit code 2."""


class Commands(click.Group):
    """Help and completion need no command's module."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _SUMMARIES:
            return None
        command = importlib.import_module(f".{cmd_name}", __package__).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        widest = max(map(len, _SUMMARIES))
        for section, commands in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name.ljust(widest), summary) for name, summary in commands.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        commands = [CompletionItem(name, help=summary) for name, summary in _SUMMARIES.items() if name.startswith(incomplete)]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: ARG002 - click's signature
        **extra: Any,
    ) -> Any:
        """Never returns: the exit code is the command's (0 when it gives none), 1 after an error."""
        try:
            code = super().main(args, prog_name or program(), complete_var or COMPLETE_VARIABLE, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            code = 0
        except click.ClickException as error:
            code = _failed(error)
        except click.Abort:
            code = INTERRUPTED
        except OSError as error:
            if error.errno not in _FULL:
                raise
            code = _failed(click.ClickException(f"the output cannot be written: {error.strerror}"))
        sys.exit(code if isinstance(code, int) else 0)


def program() -> str:
    """As it was typed: kubectl runs ``kubectl-chainenv`` for ``kubectl chainenv``."""
    return "kubectl chainenv" if Path(sys.argv[0]).name.startswith("kubectl-") else "chainenv"


def _failed(error: click.ClickException) -> int:
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None and context.info_name in _AS_SERVICES:
        error.show()
        return error.exit_code
    message = error.format_message()
    if context is not None:
        message = f"{message.rstrip('.')}; see {context.command_path} --help"
    click.echo(f"error: {harmless(' '.join(message.split()))}", err=True)
    return 1


@click.group(cls=Commands, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
@cluster_options
@click.version_option(__version__, prog_name="chainenv")
def main() -> None:
    """Baseten chain environments as Kubernetes resources: what they are, what changes them, and the operator itself."""
