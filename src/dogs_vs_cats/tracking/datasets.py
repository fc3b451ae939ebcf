"""Models logged to MLflow, as files."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from dogs_vs_cats.datasets.local_file import FolderDataset
from dogs_vs_cats.errors import ProjectError
from dogs_vs_cats.inference.classifiers import CHAMPION
from dogs_vs_cats.parameters.credentials import without_credentials
from dogs_vs_cats.storage.atomic import replace_atomically
from dogs_vs_cats.tracking import store
from dogs_vs_cats.tracking.logged_model import MODEL_FILE

if TYPE_CHECKING:
    from mlflow import MlflowClient


class LoggedModelsDataset(FolderDataset):
    """Loads as a function that fetches a model from MLflow into the folder, by its address; see `fetch_model`."""

    def load(self) -> Callable[[str], Path]:
        """Returns the function, without fetching anything."""
        return partial(fetch_model, folder=self._filepath)


def fetch_model(address: str, folder: Path) -> Path:
    """Fetches a model from the store, with its class names and the distribution of its training images.

    Args:
        address: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `models:/ID` or `runs:/RUN/APPROACH`.
        folder: Where to put it; an earlier model of the same address is replaced.

    Returns:
        Path of the `.keras` file; its `.json` and `.npz` lie beside it, as where it was trained.

    Raises:
        ProjectError: The store has no such model, or doesn't answer.
    """
    client = open_store()
    import mlflow

    target = folder / quote(address, safe="")
    # As a whole, so that no file of an earlier model stays beside this one.
    with replace_atomically(target) as partial_target:
        downloads = partial_target.with_name("downloads")
        downloads.mkdir()
        try:
            file = Path(mlflow.artifacts.download_artifacts(address, dst_path=str(downloads))) / MODEL_FILE
            if not file.is_file():
                raise FileNotFoundError(f"it has no {MODEL_FILE}, as the approaches' models have")
        except Exception as error:
            raise ProjectError(
                f"The model {address} can't be fetched from MLflow: {store.reason(error)}. {_advice(client)}"
            ) from error
        file.parent.replace(partial_target)
    return target / file.name


def open_store() -> "MlflowClient":
    """Returns a client of the store.

    Raises:
        ProjectError: It doesn't answer.
    """
    try:
        return store.connect(store.uri())
    except Exception as error:
        address = without_credentials(store.uri())
        raise ProjectError(f"The MLflow store {address} can't be read: {store.reason(error)}.") from error


def _advice(client: "MlflowClient") -> str:
    """Advice after a request for a model that doesn't exist."""
    registered = client.search_registered_models()
    found = [f"models:/{model.name}@{CHAMPION}" for model in registered if CHAMPION in model.aliases]
    return (
        f"There are {', '.join(found) or 'no champions yet'}; `make mlflow` shows all models. To make one of them the "
        "champion of your experiment: kedro tracking promote ADDRESS"
    )
