"""Which model carries the alias `champion`."""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dogs_vs_cats.tracking.fetching import download
from dogs_vs_cats.tracking.spool import md5

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

ALIAS = "champion"


@dataclass(frozen=True)
class Candidate:
    """The best approach of a comparison.

    Attributes:
        approach: Its name.
        model_id: MLflow's id of its model.
        run_id: MLflow's id of its run.
        model_md5: Hash of its model file.
        test_log_loss: On the present test split.
    """

    approach: str
    model_id: str
    run_id: str
    model_md5: str
    test_log_loss: float


@dataclass(frozen=True)
class Comparison:
    """What the models are compared on.

    Attributes:
        test_split: Hash of the test photos and their labels.
        classes: Class names in the order of their labels.
        images: Path of the array of images.
        images_md5: Its hash.
        manifest: Path of the manifest.
    """

    test_split: str
    classes: list[str]
    images: str
    images_md5: str
    manifest: str


def crown(client: "MlflowClient", name: str, candidate: Candidate, comparison: Comparison) -> str:
    """Gives the alias to a candidate, unless it is worse than the present champion on the present test split.

    A champion that was measured on other photos is measured again on these, where it takes such images and knows
    the same classes; otherwise the two can't be compared, and the candidate takes its place.

    Args:
        client: Of the store.
        name: The registered model.
        candidate: The best approach of the present comparison.
        comparison: What it was measured on.

    Returns:
        What happened, in one sentence.
    """
    who = f"{candidate.approach} (test log loss {candidate.test_log_loss:.4f})"
    champion = _champion(client, name)
    if champion is None:
        version = _register(client, name, candidate, comparison)
        return f"{who} is the first champion: version {version} of {name}"
    if champion.tags.get("model_md5") == candidate.model_md5:
        return f"{who} is the champion already: version {champion.version} of {name}"
    holder = f"version {champion.version} of {name}, {champion.tags.get('approach', 'another model')}"
    if champion.tags.get("test_split") == comparison.test_split:
        loss: float | None = float(champion.tags["test_log_loss"])
        how = "on the same test photos"
    else:
        if not _unchanged(comparison):
            return f"{holder}, stays champion: the images of this run are gone, so that it can't be measured on them"
        loss = _measure(client, champion, comparison)
        how = "measured again on these test photos"
    if loss is not None and loss < candidate.test_log_loss:
        return f"{holder}, stays champion: its log loss is {loss:.4f} {how}, against {who}"
    version = _register(client, name, candidate, comparison)
    if loss is None:
        return f"{who} replaces {holder}, which takes other images or classes: version {version}"
    return f"{who} replaces {holder}, whose log loss is {loss:.4f} {how}: version {version}"


def _champion(client: "MlflowClient", name: str) -> "ModelVersion | None":
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, ALIAS)
    except MlflowException as error:
        # A registered model without the alias is an invalid parameter, to MLflow.
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def _register(client: "MlflowClient", name: str, candidate: Candidate, comparison: Comparison) -> str:
    """Makes the candidate's model a version, unless it is one, and gives it the alias."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    tags = {
        "approach": candidate.approach,
        "model_md5": candidate.model_md5,
        "test_split": comparison.test_split,
        "test_log_loss": repr(candidate.test_log_loss),
        "classes": json.dumps(comparison.classes),
    }
    versions = client.search_model_versions(f"name = '{name}'")
    version = next((v.version for v in versions if v.tags.get("model_md5") == candidate.model_md5), None)
    if version is None:
        source = f"models:/{candidate.model_id}"
        version = client.create_model_version(
            name, source, run_id=candidate.run_id, tags=tags, model_id=candidate.model_id
        ).version
    else:
        for key, value in tags.items():
            client.set_model_version_tag(name, version, key, value)
    client.set_registered_model_alias(name, ALIAS, version)
    return str(version)


def _unchanged(comparison: Comparison) -> bool:
    path = Path(comparison.images)
    return path.is_file() and Path(comparison.manifest).is_file() and md5(path) == comparison.images_md5


def _measure(client: "MlflowClient", champion: "ModelVersion", comparison: Comparison) -> float | None:
    """Log loss of a champion on the present test split; None if it takes other images or knows other classes."""
    if json.loads(champion.tags.get("classes", "null")) != comparison.classes:
        return None
    with tempfile.TemporaryDirectory() as folder:
        address = f"models:/{champion.name}/{champion.version}"
        return _log_loss(download(address, Path(folder), client.tracking_uri), comparison)


def _log_loss(model_file: Path, comparison: Comparison) -> float | None:
    # The run itself may still hold the GPU's memory.
    os.environ.update(CUDA_VISIBLE_DEVICES="-1", JAX_PLATFORMS="cpu", TF_CPP_MIN_LOG_LEVEL="3")
    import numpy as np
    import pandas as pd

    from dogs_vs_cats import evaluation
    from dogs_vs_cats.datasets.keras_model import load_model
    from dogs_vs_cats.parameters.compute import ComputeParameters
    from dogs_vs_cats.prediction import predict

    model = load_model(model_file)
    images = np.load(comparison.images, mmap_mode="r", allow_pickle=False)
    outputs = 1 if len(comparison.classes) == 2 else len(comparison.classes)
    if model.input_shape[1:] != images.shape[1:] or model.output_shape[-1] != outputs:
        return None
    manifest = pd.read_csv(comparison.manifest, keep_default_na=False)
    rows = np.flatnonzero(manifest["split"] == "test")
    compute = ComputeParameters(
        threads=None,
        precision="float32",
        jit_compile=False,
        steps_per_execution=1,
        workers=1,
        devices=1,
        images_on_device=False,
        cluster=None,
    )
    probabilities = predict(model, images, rows, compute, "Measuring the champion")
    predictions = evaluation.predictions_table(manifest.iloc[rows], probabilities, comparison.classes)
    measured: dict[str, Any] = evaluation.classification_metrics(predictions, comparison.classes)
    return float(measured["test"]["log_loss"])
