"""Nodes of the data-quality pipeline: labels, copies, junk, weak spots, and the effect of more photos."""

import logging
from typing import Any

import numpy as np
import pandas as pd

from dogs_vs_cats.compute.parallel import in_order
from dogs_vs_cats.errors import SourceError
from dogs_vs_cats.evaluation import feature_space, image_quality, label_errors, slices, training_size
from dogs_vs_cats.evaluation.label_errors import LabelErrors
from dogs_vs_cats.evaluation.predictions import most_confident
from dogs_vs_cats.evaluation.training_size import Curve
from dogs_vs_cats.images.splits import TRAIN, UNUSED
from dogs_vs_cats.progress import track
from dogs_vs_cats.reporting.data_quality import ALL
from dogs_vs_cats.storage.arrays import averaged, read_rows, row_parts

logger = logging.getLogger(__name__)

FEWEST = 20
"""Fewest photos that can be judged."""

MISTAKES = 12
"""Confident mistakes whose neighbours are shown."""

NEIGHBOURS = 5

_ROWS_AT_ONCE = 64


def describe_photos(images: np.ndarray, manifest: pd.DataFrame, ingestion_record: dict[str, Any]) -> pd.DataFrame:
    """Measures the photos in use.

    Args:
        images: uint8 memory map, (n, height, width, channels), a row for each row of the manifest.
        manifest: Their labels, splits, sizes and groups; also `copies`, where `group` is more than these.
        ingestion_record: Its `fit` is how photos became squares.

    Returns:
        The manifest's rows in use, with `brightness`, `contrast` and `sharpness` (see `image_quality.Measures`),
        `short_side` and `elongation` (longer over shorter side) of the original, and `copies` (the same for copies of
        one photo; each photo has its own if `ingestion.near_duplicates` is `ignore`).

    Raises:
        SourceError: There are too few photos, photos of one class alone, or a single group in each class.
    """
    # Not at the top: commands that decode nothing shouldn't have to wait for the image libraries.
    from dogs_vs_cats.images.decoding.resizing import without_bars

    photos = manifest[manifest["split"] != UNUSED]
    if len(photos) < FEWEST or photos["label"].nunique() < 2:
        raise SourceError(
            f"data_quality needs at least {FEWEST} photos in two classes. Photos in use: {len(photos)}, in classes: "
            f"{photos['label'].nunique()}. Add photos, and run data_ingestion again."
        )
    if not label_errors.can_be_judged(photos).any():
        raise SourceError(
            "data_quality can't judge a label, because each class has a single group. Set ingestion.group to a value "
            "that divides the classes, or to null, and run data_ingestion again."
        )
    fit = ingestion_record["fit"]

    def measured(rows: np.ndarray) -> list[image_quality.Measures]:
        sides = manifest[["height", "width"]].to_numpy()[rows]
        squares = zip(read_rows(images, rows), sides, strict=True)
        return [image_quality.measure(without_bars(square, height, width, fit)) for square, (height, width) in squares]

    blocks = list(row_parts(photos.index.to_numpy(), _ROWS_AT_ONCE))
    found = [
        of for _, part in track(in_order(measured, blocks, chunk=1), "Looking at photos", len(blocks)) for of in part
    ]
    sides = photos[["width", "height"]]
    return photos.assign(
        **pd.DataFrame(found, photos.index),
        short_side=sides.min(axis=1),
        elongation=sides.max(axis=1) / sides.min(axis=1),
        copies=photos.get("copies", photos["group"]),
    )


def place_photos(
    features: np.ndarray, backbone_record: dict[str, Any], described: pd.DataFrame, seed: int
) -> tuple[np.ndarray, pd.DataFrame]:
    """Places the photos among each other by their features.

    Args:
        features: float32 memory map, (photos in use, features), in the manifest's order.
        backbone_record: Its `output_shape` tells which features are of the same position.
        described: The photos in use.
        seed: Draws the parts that are compared with each other.

    Returns:
        Principal components of the features, float32 (photos in use, components); and the photos with `distance`, see
        `image_quality.distances`.
    """
    means = averaged(features, backbone_record["output_shape"][-1])
    distances = image_quality.distances(means, described["label"].to_numpy(), seed)
    return feature_space.reduced(means), described.assign(distance=distances)


