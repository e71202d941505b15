"""``chainenv crd``."""

from __future__ import annotations

import click

from ..crd.schema import as_yaml


@click.command("crd")
def command() -> None:
    """Print the CustomResourceDefinition: chainenv crd | kubectl apply --server-side -f -"""
    click.echo(as_yaml(), nl=False)
