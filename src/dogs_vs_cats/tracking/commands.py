"""`kedro tracking`: what a person does with the tracking store by hand."""

import click

from dogs_vs_cats.errors import ProjectError
from dogs_vs_cats.tracking import store
from dogs_vs_cats.tracking.sender import prepare_mlflow, send
from dogs_vs_cats.tracking.spool import left_over


@click.group("tracking")
def tracking_commands() -> None:
    """Look after the tracking store."""


@tracking_commands.command()
@click.option(
    "--to",
    "target",
    metavar="URI",
    help="Send everything to this store instead of the one it was meant for; a password belongs into "
    "MLFLOW_TRACKING_URI, not here.",
)
def upload(target: str | None) -> None:
    """Send what runs could not send to MLflow when they ended."""
    prepare_mlflow()
    kept = left_over(store.root())
    if not kept:
        click.echo("Nothing is waiting to be uploaded.")
        return
    failed = []
    for spool in kept:
        address = _address(spool.header["store"], target)
        if target is not None and spool.header["store"] != store.without_credentials(target):
            spool.redirect(store.without_credentials(target))
        click.echo(f"{spool.folder.name} -> {store.without_credentials(address)}")
        if send(spool, address):
            continue
        failed.append(f"{spool.folder.name}: {spool.load_progress().problem}")
    if failed:
        lines = "\n".join(f"  - {line}" for line in failed)
        raise ProjectError(f"{len(failed)} of {len(kept)} runs could not be uploaded and are kept:\n{lines}")
    click.echo(f"Uploaded: {len(kept)}.")


def _address(recorded: str, target: str | None) -> str:
    """The store's URI with its credentials, which only the environment has."""
    wanted = target or recorded
    return store.uri() if store.without_credentials(store.uri()) == store.without_credentials(wanted) else wanted
