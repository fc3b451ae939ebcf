"""Models that MLflow keeps, on disk again."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from dogs_vs_cats.errors import ProjectError
from dogs_vs_cats.storage.atomic import replace_atomically
from dogs_vs_cats.tracking import store

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL_FILE = "artifacts/model.keras"
"""Where a logged model has its `.keras` file; the files that belong to it lie beside it, under the same name."""

ADDRESSES = ("models:/", "runs:/")
"""What the address of a logged model begins with."""


def fetch_model(address: str, folder: Path) -> Path:
    """Fetches a model from the store, with its class names and where its training images lie.

    Args:
        address: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `models:/ID` or `runs:/RUN/APPROACH`.
        folder: Where to put it; an earlier model of the same address is replaced.

    Returns:
        Path of the `.keras` file; its `.json` and `.npz` lie beside it, as where it was trained.

    Raises:
        ProjectError: The store has no such model, or doesn't answer.
    """
    client = connect()
    target = folder / quote(address, safe="")
    # As a whole, so that nothing of the model before it stays beside this one.
    with replace_atomically(target) as partial:
        downloads = partial.with_name("downloads")
        downloads.mkdir()
        try:
            file = download(address, downloads, store.uri())
        except Exception as error:
            raise ProjectError(
                f"The model {address} can't be fetched from MLflow: {store.reason(error)}. "
                f"{_what_there_is(address, client)}"
            ) from error
        file.parent.replace(partial)
    return target / file.name


def connect() -> "MlflowClient":
    """Prepares MLflow, and returns a client of the store, which has answered.

    Raises:
        ProjectError: It doesn't answer.
    """
    from dogs_vs_cats.tracking.sender import prepare_mlflow

    prepare_mlflow()
    try:
        store.check(store.uri())
        import mlflow

        mlflow.set_tracking_uri(store.uri())  # a part of the registry asks the global store
        client = mlflow.MlflowClient(tracking_uri=store.uri(), registry_uri=store.uri())
        client.search_experiments(max_results=1)
    except Exception as error:
        address = store.without_credentials(store.uri())
        raise ProjectError(f"The MLflow store {address} can't be read: {store.reason(error)}.") from error
    return client


def _what_there_is(address: str, client: "MlflowClient") -> str:
    """Advice for who asked for a model that isn't there."""
    from dogs_vs_cats.tracking.champion import ALIAS, champions

    found = champions(client)
    if not found:
        return "There is no champion yet; every tracked `kedro run` chooses one for its experiment."
    known = f"There are {', '.join(found)}."
    if not address.endswith(f"@{ALIAS}"):
        return f"{known} `make mlflow` shows all models."
    return f"{known} To make one of them the champion of your experiment: kedro tracking promote {found[0]}"


def download(address: str, folder: Path, store_uri: str) -> Path:
    """Downloads a logged model; MLflow has to be prepared already.

    Args:
        address: As of `fetch_model`.
        folder: An empty folder.
        store_uri: The store's URI.

    Returns:
        Path of the `.keras` file in it.

    Raises:
        FileNotFoundError: What lies there is no model of this project.
        MlflowException: The store doesn't have it.
    """
    import mlflow

    mlflow.set_tracking_uri(store_uri)  # the one that downloads ask, whichever is given to them
    mlflow.artifacts.download_artifacts(address, dst_path=str(folder))
    found = next((file for file in folder.rglob(Path(MODEL_FILE).name) if file.match(MODEL_FILE)), None)
    if found is None:
        raise FileNotFoundError(f"it has no {MODEL_FILE}, as the approaches' models have")
    return found
