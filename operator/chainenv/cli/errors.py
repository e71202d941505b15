"""How a command fails: one line that says what is wrong and what to do."""

from __future__ import annotations

import click


class CommandError(click.ClickException):
    """Ends the command with exit code 1."""
