"""`kedro tracking`: what a person does with the tracking store by hand."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from kedro.framework.session import KedroSession

from dogs_vs_cats.errors import ProjectError
from dogs_vs_cats.project import ROOT
from dogs_vs_cats.tracking import champion, store
from dogs_vs_cats.tracking.delivery import model_of
from dogs_vs_cats.tracking.fetching import connect
from dogs_vs_cats.tracking.sender import prepare_mlflow, send
from dogs_vs_cats.tracking.spool import left_over, md5

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from mlflow import MlflowClient
    from mlflow.entities import Run


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


@tracking_commands.command()
def pages() -> None:
    """Print the address of each experiment's page, on which `make mlflow` or the server shows it."""
    for experiment in connect().search_experiments(filter_string="name != 'Default'"):
        click.echo(f"{experiment.name}: {store.experiment_address(store.uri(), experiment.experiment_id)}")


@tracking_commands.command()
@click.option("--env", help="Kedro environment, whose experiment the model is for; base if there is none.")
@click.argument("model", metavar="VERSION|APPROACH|ADDRESS")
def promote(env: str | None, model: str) -> None:
    """Make a model the champion of an experiment, whatever the present champion is.

    The model is a version of the experiment's registered model, an approach as it was trained last, or the address of
    a model in MLflow, such as models:/NAME@champion, models:/NAME/VERSION or runs:/RUN/APPROACH.
    """
    with KedroSession.create(project_path=ROOT, env=env) as session:
        context = cast(KedroSession, session).load_context()
    experiment = context.config_loader["globals"]["experiment"]
    name = store.registered_name(context.config_loader["parameters"]["tracking"]["registered_model"], experiment)
    if name is None:
        raise ProjectError("tracking.registered_model is null here, so this environment registers no models. Set it.")
    client = connect()
    from mlflow.exceptions import MlflowException

    try:
        run, model_id = _find(client, name, experiment, model, context)
        click.echo(champion.promote(client, name, run, model_id))
    except MlflowException as error:
        versions = [found.version for found in client.search_model_versions(f"name = '{name}'")]
        known = f"Versions of {name}: {', '.join(map(str, sorted(versions, key=int)))}" if versions else ""
        reason = " ".join(str(error).split()).rstrip(".")
        raise ProjectError(f"{model} can't become the champion of {name}: {reason}. {known}".strip()) from None


def _find(client: "MlflowClient", name: str, experiment: str, model: str, context: "KedroContext") -> "tuple[Run, str]":
    """The run and the id of the model that is meant."""
    if model.startswith("models:/") or model.isdigit():
        address = f"{name}/{model}" if model.isdigit() else model.removeprefix("models:/")
        registered, mark, alias = address.partition("@")
        if mark:
            version = client.get_model_version_by_alias(registered, alias)
        else:
            version = client.get_model_version(*(*address.split("/"), "")[:2])
        run = client.get_run(version.run_id or "")
    elif model.startswith("runs:/"):
        run = client.get_run(model.removeprefix("runs:/").partition("/")[0])
    else:
        run = _run_of(client, experiment, model, context)
    model_id = model_of(run)
    if model_id is None:
        raise ProjectError(f"The run {run.info.run_name} has no model in MLflow.")
    return run, model_id


def _run_of(client: "MlflowClient", experiment: str, approach: str, context: "KedroContext") -> "Run":
    """The run that trained the model that an approach has on disk."""
    approaches = context.config_loader["parameters"]["approaches"]
    if approach not in approaches:
        raise ProjectError(
            f"There is no model {approach!r}. Give the number of a version, one of {', '.join(approaches)}, or the "
            "address of a model in MLflow, such as models:/NAME/VERSION."
        )
    dataset: Any = context.catalog.get(f"{approach}.model")
    path = Path(dataset._describe()["filepath"])
    if not path.is_file():
        raise ProjectError(f"{approach} has not been trained in experiment {experiment}.")
    tracked = client.get_experiment_by_name(store.experiment_name(experiment))
    condition = f"tags.model_md5 = '{md5(path)}'"
    runs = client.search_runs([tracked.experiment_id], condition, max_results=1) if tracked else []
    if not runs:
        raise ProjectError(f"No tracked run has the model {path}. Track its training: kedro run")
    return runs[0]


def _address(recorded: str, target: str | None) -> str:
    """The store's URI with its credentials, which only the environment has."""
    wanted = target or recorded
    return store.uri() if store.without_credentials(store.uri()) == store.without_credentials(wanted) else wanted
