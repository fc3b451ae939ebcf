"""Trained models as others use them: found by name, loaded with everything that is needed to ask them."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from kedro.io import CatalogProtocol
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dogs_vs_cats import approaches
from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.errors import ModelFileError, ParameterError
from dogs_vs_cats.evaluation import criteria
from dogs_vs_cats.evaluation.probabilities import checked_probabilities, every_class
from dogs_vs_cats.parameters.base import explain
from dogs_vs_cats.parameters.comparison import Metric
from dogs_vs_cats.parameters.ingestion import Fit
from dogs_vs_cats.project import ROOT, resolve
from dogs_vs_cats.storage.file_hash import md5

if TYPE_CHECKING:
    from dogs_vs_cats.evaluation.drift import Sample
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
        name: Its name in messages.
        experiment: The experiment that it was trained in; None where that isn't known.
        model: Raw images in, probabilities out.
        classes: Names in the order of the labels.
        image_size: Height and width of the images it takes, in pixels.
        channels: 3 for RGB, 1 for grey.
        digest: SHA-256 of its files, as hex digits.
        bit_depth: Bits that 16-bit image files among its training images use; None where that isn't known.
        fit: How its training images became squares.
        distribution: Where its training images lie; None where that isn't known.
        data: Identity of the images of its experiment and of their split; None where that isn't known.
        tested: Its answers to its test images; None where they aren't known.
        model_md5: MD5 of the `.keras` file, as in `dvc.lock` and MLflow.
    """

    name: str
    experiment: str | None
    model: Model
    classes: list[str]
    image_size: int
    channels: int
    digest: str
    bit_depth: int | None
    fit: Fit
    distribution: "Distribution | None"
    data: str | None = None
    tested: "Sample | None" = None
    model_md5: str = ""

    def with_features(self) -> Model:
        """Returns the model to run; where the distribution is known, its output has the features beside the answer."""
        if self.distribution is None:
            return self.model
        from dogs_vs_cats.evaluation.out_of_distribution import with_features

        return with_features(self.model)

    def answers(self, outputs: NDArray[np.float32]) -> tuple[NDArray[np.float64], list[bool | None]]:
        """Reads the outputs of the model that `with_features` returns.

        Args:
            outputs: Shape (n, outputs).

        Returns:
            The probability of every class, (n, classes); and of each image whether it is out of the distribution of
            the training images, None where that isn't known.

        Raises:
            TrainingError: An output is not a number.
            ModelFileError: The outputs aren't probabilities of the classes.
        """
        probabilities, features = np.split(outputs, [self.model.output_shape[-1]], axis=1)
        unfamiliar: list[bool | None] = [None] * len(outputs)
        # After a run that stopped between training and evaluation, the file is that of the model before.
        if self.distribution is not None and self.distribution.features == features.shape[1]:
            unfamiliar = (self.distribution.distances(features) > self.distribution.threshold).tolist()
        return every_class(checked_probabilities(probabilities, len(outputs), len(self.classes))), unfamiliar


class _Description(BaseModel):
    """The entries of the `.json` file beside a model that inference reads."""

    model_config = ConfigDict(strict=True)

    classes: list[str]
    experiment: str | None = None
    bit_depth: Annotated[int, Field(ge=8, le=16)] | None = None
    fit: Fit = "stretch"
    made_with: dict[str, Any] = Field(default_factory=dict)


def find_model(
    wanted: str | None,
    catalog: CatalogProtocol[Any, Any],
    approach_names: Sequence[str],
    registered_model: str | None,
    metric: Metric = criteria.DEFAULT,
) -> tuple[str, Path]:
    """Finds the file of a model.

    Args:
        wanted: An approach, `champion`, the address of a model in MLflow (`models:/…` or `runs:/…`), a `.keras` file
            (absolute, or relative to the project root), or None for the best approach.
        catalog: Knows where the models and metrics of the experiment lie.
        approach_names: The approaches of the environment.
        registered_model: Name in MLflow's registry.
        metric: By which the best approach is chosen, on the validation images.

    Returns:
        Its name, and its path.

    Raises:
        ParameterError: There is no such model.
        ModelFileError: It hasn't been trained yet, or isn't a `.keras` file.
        ProjectError: MLflow has no such model, or doesn't answer.
    """
    if wanted is None:
        wanted = _best(catalog, approach_names, metric)
    if wanted in (*approach_names, *approaches.names()):
        dataset = catalog.get(f"{wanted}.model")
        if dataset is None or not dataset.exists():
            raise ModelFileError(
                f"{wanted} has not been trained in this experiment. "
                f"Train it, with the same --env and --params=experiment=NAME: kedro run --pipelines={wanted}"
            )
        return wanted, Path(str(dataset._describe()["filepath"]))
    if wanted == CHAMPION and registered_model is not None:
        wanted = f"models:/{registered_model}@{CHAMPION}"
    if wanted.startswith(ADDRESSES):
        return wanted, catalog.load("fetched_models")(wanted)
    path = resolve(wanted)
    if not path.is_file():
        raise ParameterError(
            f"There is no model {wanted!r}. Allowed are {', '.join(approaches.names())}, {CHAMPION} (unless "
            "tracking.registered_model is null), an address in MLflow (models:/NAME/VERSION or runs:/RUN/APPROACH), "
            f"and the path of a .keras file, which {path} isn't."
        )
    if path.suffix != ".keras":
        raise ModelFileError(
            f"{path} is no .keras file. A model is one file in Keras's own format; this line writes a whole model in "
            f"it: python -c \"import keras; keras.models.load_model('{path}', compile=False)"
            f".save('{path.with_suffix('.keras')}')\""
        )
    return wanted, path


