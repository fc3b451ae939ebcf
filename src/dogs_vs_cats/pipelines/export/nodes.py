"""From a trained model to checked files of other formats."""

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from dogs_vs_cats.errors import ExportError, ParameterError
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
    seed: int,
    folder: Path,
) -> dict[str, Path]:
    """Writes a model in every format that `export.formats` names.

    Args:
        export: The formats, and how numbers are stored.
        classifier: The model.
        images: uint8 memory map, (n, height, width, channels), a row for each row of the manifest.
        manifest: Gives the training images.
        seed: Draws those that calibrate.
        folder: For the files, until they are checked.

    Returns:
        The path of each by its name.

    Raises:
        ParameterError: The model takes images of another shape than those of this experiment.
        ExportError: A file can't be written.
    """
    from dogs_vs_cats.export.files import file_name, write

    shape = (classifier.image_size, classifier.image_size, classifier.channels)
    if images.shape[1:] != shape:
        raise ParameterError(
            f"export.approach: {classifier.name} takes images of shape {shape}, but those of this experiment, by which "
            f"the files are checked, have shape {images.shape[1:]}. Name one of this experiment."
        )
    rows = np.flatnonzero((manifest["split"] == TRAIN).to_numpy())
    drawn = np.sort(np.random.default_rng(seed).permutation(rows)[:CALIBRATED])
    name = Path(classifier.name).stem
    description = Description(
        name, classifier.classes, classifier.image_size, classifier.channels, classifier.fit, classifier.bit_depth
    )
    shutil.rmtree(folder)
    folder.mkdir()
    written: dict[str, Path] = {}
    for kind in export.formats:
        path = folder / file_name(name, kind, export.quantise)
        logger.info("Writing %s", path.name)
        write(classifier.model, path, kind, export.quantise, read_rows(images, drawn), description)
        written[path.name] = path
    return written


def check_files(
    export: ExportParameters,
    written: Mapping[str, Path],
    classifier: Classifier,
    images: np.ndarray,
    manifest: pd.DataFrame,
    compute: ComputeParameters,
) -> tuple[dict[str, Path], pd.DataFrame]:
    """Classifies the test images with each file in its own runtime, and compares the answers.

    Args:
        export: The tolerance.
        written: See `write_files`.
        classifier: The model.
        images: See `write_files`.
        manifest: Gives the test images and their classes.
        compute: Its precision is not used: the model answers in float32.

    Returns:
        The files that are accepted, and a table with a row for each file: see `checking.compare`; `megabytes`;
        `milliseconds` that one image takes by itself, and `keras_milliseconds`; and whether it is `refused`.

    Raises:
        ExportError: The experiment has no test images, or a runtime refuses a file.
    """
    from dogs_vs_cats.export.runtimes import milliseconds
    from dogs_vs_cats.inference.prediction import predict

    test = np.flatnonzero((manifest["split"] == TEST).to_numpy())
    if not len(test):
        raise ExportError("The experiment has no test images to check exported files by. Set ingestion.test_size.")
    photos, labels = read_rows(images, test), manifest["label"].to_numpy(np.int64)[test]
    exact = compute.model_copy(update={"precision": "float32", "cluster": None})
    expected = predict(classifier.model, images, test, exact)
    keras_takes = milliseconds(classifier.model.predict_on_batch, photos)
    rows = []
    for name, path in written.items():
        found, takes = checking.answers_of(path, photos)
        row = {"file": name, **checking.compare(expected, found, labels), "megabytes": checking.size(path) / 1e6}
        rows.append({**row, "milliseconds": takes, "keras_milliseconds": keras_takes})
        rows[-1]["refused"] = checking.is_refused(row, export.tolerance)
        logger.info(
            "%(file)s: %(changed_answers)d of %(images)d answers changed, largest difference %(largest_difference).1e, "
            "accuracy %(accuracy).3f (Keras: %(keras_accuracy).3f), %(megabytes).1f MB, %(milliseconds).1f ms a photo "
            "(Keras: %(keras_milliseconds).1f ms)",
            rows[-1],
        )
    table = pd.DataFrame(rows)
    return {name: written[name] for name in table.loc[~table["refused"], "file"]}, table


def refuse(export: ExportParameters, table: pd.DataFrame, files: Mapping[str, Path]) -> None:
    """Ends the run where a file was refused.

    Args:
        export: The tolerance.
        table: See `check_files`.
        files: Makes this node run once the accepted files are safe; not read.

    Raises:
        ExportError: A file changes more answers than are tolerated.
    """
    refused = table[table["refused"]]
    if len(refused):
        changes = [f"{row.file} changes {row.changed_answers} of {row.images} answers" for row in refused.itertuples()]
        raise ExportError(
            f"{'; '.join(changes)}, but export.tolerance is {export.tolerance:g}, and so it isn't kept. Set "
            "export.quantise to float16 or none, or allow more."
        )
