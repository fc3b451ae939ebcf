"""Trained models as others use them: found by name, loaded with everything that is needed to ask them."""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from kedro.io import CatalogProtocol

from dogs_vs_cats import approaches
from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.errors import ModelFileError, ParameterError
from dogs_vs_cats.project import ROOT, resolve

if TYPE_CHECKING:
    from dogs_vs_cats.evaluation.out_of_distribution import Distribution

logger = logging.getLogger(__name__)

CHAMPION = "champion"
"""Asks for the best model of the experiment; also its alias in MLflow's registry."""

ADDRESSES = ("models:/", "runs:/")
"""The beginnings of a model's address in MLflow."""


@dataclass(frozen=True)
class Classifier:
    """A model, and what its answers mean.

    Attributes:
        name: What it is called in messages.
        experiment: The experiment that it was trained in; None where that isn't known.
        model: Raw images in, probabilities out.
        classes: Names in the order of the labels.
        image_size: Height and width of the images it takes, in pixels.
        channels: 3 for RGB, 1 for grey.
        digest: SHA-256 of its files, as hex digits.
        bit_depth: Bits that 16-bit image files among its training images use; None where that isn't known.
        distribution: Where its training images lie; None where that isn't known.
    """

    name: str
    experiment: str | None
    model: Model
    classes: list[str]
    image_size: int
    channels: int
    digest: str
    bit_depth: int | None
    distribution: "Distribution | None"

    @property
    def title(self) -> str:
        """The name, with the experiment."""
        return f"{self.name} (experiment {self.experiment or 'unknown'})"

    def with_features(self) -> Model:
        """Returns the model to run; where the distribution is known, its output has the features beside the answer."""
        if self.distribution is None:
            return self.model
        from dogs_vs_cats.evaluation.out_of_distribution import with_features

        return with_features(self.model)

    def split_outputs(self, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Splits the outputs of the model that `with_features` returns.

        Args:
            outputs: float32 array of shape (n, outputs).

        Returns:
            Probabilities as of `model`, and the distance of each image from the training images, relative to the
            largest usual one; None where that isn't known.
        """
        if self.distribution is None:
            return outputs, None
        probabilities, features = np.split(outputs, [self.model.output_shape[-1]], axis=1)
        return probabilities, self.distribution.distances(features) / self.distribution.threshold


def find_model(
    wanted: str | None, catalog: CatalogProtocol[Any, Any], approach_names: Sequence[str], registered_model: str | None
) -> tuple[str, Path]:
    """Finds the file of a model.

    Args:
        wanted: An approach, `champion`, the address of a model in MLflow (`models:/…` or `runs:/…`), a `.keras` file
            (relative paths count from the project root), or None for the approach with the lowest validation log loss.
        catalog: Knows where the models and metrics of the experiment lie.
        approach_names: The approaches of the environment.
        registered_model: Name in MLflow's registry.

    Returns:
        What to call it, and its path.

    Raises:
        ParameterError: There is no such model.
        ModelFileError: No approach has been trained yet.
        ProjectError: MLflow has no such model, or doesn't answer.
    """
    if wanted is None:
        return _best(catalog, approach_names)
    if wanted in (*approach_names, *approaches.names()):
        return wanted, _file(catalog, wanted)
    if wanted == CHAMPION:
        if registered_model is None:
            raise ParameterError(
                "The model champion is the one in MLflow's registry, but tracking.registered_model is null. "
                "Name the registered model there, or give an approach or a .keras file."
            )
        address = f"models:/{registered_model}@{CHAMPION}"
        return f"{CHAMPION} of {registered_model}", catalog.load("fetched_models")(address)
    if wanted.startswith(ADDRESSES):
        return wanted, catalog.load("fetched_models")(wanted)
    return wanted, _model_file(wanted)


def load_classifier(name: str, path: Path) -> Classifier:
    """Loads a model in safe mode, and finds out what it takes and what its answers mean.

    The class names are in the `.json` file beside the model, where training writes them. Where the training images lie
    is in the `.npz` file beside it, if any.

    Args:
        name: What to call it.
        path: The `.keras` file.

    Raises:
        ModelFileError: The file is missing or damaged, its classes aren't known, or the model doesn't keep the model
            contract.
    """
    from dogs_vs_cats.datasets.keras_model import load_model

    model = load_model(path)
    shape, outputs = model.input_shape, model.output_shape
    if len(model.inputs) != 1 or len(shape) != 4 or len(outputs) != 2 or shape[1] != shape[2] or not shape[1]:
        raise ModelFileError(
            f"{path} takes {shape} and returns {outputs}. A model takes square images of a fixed size, "
            "(n, size, size, channels), and returns probabilities, (n, 1) for two classes or (n, classes)."
        )
    information = _information(path, max(2, outputs[1]))
    beside = path.with_suffix(".npz")
    digest = hashlib.sha256()
    for file in (path, beside):
        digest.update(file.read_bytes() if file.is_file() else b"")
    return Classifier(
        name=name,
        experiment=information.get("experiment") or _experiment_of(path),
        model=model,
        classes=information["classes"],
        image_size=shape[1],
        channels=shape[3],
        digest=digest.hexdigest(),
        bit_depth=information.get("bit_depth"),
        distribution=_distribution(beside) if beside.is_file() else None,
    )


def trained(catalog: CatalogProtocol[Any, Any], approach_names: Sequence[str]) -> list[str]:
    """Those approaches of an experiment that have a model on disk."""
    return [name for name in approach_names if catalog.exists(f"{name}.model")]


def _best(catalog: CatalogProtocol[Any, Any], approach_names: Sequence[str]) -> tuple[str, Path]:
    losses = {
        name: metrics["validation"]["log_loss"]
        for name in trained(catalog, approach_names)
        # An approach that was trained on the validation images has no such metrics.
        if catalog.exists(f"{name}.metrics") and "validation" in (metrics := catalog.load(f"{name}.metrics"))
    }
    if not losses:
        raise ModelFileError(
            f"No approach of this experiment has been trained and evaluated yet ({', '.join(approach_names)}). "
            "Train first (kedro run), or say which model is meant: --params=inference.model=FILE.keras"
        )
    best = min(losses, key=losses.__getitem__)
    others = ", ".join(f"{name} {loss:.4f}" for name, loss in losses.items() if name != best)
    logger.info(
        "Model: %s, the best by validation log loss (%.4f%s)", best, losses[best], f"; {others}" if others else ""
    )
    return best, _file(catalog, best)


def _file(catalog: CatalogProtocol[Any, Any], approach: str) -> Path:
    dataset = catalog.get(f"{approach}.model")
    if dataset is None or not dataset.exists():
        raise ModelFileError(f"{approach} has not been trained in this experiment: kedro run --pipelines={approach}")
    return Path(str(dataset._describe()["filepath"]))


def _distribution(path: Path) -> "Distribution":
    from dogs_vs_cats.datasets import ArraysDataset
    from dogs_vs_cats.evaluation.out_of_distribution import Distribution

    try:
        return Distribution(**ArraysDataset(filepath=str(path)).load())
    except Exception as error:
        raise ModelFileError(
            f"{path}, which says where the training images of the model beside it lie, is damaged: {error}. "
            "Evaluate the model again, or delete that file: then no photo is flagged as unlike them."
        ) from error


def _information(path: Path, count: int) -> dict[str, Any]:
    """What is written beside a model file; at least the names of its classes."""
    beside = path.with_suffix(".json")
    form = '{"classes": ["cat", "dog"]}'
    try:
        content = json.loads(beside.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelFileError(
            f"{path} has {count} classes, but their names aren't known. Write them, in the order of their labels, "
            f"into {beside.name} beside it: {form}"
        ) from None
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{beside}, which describes the model beside it, can't be read: {error}") from error
    classes = content.get("classes") if isinstance(content, dict) else None
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ModelFileError(f"{beside} must hold the names of the classes: {form}")
    if len(classes) != count:
        raise ModelFileError(
            f"{beside} names {len(classes)} classes ({', '.join(classes)}), but the model beside it has {count}. "
            "Write one name for each class, in the order of their labels."
        )
    if content.get("bit_depth") not in (None, *range(8, 17)):
        raise ModelFileError(f"{beside} has the bit_depth {content['bit_depth']!r}; allowed are 8 to 16, and null.")
    return dict(content)


def _experiment_of(path: Path) -> str | None:
    """The experiment in whose folder a model file lies."""
    folder = path.absolute().parent
    return folder.name if folder.parent == ROOT / "data" / "06_models" else None


def _model_file(wanted: str) -> Path:
    """The `.keras` file that a user named."""
    path = resolve(wanted)
    if path.suffix == ".keras" and path.is_file():
        return path
    if path.is_dir():
        found = sorted(file.name for file in path.glob("*.keras"))
        there = f" It holds {', '.join(found[:5])}." if found else ""
        raise ModelFileError(f"{path} is a folder; inference.model names one .keras file.{there}")
    if path.is_file():
        raise ModelFileError(
            f"{path} is no .keras file. A model is one file in Keras's own format; this line writes a whole model in "
            f"it: python -c \"import keras; keras.models.load_model('{path}', compile=False)"
            f".save('{path.with_suffix('.keras')}')\""
        )
    if path.suffix or "/" in wanted:
        raise ModelFileError(f"There is no model file {path}.")
    raise ParameterError(
        f"There is no model {wanted!r}. Allowed are {', '.join(approaches.names())}, {CHAMPION}, an address in "
        "MLflow (models:/NAME/VERSION or runs:/RUN/APPROACH), and the path of a .keras file."
    )
