"""Figures of the inside of one trained model, and a table of its layers."""

from typing import Any

import numpy as np
import pandas as pd

from dogs_vs_cats.compute.lazy_types import Figure, Model
from dogs_vs_cats.errors import ParameterError, reason
from dogs_vs_cats.evaluation.predictions import most_confident, predictions_table
from dogs_vs_cats.evaluation.probabilities import every_class
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.parameters.explanation import ExplanationParameters
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.project import resolve


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
        ingestion_record: Gives the bit depth and the fit of the images, likewise.
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
    from dogs_vs_cats.images.decoding import ImageRejected, decode

    file = resolve(str(wanted))
    options = ingestion.decoding(ingestion_record["bit_depth"], ingestion_record["fit"])
    try:
        decoded = decode(file.read_bytes(), image_size=images.shape[1], channels=images.shape[3], **options)
    except (OSError, ValueError) as error:
        raise ParameterError(
            f"explanation.image is {wanted!r}: neither a path of the manifest (such as {manifest['path'].iloc[0]}) nor "
            f"a file that can be read ({reason(error)})."
        ) from error
    except ImageRejected as error:
        raise ParameterError(f"explanation.image is {file}, which can't be used: {error}") from error
    return file.name, decoded.pixels


def answer_test_images(
    model: Model,
    predictions: pd.DataFrame,
    images: np.ndarray,
    manifest: pd.DataFrame,
    class_names: list[str],
    compute: ComputeParameters,
) -> pd.DataFrame:
    """Returns the model's own answers for the test images; those of a cross-validation come from other models.

    Args:
        model: The model.
        predictions: Its predictions table, whose test rows may be those of a cross-validation on all images.
        images: uint8 memory map, (n, height, width, channels), 0..255, a row for each row of the manifest.
        manifest: Gives each image's path, label and split.
        class_names: Names in the order of the labels.
        compute: How to compute.
    """
    tests = manifest["split"] == "test"
    answers = predictions[predictions["split"] == "test"]
    if len(answers) == tests.sum():
        return answers
    from dogs_vs_cats.inference.prediction import predict

    probabilities = predict(model, images, np.flatnonzero(tests), compute)
    return predictions_table(manifest[tests], probabilities, class_names)


def explain(
    model: Model,
    model_info: dict[str, Any],
    explanation: ExplanationParameters,
    chosen: tuple[str, np.ndarray],
    images: np.ndarray,
    manifest: pd.DataFrame,
    answers: pd.DataFrame,
    class_names: list[str],
) -> tuple[pd.DataFrame, Figure, Figure, Figure, Figure, dict[str, Any]]:
    """Shows the inside of a model: layers, filters, outputs for one image, and the regions behind its answers.

    Args:
        model: The model.
        model_info: Facts about it; gives the batch size and the record.
        explanation: Says how many answers Grad-CAM explains; an image named in it comes first.
        chosen: The path of that image, and its pixels.
        images: uint8 memory map, (n, height, width, channels), 0..255, a row for each row of the manifest.
        manifest: Gives each image's path and label.
        answers: The model's predictions table of the test images.
        class_names: Names in the order of the labels.

    Returns:
        See `inspection.summarise_layers`; the filters; the feature maps after convolutions and poolings; one map before
        and after its pooling; Grad-CAM of the most confident wrong and right answers on test images; and a record of
        the model, so that a report doesn't show the inside of an earlier one.
    """
    from dogs_vs_cats.explanation import inspection
    from dogs_vs_cats.explanation.grad_cam import explainer
    from dogs_vs_cats.reporting import explanation_figures as figures

    path, image = chosen
    row_of_path = {path: row for row, path in enumerate(manifest["path"])}
    rows: dict[str, list[figures.Explained]] = {}
    if (heat := explainer(model)) is not None:

        def explained(path: str, image: np.ndarray, predicted: int, confidence: float) -> figures.Explained:
            truth = class_names[manifest["label"].iloc[row_of_path[path]]] if path in row_of_path else None
            return figures.Explained(image, heat(image, predicted), class_names[predicted], confidence, truth, path)

        if explanation.image is not None:
            output = every_class(np.asarray(model.predict_on_batch(image[np.newaxis]), np.float64))[0]
            rows["The image asked for"] = [explained(path, image, int(output.argmax()), float(output.max()))]
        for title, right in (("Most confident wrong answers", False), ("Most confident right answers", True)):
            found = most_confident(answers, class_names, right=right, count=explanation.examples)
            rows[title] = [
                explained(path, np.asarray(images[row_of_path[path]]), predicted, confidence)
                for path, predicted, confidence in found[["path", "predicted", "confidence"]].itertuples(index=False)
            ]
    return (
        inspection.summarise_layers(model, model_info["made_with"]["parameters"]["batch_size"]),
        figures.first_filters(*inspection.first_filters(model)),
        figures.feature_maps(image, inspection.feature_maps(model, image), path),
        figures.pooling(inspection.first_pooling(model, image)),
        figures.grad_cam(rows),
        {"made_with": model_info["made_with"], "explanation": explanation.model_dump()},
    )
