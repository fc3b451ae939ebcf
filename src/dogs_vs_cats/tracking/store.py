"""The MLflow store of the runs: its address, its pages, checks and connections."""

import json
import logging
import os
import sqlite3
import warnings
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from filelock import FileLock

from dogs_vs_cats.parameters.credentials import without_credentials
from dogs_vs_cats.project import ROOT

if TYPE_CHECKING:
    from mlflow import MlflowClient

_TRAINING = "workflowType=machine_learning"
"""Without this, MLflow's page opens on language models, whatever the kind of the experiment."""

_SQLITE = "sqlite:///"

LOCAL_PAGE = "http://127.0.0.1:5000"
"""The page of `make mlflow`."""


def root() -> Path:
    """Folder of the local store: the project's root, also from the temporary copies that DVC runs experiments in."""
    parent = os.environ.get("DVC_ROOT")
    if parent and ROOT.is_relative_to(Path(parent).resolve() / ".dvc"):
        return Path(parent).resolve()
    return ROOT


def uri() -> str:
    """The store's URI: `MLFLOW_TRACKING_URI` from the environment, or `mlflow.db`.

    A relative path of a SQLite database starts at the project's root, whatever folder the command is started from.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}mlflow.db"
    return f"{_SQLITE}{(root() / given.removeprefix(_SQLITE)).as_posix()}" if given.startswith(_SQLITE) else given


def artifact_location(store: str, experiment: str) -> str | None:
    """Folder for the files of a new experiment: beside a SQLite store; None leaves the choice to the server."""
    if not store.startswith(_SQLITE):
        return None
    return (Path(store.removeprefix(_SQLITE)).resolve().parent / "mlartifacts" / experiment).as_uri()


def experiment_name(experiment: str) -> str:
    """Name of an experiment in MLflow."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or f"dogs-vs-cats-{experiment}"


def registered_name(registered_model: str | None, experiment: str) -> str | None:
    """Name of an experiment's registered model; None if nothing is registered.

    Args:
        registered_model: The parameter `tracking.registered_model`.
        experiment: The experiment.
    """
    return registered_model and f"{registered_model}-{experiment}"


def run_address(store: str, experiment_id: str, run_id: str) -> str:
    """Address of a run's page."""
    return f"{_page(store)}/#/experiments/{experiment_id}/runs/{run_id}?{_TRAINING}"


def experiment_address(store: str, experiment_id: str) -> str:
    """Address of the page with the curves and figures of all runs of an experiment's approaches, the best first."""
    only, by = quote("tags.approach LIKE '%'"), quote("metrics.`validation_log_loss`")
    # Without an order, MLflow ignores the filter and shows only parent runs.
    query = f"{_TRAINING}&compareRunsMode=CHART&searchFilter={only}&orderByKey={by}&orderByAsc=true"
    return f"{_page(store)}/#/experiments/{experiment_id}/runs?{query}"


def compare_address(store: str, experiment_id: str, run_ids: list[str]) -> str:
    """Address of the page that compares runs."""
    runs, experiments = (quote(json.dumps(ids)) for ids in (run_ids, [experiment_id]))
    return f"{_page(store)}/#/compare-runs?runs={runs}&experiments={experiments}&{_TRAINING}"


def _page(store: str) -> str:
    # Databricks: the addresses of its pages are unknown.
    return without_credentials(store).rstrip("/") if is_server(store) or store.startswith("databricks") else LOCAL_PAGE


def is_server(store: str) -> bool:
    """Whether a store is reached over HTTP."""
    return store.startswith(("http://", "https://"))


def problem(store: str) -> str:
    """Checks in seconds, and without MLflow, whether a store can be written to.

    MLflow itself takes seconds to import, and retries for up to an hour.

    Args:
        store: Its URI. Only SQLite databases and servers are checked.

    Returns:
        The problem; empty if none was found.
    """
    try:
        if is_server(store):
            import requests

            requests.get(store, timeout=8, stream=True).close()  # any answer will do; MLflow reports a wrong one better
        elif store.startswith(_SQLITE):
            path = Path(store.removeprefix(_SQLITE))
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(path, timeout=2, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
    except (OSError, sqlite3.Error) as error:  # those of requests are OSErrors
        if is_server(store):
            return "no server answers there. Start it, or set MLFLOW_TRACKING_URI to another store"
        return reason(error)
    return ""


def connect(store: str) -> "MlflowClient":
    """Imports MLflow and returns a client of a store, which has answered.

    Raises:
        Exception: The store has a `problem`, or doesn't answer.
    """
    with _alone_with(store):
        if found := problem(store):
            raise OSError(found)
        prepare_mlflow()
        import mlflow

        mlflow.set_tracking_uri(store)  # the registry and downloads use the global store in places
        client = mlflow.MlflowClient(registry_uri=store)
        client.search_experiments(max_results=1)
    return client


def _alone_with(store: str) -> AbstractContextManager[object]:
    """Lets one process at a time connect to a SQLite database: two that create its tables at once destroy it."""
    return FileLock(f"{store.removeprefix(_SQLITE)}.lock") if store.startswith(_SQLITE) else nullcontext()


def experiment_id(client: "MlflowClient", store: str, name: str) -> str:
    """MLflow's id of an experiment, which is created or restored if necessary."""
    found = client.get_experiment_by_name(name)
    if found and found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    number = found.experiment_id if found else client.create_experiment(name, artifact_location(store, name))
    # Without this, MLflow's page takes it for an experiment of language models and hides its training runs.
    client.set_experiment_tag(number, "mlflow.experimentKind", "custom_model_development")
    return str(number)


def prepare_mlflow() -> None:
    """Configures MLflow before it is imported: without output and telemetry, and with short timeouts."""
    for name, value in (
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "20"),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"),
        ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false"),
        ("GIT_PYTHON_REFRESH", "quiet"),
    ):
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic", "sqlalchemy", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="mlflow")


def reason(error: Exception) -> str:
    """An error as one line, without credentials or a full stop."""
    text = " ".join(str(error).split()) or type(error).__name__
    return without_credentials(text)[:2000].rstrip(".")
