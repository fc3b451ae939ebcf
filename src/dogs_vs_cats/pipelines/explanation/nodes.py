"""Figures of the inside of one trained model, and a table of its layers."""

from typing import Any

import numpy as np
import pandas as pd

from dogs_vs_cats.compute.lazy_types import Figure, Model
from dogs_vs_cats.errors import ModelFileError, ParameterError
from dogs_vs_cats.evaluation.predictions import every_class, most_confident
from dogs_vs_cats.parameters.explanation import ExplanationParameters
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.project import resolve


def summarise_layers(model: Model, settings: dict[str, Any]) -> pd.DataFrame:
    """Lists the layers of a model with shapes, counts, receptive field and memory.

    Args:
        model: The model.
        settings: The parameters of its approach; gives the batch size.

    Returns:
        See `inspection.summarise_layers`.
    """
    from dogs_vs_cats.explanation import inspection

    return inspection.summarise_layers(model, settings["batch_size"])


def choose_image(
    explanation: ExplanationParameters,
    ingestion: IngestionParameters,
    ingestion_record: dict[str, Any],
    images: np.ndarray,
    manifest: pd.DataFrame,
) -> tuple[str, np.ndarray]:
    """Finds the image that is explained: the one asked for, else the first test image.

    Args:
        explanation: Names the image.
        ingestion: Gives the options of the decoder, for an image from a file.
        ingestion_record: Gives the bit depth of the images, likewise.
        images: uint8 memory map, (n, height, width, channels), 0..255, a row for each row of the manifest.
        manifest: Gives each image's path and split.

    Returns:
        Its path, and its pixels, uint8 (height, width, channels), in the size of the images.

    Raises:
        ParameterError: It is neither in the manifest nor a file that can be decoded.
    """
    wanted = explanation.image
    rows = np.flatnonzero(manifest["split"] == "test" if wanted is None else manifest["path"] == wanted)
    if len(rows):
        return str(manifest["path"].iloc[rows[0]]), np.asarray(images[rows[0]])
    file = resolve(str(wanted))
    if not file.is_file():
        raise ParameterError(
            f"explanation.image is {wanted!r}: neither a path of the manifest (such as {manifest['path'].iloc[0]}) nor "
            "a file."
        )
    from dogs_vs_cats.images.decoding import ImageRejected, decode

    options = ingestion.decoding(ingestion_record.get("bit_depth"))
    try:
        decoded = decode(file.read_bytes(), image_size=images.shape[1], channels=images.shape[3], **options)
    except (ImageRejected, OSError) as error:
        raise ParameterError(f"explanation.image is {file}, which can't be used: {error}") from error
    return file.name, decoded.pixels


def draw_layers(model: Model, chosen: tuple[str, np.ndarray]) -> tuple[Figure, Figure, Figure]:
    """Draws a model's first filters, and the outputs of its layers for one image.

    Args:
        model: The model.
        chosen: The path of the image, and its pixels.

    Returns:
        The filters; the feature maps after convolutions and poolings; one map before and after its pooling.
    """
    from dogs_vs_cats.explanation import inspection
    from dogs_vs_cats.reporting import explanation_figures

    path, image = chosen
    return (
        explanation_figures.first_filters(*inspection.first_filters(model)),
        explanation_figures.feature_maps(image, inspection.feature_maps(model, image), path),
        explanation_figures.pooling(inspection.first_pooling(model, image)),
    )


def draw_grad_cam(
    model: Model,
    explanation: ExplanationParameters,
    chosen: tuple[str, np.ndarray],
    images: np.ndarray,
    manifest: pd.DataFrame,
    predictions: pd.DataFrame,
    class_names: list[str],
) -> Figure:
    """Draws the regions behind a model's most confident wrong and right answers on test images.

    Args:
        model: The model.
        explanation: Says how many answers; an image named in it comes first.
        chosen: The path of that image, and its pixels.
        images: uint8 memory map, (n, height, width, channels), 0..255, a row for each row of the manifest.
        manifest: Gives each image's path and label.
        predictions: The model's predictions table.
        class_names: Names in the order of the labels.

    Returns:
        A figure; for a model without convolutions it says so.
    """
    from dogs_vs_cats.explanation.grad_cam import explainer
    from dogs_vs_cats.reporting.explanation_figures import Explained, grad_cam

    try:
        explain = explainer(model)
    except ModelFileError:  # it has no convolutions
        return grad_cam({})
    row_of_path = {path: row for row, path in enumerate(manifest["path"])}

    def explained(path: str, image: np.ndarray, predicted: int, confidence: float) -> Explained:
        truth = class_names[manifest["label"].iloc[row_of_path[path]]] if path in row_of_path else None
        return Explained(image, explain(image, predicted), class_names[predicted], confidence, truth, path)

    rows = {}
    if explanation.image is not None:
        path, image = chosen
        probabilities = every_class(np.asarray(model.predict_on_batch(image[np.newaxis]), np.float64))[0]
        answer = explained(path, image, int(probabilities.argmax()), float(probabilities.max()))
        rows["The image asked for"] = [answer]
    for title, right in (("Most confident wrong answers", False), ("Most confident right answers", True)):
        answers: Any = most_confident(predictions, class_names, right=right, count=explanation.examples).itertuples()
        rows[title] = [
            explained(each.path, np.asarray(images[row_of_path[each.path]]), each.predicted, each.confidence)
            for each in answers
        ]
    return grad_cam(rows)


def record(model_info: dict[str, Any], explanation: ExplanationParameters) -> dict[str, Any]:
    """Records which model was explained, so that a report doesn't show the inside of an earlier one."""
    return {"made_with": model_info["made_with"], "explanation": explanation.model_dump()}
