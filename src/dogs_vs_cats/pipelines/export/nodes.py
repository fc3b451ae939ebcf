"""From a trained model to checked files of other formats."""

import logging
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dogs_vs_cats.errors import ExportError, StaleInputError
from dogs_vs_cats.export import checking
from dogs_vs_cats.export.description import Description
from dogs_vs_cats.images.splits import TEST, TRAIN
from dogs_vs_cats.inference.classifiers import Classifier
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.parameters.export import ExportParameters
from dogs_vs_cats.storage.arrays import read_rows

logger = logging.getLogger(__name__)

CALIBRATED = 200
"""Training images by which the ranges of 8-bit integers are chosen."""


def write_files(
    export: ExportParameters,
    classifier: Classifier,
    images: np.ndarray,
    manifest: pd.DataFrame,
    ingestion_record: Mapping[str, Any],
    seed: int,
    folder: Path,
) -> dict[str, Path]:
    """Writes a model in every format that `export.formats` names.

    Args:
        export: The formats, and how numbers are stored.
        classifier: The model.
        images: uint8 memory map, (n, height, width, channels), a row for each row of the manifest.
        manifest: Gives the training images.
        ingestion_record: Class names of the images, and their identity with their split.
        seed: Draws the images that calibrate.
        folder: For the files, until they are checked.

    Returns:
        The path of each by its name.

    Raises:
        StaleInputError: The model wasn't trained on these images, in this split.
        ExportError: A file can't be written.
    """
    from dogs_vs_cats.export.files import file_name, write

    _refuse_other_images(classifier, images.shape[1:], ingestion_record)
    rows = np.flatnonzero((manifest["split"] == TRAIN).to_numpy())
    drawn = np.sort(np.random.default_rng(seed).permutation(rows)[:CALIBRATED])
    # An address in MLflow and a path have signs that file names can't have.
    name = re.sub(r"[^\w-]+", "-", classifier.name.removesuffix(".keras")).strip("-")
    description = Description.of(classifier, name)
    shutil.rmtree(folder)
    folder.mkdir()
    written: dict[str, Path] = {}
    for kind in export.formats:
        path = folder / file_name(name, kind, export.quantise)
        logger.info("Writing %s", path.name)
        write(classifier.model, path, kind, export.quantise, read_rows(images, drawn), description)
        written[path.name] = path
    return written


def _refuse_other_images(classifier: Classifier, shape: tuple[int, ...], ingestion_record: Mapping[str, Any]) -> None:
    takes = (classifier.image_size, classifier.image_size, classifier.channels)
    if takes != shape or classifier.classes != ingestion_record["class_names"]:
        raise StaleInputError(
            f"{classifier.name} takes images of shape {takes} and has the classes {', '.join(classifier.classes)}. "
            f"The images of this experiment, by which files are checked, have shape {shape} and the classes "
            f"{', '.join(ingestion_record['class_names'])}. Set --env and export.approach so that they belong together."
        )
    if classifier.data is None:
        logger.warning("The training images of %s are unknown, and may be among the test images", classifier.name)
    elif classifier.data != ingestion_record["identity"]:
        raise StaleInputError(
            f"{classifier.name} was trained on other images or another split than this experiment has now, so its "
            "training images may be among the test images. Run ingestion with the parameters of its training, or train "
            "it again."
        )


def check_files(
    export: ExportParameters,
    written: Mapping[str, Path],
    classifier: Classifier,
    images: np.memmap,
    manifest: pd.DataFrame,
    compute: ComputeParameters,
) -> tuple[dict[str, Path | None], pd.DataFrame]:
    """Classifies the test images with each file in its own runtime, and compares the answers.

    Args:
        export: The tolerance.
        written: See `write_files`.
        classifier: The model.
        images: See `write_files`.
        manifest: Gives the test images and their classes.
        compute: Gives the threads. The model answers in float32, whatever the precision.

    Returns:
        The path of each file, None where it is refused; and a table with a row for each: `model_md5`, of the model;
        see `checking.compare`; `megabytes`; `milliseconds` that one image takes by itself, and `keras_milliseconds`;
        and why it is `refused`, empty where it isn't.
    """
    from dogs_vs_cats.export.runtimes import milliseconds
    from dogs_vs_cats.inference.prediction import predict

    test = np.flatnonzero((manifest["split"] == TEST).to_numpy())
    labels = manifest["label"].to_numpy(np.int64)[test]
    exact = compute.model_copy(update={"precision": "float32", "cluster": None})
    expected = predict(classifier.model, images, test, exact)
    keras_takes = milliseconds(classifier.model.predict_on_batch, images[test[0]])
    rows = []
    for name, path in written.items():
        row: dict[str, Any] = {"file": name, "model_md5": classifier.model_md5}
        row |= {"megabytes": checking.size(path) / 1e6, "keras_milliseconds": keras_takes}
        try:
            found, row["milliseconds"] = checking.answers_of(path, Path(str(images.filename)), test, compute.threads)
            row |= checking.compare(expected, found, labels)
            logger.info(
                "%(file)s: %(changed_answers)d of %(images)d answers changed, largest difference "
                "%(largest_difference).1e, accuracy %(accuracy).3f (Keras: %(keras_accuracy).3f), %(megabytes).1f MB, "
                "%(milliseconds).1f ms a photo (Keras: %(keras_milliseconds).1f ms)",
                row,
            )
            changed, share = row["changed_answers"], row["changed_answers"] / row["images"]
            row["refused"] = f"{changed} of {row['images']} answers changed" if share > export.tolerance else None
        except ExportError as error:
            row["refused"] = error.message
        rows.append(row)
    table = pd.DataFrame(rows)
    return {row["file"]: None if row["refused"] else written[row["file"]] for row in rows}, table


def finish(export: ExportParameters, table: pd.DataFrame, files: Mapping[str, Path], folder: Path) -> None:
    """Empties the working folder, and ends the run where a file was refused.

    Args:
        export: The tolerance.
        table: See `check_files`.
        files: Makes this node run once the accepted files are safe; not read.
        folder: See `write_files`.

    Raises:
        ExportError: A file was refused.
    """
    shutil.rmtree(folder)
    refused = [f"{file}: {reason}" for file, reason in table.set_index("file")["refused"].dropna().items()]
    if refused:
        advice = "" if export.quantise == "none" else " Set export.quantise to none or float16, or allow more changes."
        raise ExportError(f"Not kept: {'; '.join(refused)} (export.tolerance is {export.tolerance:g}).{advice}")