def trained(catalog: CatalogProtocol[Any, Any], approach_names: Sequence[str]) -> list[str]:
    """Those approaches of an experiment that have a model on disk."""
    return [name for name in approach_names if catalog.exists(f"{name}.model")]


def _best(catalog: CatalogProtocol[Any, Any], approach_names: Sequence[str], metric: Metric) -> str:
    validated = {
        name: metrics["validation"]
        for name in trained(catalog, approach_names)
        # An approach that was trained on the validation images has no such metrics.
        if catalog.exists(f"{name}.metrics") and "validation" in (metrics := catalog.load(f"{name}.metrics"))
    }
    if not validated:
        raise ModelFileError(
            f"No approach of this experiment has been trained and evaluated yet ({', '.join(approach_names)}). "
            "Train first (kedro run, with the same --env and --params=experiment=NAME), or name a model: "
            "--params=inference.model=FILE.keras, or make app MODELS=champion"
        )
    best = min(validated, key=lambda name: criteria.rank(metric, validated[name]))
    values = {name: figures[metric] for name, figures in validated.items()}
    compared = ", ".join(f"{name} {'unknown' if value is None else f'{value:.4f}'}" for name, value in values.items())
    logger.info("Model: %s, the best by validation %s (%s)", best, criteria.WORDS[metric], compared)
    return best


def load_classifier(name: str, path: Path) -> Classifier:
    """Loads a model in safe mode, and finds out what it takes and what its answers mean.

    The class names are in the `.json` file beside the model, where training writes them. Where the training images lie,
    and its answers to the test images, are in the `.npz` file beside it, if any.

    Args:
        name: Its name in messages.
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
    description = _description(path, max(2, outputs[1]))
    beside = path.with_suffix(".npz")
    distribution, tested = _described(beside) if beside.is_file() else (None, None)
    files = [file for file in (path, beside) if file.is_file()]
    folder = path.absolute().parent
    experiment = folder.name if folder.parent == ROOT / "data" / "06_models" else None
    return Classifier(
        name=name,
        experiment=description.experiment or experiment,
        model=model,
        classes=description.classes,
        image_size=shape[1],
        channels=shape[3],
        digest=hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest(),
        bit_depth=description.bit_depth,
        fit=description.fit,
        distribution=distribution,
        tested=tested,
        data=description.made_with.get("data"),
        model_md5=md5(path),
    )


def _described(path: Path) -> "tuple[Distribution, Sample]":
    """Reads where the training images lie, and the answers to the test images."""
    from dogs_vs_cats.evaluation.drift import Sample
    from dogs_vs_cats.evaluation.out_of_distribution import Distribution

    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Distribution.from_arrays(arrays), Sample.from_arrays(arrays)
    except Exception as error:
        raise ModelFileError(
            f"{path}, which says where the training images of the model beside it lie, is damaged: {error}. "
            "Evaluate the model again, or delete that file: then no photo is flagged as unlike them."
        ) from error


def _description(path: Path, count: int) -> _Description:
    """Reads the `.json` file beside a model with `count` classes."""
    beside = path.with_suffix(".json")
    try:
        description = _Description.model_validate_json(beside.read_bytes())
    except OSError as error:
        problem = f"{beside} can't be read ({error.strerror})"
    except ValidationError as error:
        details = error.errors()[:1]
        problem = f"in {beside}, {explain(details[0]['loc'], details)}"
    else:
        if len(description.classes) == count:
            return description
        problem = f"{beside} names {len(description.classes)} classes ({', '.join(description.classes)})"
    raise ModelFileError(
        f"{path} has {count} classes, whose names belong in the file beside it, but {problem}. Write one name for "
        'each class, in the order of their labels: {"classes": ["cat", "dog"]}'
    )
