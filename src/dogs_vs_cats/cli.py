"""Commands of this project beside Kedro's own; Kedro takes them from the group `cli`."""

import click

from dogs_vs_cats.reproduction.commands import dvc
from dogs_vs_cats.tracking.commands import tracking_commands


@click.group(name="dogs-vs-cats")
def cli() -> None:
    """Commands of this project."""


cli.add_command(dvc)
cli.add_command(tracking_commands)
