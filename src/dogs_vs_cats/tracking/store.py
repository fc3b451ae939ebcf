"""Which MLflow store the runs go to."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlsplit

from dogs_vs_cats.parameters.credentials import without_credentials
from dogs_vs_cats.project import ROOT

_TRAINING = "workflowType=machine_learning"
"""Without this MLflow's page opens on language models, whatever an experiment's kind is."""

_DATABRICKS = "databricks"
"""A store there is named so, or `databricks://PROFILE`; its pages have other addresses, which only it knows."""

LOCAL_PAGE = "http://127.0.0.1:5000"
"""Where `make mlflow` shows a local store."""


def root() -> Path:
    """Folder of the local store: the project's root, also from the temporary copies that DVC runs experiments in."""
    parent = os.environ.get("DVC_ROOT")
    if parent and ROOT.is_relative_to(Path(parent).resolve() / ".dvc"):
        return Path(parent).resolve()
    return ROOT


def uri() -> str:
    """The store's URI: `MLFLOW_TRACKING_URI` from the environment, or `mlflow.db` in the project's root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(root() / 'mlflow.db').as_posix()}"


def artifact_location(store: str, experiment: str) -> str | None:
    """Where a new experiment keeps its files: beside a SQLite store; None leaves it to the server."""
    if not store.startswith("sqlite:///"):
        return None
    return (Path(store.removeprefix("sqlite:///")).resolve().parent / "mlartifacts" / experiment).as_uri()


def experiment_name(experiment: str) -> str:
    """Name of an experiment in MLflow."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or f"dogs-vs-cats-{experiment}"


def registered_name(registered_model: str | None, experiment: str) -> str | None:
    """Name of an experiment's registered model; None where nothing is registered.

    Args:
        registered_model: The parameter `tracking.registered_model`.
        experiment: The experiment.
    """
    return registered_model and f"{registered_model}-{experiment}"


def run_address(store: str, experiment_id: str, run_id: str) -> str:
    """Address of a run's page."""
    if store.startswith(_DATABRICKS):
        return f"run {run_id} of {store}"
    return f"{_page(store)}/#/experiments/{experiment_id}/runs/{run_id}?{_TRAINING}"


def experiment_address(store: str, experiment_id: str) -> str:
    """Address of the page with the curves and figures of all runs of an experiment's approaches, the best first."""
    only, by = quote("tags.approach LIKE '%'"), quote("metrics.`validation_log_loss`")
    # Without an order, MLflow ignores the filter, and shows parent runs alone.
    query = f"{_TRAINING}&compareRunsMode=CHART&searchFilter={only}&orderByKey={by}&orderByAsc=true"
    return f"{_page(store)}/#/experiments/{experiment_id}/runs?{query}"


def compare_address(store: str, experiment_id: str, run_ids: list[str]) -> str:
    """Address of the page that compares runs."""
    runs, experiments = (quote(json.dumps(ids)) for ids in (run_ids, [experiment_id]))
    return f"{_page(store)}/#/compare-runs?runs={runs}&experiments={experiments}&{_TRAINING}"


def _page(store: str) -> str:
    return without_credentials(store).rstrip("/") if is_server(store) else LOCAL_PAGE


def is_server(store: str) -> bool:
    """Whether a store is reached over HTTP."""
    return urlsplit(store).scheme in ("http", "https")


def check(store: str) -> None:
    """Finds out in seconds, and without MLflow, whether a store can be written to.

    MLflow itself would import for seconds, and try for a quarter of a minute or for minutes.

    Args:
        store: Its URI. Of other kinds than folders, SQLite and servers nothing is found out.

    Raises:
        OSError: A server doesn't answer, or MLflow takes no folders as stores.
        sqlite3.Error: The database is locked, damaged, or can't be written to.
    """
    if is_server(store):
        import requests

        # Any answer will do: what is wrong with it, MLflow says better.
        try:
            requests.get(store, timeout=(4, 8), stream=True).close()
        except requests.Timeout:
            raise OSError("it doesn't answer in time. Look whether the server is well") from None
        except requests.ConnectionError:
            raise OSError(
                "nothing answers there. Start the server, or set MLFLOW_TRACKING_URI to another store; unset, it is "
                "mlflow.db in the project"
            ) from None
    elif store.startswith("sqlite:///"):
        path = Path(store.removeprefix("sqlite:///"))
        if path.exists():
            with closing(sqlite3.connect(path, timeout=2, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not os.access(path.parent, os.W_OK):
                raise PermissionError(f"the folder {path.parent} can't be written to")
    elif _is_folder(store) and os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() != "true":
        raise OSError(
            "MLflow no longer takes a folder as store. Set MLFLOW_TRACKING_URI=sqlite:///PATH/mlflow.db, or unset it "
            "for mlflow.db in the project, or allow folders with MLFLOW_ALLOW_FILE_STORE=true"
        )


def is_checked(store: str) -> bool:
    """Whether `check` knows this kind of store."""
    return is_server(store) or store.startswith("sqlite:///") or _is_folder(store)


def _is_folder(store: str) -> bool:
    return urlsplit(store).scheme in ("", "file") and not store.startswith(_DATABRICKS)


def reason(error: Exception) -> str:
    """An error in one line, without credentials and a full stop."""
    text = " ".join(str(error).split()) or type(error).__name__
    return without_credentials(text)[:2000].rstrip(".")
