"""Which MLflow store the runs go to."""

import json
import os
from pathlib import Path
from urllib.parse import quote, urlsplit

from dogs_vs_cats.credentials import without_credentials
from dogs_vs_cats.project import ROOT

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
    return f"{_page(store)}/#/experiments/{experiment_id}/runs/{run_id}"


def compare_address(store: str, experiment_id: str, run_ids: list[str]) -> str:
    """Address of the page that compares runs."""
    runs, experiments = (quote(json.dumps(ids)) for ids in (run_ids, [experiment_id]))
    return f"{_page(store)}/#/compare-runs?runs={runs}&experiments={experiments}"


def _page(store: str) -> str:
    return without_credentials(store).rstrip("/") if is_server(store) else LOCAL_PAGE


def is_server(store: str) -> bool:
    """Whether a store is reached over HTTP."""
    return urlsplit(store).scheme in ("http", "https")
