"""``chainenv completion``: the scripts are click's own."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from .frame import COMPLETE_VARIABLE, main


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash:  eval "$(chainenv completion bash)"                           in ~/.bashrc
    zsh:   eval "$(chainenv completion zsh)"                            in ~/.zshrc
    fish:  chainenv completion fish > ~/.config/fish/completions/chainenv.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(main, {}, "chainenv", COMPLETE_VARIABLE).source())
