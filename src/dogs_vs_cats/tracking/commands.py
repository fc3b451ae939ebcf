"""`kedro tracking`: commands for the tracking store."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from kedro.framework.session import KedroSession

from dogs_vs_cats.errors import ProjectError
from dogs_vs_cats.parameters.command_line import params_option
from dogs_vs_cats.parameters.credentials import without_credentials
from dogs_vs_cats.project import ROOT
from dogs_vs_cats.storage.file_hash import md5
from dogs_vs_cats.tracking import store
from dogs_vs_cats.tracking.outbox import outboxes

if TYPE_CHECKING:
    from mlflow import MlflowClient


@click.group("tracking")
def tracking_commands() -> None:
    """Upload runs, print pages and promote models in MLflow."""


@tracking_commands.command()
@click.option(
    "--to",
    "target",
    metavar="URI",
    help="Send all runs to this store instead of the one that they were meant for. Passwords belong in "
    "MLFLOW_TRACKING_URI, not here.",
)
def upload(target: str | None) -> None:
    """Send runs to MLflow that could not be sent when they ended."""
    # Not at the top, as every kedro command imports this module.
    from dogs_vs_cats.tracking.worker import send

    problems = []
    for outbox in outboxes(store.root()):
        wanted = target or outbox.store
        # Only the environment has the credentials.
        address = store.uri() if without_credentials(store.uri()) == without_credentials(wanted) else wanted
        if (problem := send(outbox, address)) is not None:
            click.echo(f"{outbox.folder.name} -> {without_credentials(address)}: {problem or 'uploaded'}")
            problems.append(problem)
    if failed := sum(map(bool, problems)):
        raise ProjectError(f"{failed} of {len(problems)} runs could not be uploaded and still wait.")
    click.echo(f"Uploaded: {len(problems)}." if problems else "Nothing is waiting to be uploaded.")


@tracking_commands.command()
def pages() -> None:
    """Print the address of each experiment's page in MLflow."""
    from dogs_vs_cats.tracking.datasets import open_store

    for experiment in open_store().search_experiments(filter_string="name != 'Default'"):
        click.echo(f"{experiment.name}: {store.experiment_address(store.uri(), experiment.experiment_id)}")


@tracking_commands.command()
@click.option("--env", help="Kedro environment whose experiment gets the champion; by default base.")
@params_option
@click.argument("model", metavar="VERSION|APPROACH|ADDRESS")
def promote(env: str | None, params: dict[str, Any], model: str) -> None:
    """Make a model the champion of an experiment, in place of the present one.

    The model is a version of the experiment's registered model, an approach as it was trained last, or the address of
    a model in MLflow, such as models:/NAME@champion, models:/NAME/VERSION or runs:/RUN/APPROACH.
    """
    from dogs_vs_cats.inference.classifiers import ADDRESSES, find_model
    from dogs_vs_cats.tracking import champion
    from dogs_vs_cats.tracking.datasets import open_store

    with KedroSession.create(project_path=ROOT, env=env, runtime_params=params) as session:
        context = cast(KedroSession, session).load_context()
    experiment = context.config_loader["globals"]["experiment"]
    name = store.registered_name(context.config_loader["parameters"]["tracking"]["registered_model"], experiment)
    if name is None:
        raise ProjectError("tracking.registered_model is null here, so this environment registers no models. Set it.")
    client = open_store()
    if model.isdigit():
        address = f"models:/{name}/{model}"
    elif model.startswith(ADDRESSES):
        address = model
    else:
        _, path = find_model(model, context.catalog, context.config_loader["parameters"]["approaches"], name)
        address = _address(client, experiment, path)
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        info = mlflow.models.get_model_info(address)
        run = client.get_run(info.run_id)
        if "model_md5" not in run.data.tags:
            raise MlflowException("no run of this project has trained it")
        click.echo(champion.promote(client, name, run, info.model_id))
    except (MlflowException, OSError) as error:  # there is no such model, or its files have been deleted
        versions = [int(found.version) for found in client.search_model_versions(f"name = '{name}'")]
        known = f"Versions of {name}: {', '.join(map(str, sorted(versions)))}" if versions else ""
        raise ProjectError(
            f"{model} can't become the champion of {name}: {store.reason(error)}. {known}".strip()
        ) from None


def _address(client: "MlflowClient", experiment: str, path: Path) -> str:
    """The address in MLflow of a model file."""
    tracked = client.get_experiment_by_name(store.experiment_name(experiment))
    runs = client.search_runs([tracked.experiment_id], f"tags.model_md5 = '{md5(path)}'") if tracked else []
    if not runs:
        raise ProjectError(f"No tracked run has the model {path}. Track its training: kedro run")
    return f"runs:/{runs[0].info.run_id}/{runs[0].data.tags['approach']}"