def judge_labels(points: np.ndarray, photos: pd.DataFrame, seed: int) -> tuple[np.ndarray, LabelErrors, float]:
    """Predicts each photo by classifiers that were fitted without it, and judges the labels by that.

    Args:
        points: The photos' features, a row for each.
        photos: The photos in use.
        seed: Draws the folds.

    Returns:
        Out-of-fold probabilities, (photos, classes); the judged labels; and the penalty of the classifiers.
    """
    strength = label_errors.choose_penalty(points, photos)
    probability = label_errors.out_of_fold(points, photos, strength, seed)
    judged = label_errors.judge(probability, photos)
    logger.info(
        "Confident learning estimates that %s%.2g%% of the labels are wrong; out of fold, the classifiers agree with "
        "%.0f%% of the labels",
        *("at most " if judged.is_upper_bound else "", 100 * judged.rate, 100 * judged.accuracy),
    )
    return probability, judged, strength


def compare_slices(
    photos: pd.DataFrame, class_names: list[str], approaches: list[str], *predictions: pd.DataFrame
) -> pd.DataFrame:
    """Compares the accuracy of each approach in parts of its test photos, see `slices.compare`.

    Args:
        photos: The photos in use.
        class_names: The classes, in the order of their labels.
        approaches: Names of the approaches.
        *predictions: Their predictions tables.
    """
    tables = zip(approaches, predictions, strict=True)
    answers = {name: slices.answers_of(photos, table) for name, table in tables}
    return slices.compare(slices.slices_of(photos, class_names), answers)


def measure_sizes(
    points: np.ndarray, photos: pd.DataFrame, class_names: list[str], strength: float, seed: int
) -> dict[str, Curve]:
    """Measures the accuracy over the number of training photos.

    Args:
        points: The photos' features, a row for each.
        photos: The photos in use.
        class_names: The classes, in the order of their labels.
        strength: Penalty of the linear classifiers.
        seed: Draws folds and samples.

    Returns:
        The curve of all classes together; with more than two classes also one for each. None where there are too few
        groups of photos.
    """
    measured = training_size.measure(points, photos, strength, seed)
    curves = {ALL: training_size.fit_curve(measured, seed)}
    if len(class_names) > 2:
        for label in sorted(set(measured.loc[measured["tested"] > 0, "label"])):
            curves[class_names[label]] = training_size.fit_curve(measured[measured["label"] == label], seed)
    return {name: curve for name, curve in curves.items() if curve}


def find_neighbours(
    points: np.ndarray, photos: pd.DataFrame, class_names: list[str], approaches: list[str], *predictions: pd.DataFrame
) -> pd.DataFrame:
    """Finds the training photos that are most like the most confident mistakes of the most accurate approach.

    Photos of the mistake's own group are left out: in a cross-validation its classifier never saw them.

    Args:
        points: The photos' features, a row for each.
        photos: The photos in use.
        class_names: The classes, in the order of their labels.
        approaches: Names of the approaches.
        *predictions: Their predictions tables.

    Returns:
        A row for each mistake, the most confident first: `approach`, `row` (of the manifest), `predicted`,
        `confidence`, and `neighbours`, rows of the manifest, nearest first.
    """
    accuracies = [slices.answers_of(photos, table)["right"].mean() for table in predictions]
    best = int(np.argmax(accuracies))
    mistakes = most_confident(predictions[best], class_names, right=False, count=MISTAKES)
    place_of = pd.Series(np.arange(len(photos)), photos["path"])
    queries = place_of[mistakes["path"]].to_numpy(np.int64)
    candidates = np.flatnonzero(photos["split"] == TRAIN)
    nearest = feature_space.nearest(points, queries, candidates, photos["group"].to_numpy(), NEIGHBOURS)
    rows = photos.index.to_numpy()
    answers = mistakes[["predicted", "confidence"]].assign(approach=approaches[best], row=rows[queries])
    return answers.assign(neighbours=[rows[found].tolist() for found in nearest])
