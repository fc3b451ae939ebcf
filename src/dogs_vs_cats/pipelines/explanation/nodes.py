"""What is drawn and listed of one trained model."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dogs_vs_cats.compute.lazy_types import Figure, Model
from dogs_vs_cats.errors import ModelFileError, ParameterError
from dogs_vs_cats.evaluation.metrics import every_class, most_confident
from dogs_vs_cats.parameters.explanation import ExplanationParameters
from dogs_vs_cats.parameters.ingestion import DecodingOptions, IngestionParameters
from dogs_vs_cats.project import resolve

if TYPE_CHECKING:
    from dogs_vs_cats.reporting.explanation_figures import Look


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


def draw_layers(
    model: Model,
    explanation: ExplanationParameters,
    ingestion: IngestionParameters,
    ingestion_record: dict[str, Any],
    images: np.ndarray,
    manifest: pd.DataFrame,
) -> tuple[Figure, Figure, Figure]:
    """Draws a model's first filters, and what its layers make of one picture.

    Args:
        model: The model.
        explanation: Names the picture.
        ingestion: Gives the options of the decoder, for a picture from a file.
        ingestion_record: Gives the bit depth of the images, likewise.
        images: uint8 memory map, (n, height, width, channels), 0..255, a row for each row of the manifest.
        manifest: Gives each image's path and split.

    Returns:
        The filters; the feature maps after convolutions and poolings; one map before and after its pooling.

    Raises:
        ParameterError: There is no such picture.
    """
    from dogs_vs_cats.explanation import inspection
    from dogs_vs_cats.reporting import explanation_figures

    path, image = chosen_image(explanation, ingestion.decoding(ingestion_record.get("bit_depth")), images, manifest)
    return (
        explanation_figures.first_filters(inspection.first_layer(model)),
        explanation_figures.feature_maps(image, inspection.feature_maps(model, image), path),
        explanation_figures.pooling(inspection.first_pooling(model, image)),
    )


def draw_grad_cam(
    model: Model,
    explanation: ExplanationParameters,
    ingestion: IngestionParameters,
    ingestion_record: dict[str, Any],
    images: np.ndarray,
    manifest: pd.DataFrame,
    predictions: pd.DataFrame,
    class_names: list[str],
) -> Figure:
    """Draws where a model sees what it says: its most confident wrong and right answers on test images.

    Args:
        model: The model.
        explanation: Says how many answers; a picture named in it comes first.
        ingestion: Gives the options of the decoder, for a picture from a file.
        ingestion_record: Gives the bit depth of the images, likewise.
        images: uint8 memory map, (n, height, width, channels), 0..255, a row for each row of the manifest.
        manifest: Gives each image's path.
        predictions: The model's predictions table.
        class_names: Names in the order of the labels.

    Returns:
        A figure; for a model without convolutions it says so.

    Raises:
        ParameterError: There is no such picture.
    """
    from dogs_vs_cats.explanation.grad_cam import explainer
    from dogs_vs_cats.reporting import explanation_figures

    try:
        explain = explainer(model)
    except ModelFileError:  # it has no convolutions
        return explanation_figures.grad_cam([])
    row_of_path = pd.Series(np.arange(len(manifest)), index=manifest["path"])

    def look(answer: Any) -> "Look":
        image = np.asarray(images[row_of_path[answer.path]])
        return explanation_figures.Look(
            image=image,
            heat=explain(image, answer.predicted),
            said=class_names[answer.predicted],
            confidence=answer.confidence,
            truth=class_names[answer.label],
            path=answer.path,
        )

    rows: list[tuple[str, list[Look]]] = []
    if explanation.image is not None:
        path, image = chosen_image(explanation, ingestion.decoding(ingestion_record.get("bit_depth")), images, manifest)
        probabilities = every_class(np.asarray(model.predict_on_batch(image[np.newaxis]))[0].tolist())
        label = int(np.argmax(probabilities))
        known = manifest.loc[manifest["path"] == path, "label"]
        truth = class_names[known.iloc[0]] if len(known) else None
        shown = explanation_figures.Look(
            image, explain(image, label), class_names[label], float(probabilities[label]), truth, path
        )
        rows.append(("The picture asked for", [shown]))
    for title, right in (("Most confident wrong answers", False), ("Most confident right answers", True)):
        answers = most_confident(predictions, class_names, right=right, count=explanation.examples)
        rows.append((title, [look(answer) for answer in answers.itertuples()]))
    return explanation_figures.grad_cam(rows)


def record(model_info: dict[str, Any], explanation: ExplanationParameters) -> dict[str, Any]:
    """Writes down which model was explained, so that a report doesn't show the inside of an earlier one."""
    return {"made_with": model_info["made_with"], "explanation": explanation.model_dump()}


def chosen_image(
    explanation: ExplanationParameters, options: DecodingOptions, images: np.ndarray, manifest: pd.DataFrame
) -> tuple[str, np.ndarray]:
    """Finds the picture that is asked for.

    Args:
        explanation: Names it.
        options: Options of the decoder, for a file.
        images: uint8 memory map, (n, height, width, channels), a row for each row of the manifest.
        manifest: Gives each image's path and split.

    Returns:
        Its path, and its pixels, uint8 (height, width, channels), in the size of the images.

    Raises:
        ParameterError: It is neither in the manifest nor a file that can be decoded.
    """
    if explanation.image is None:
        row = int(np.flatnonzero(manifest["split"] == "test")[0])
        return str(manifest["path"].iloc[row]), np.asarray(images[row])
    rows = np.flatnonzero(manifest["path"] == explanation.image)
    if len(rows):
        return explanation.image, np.asarray(images[rows[0]])
    file = resolve(explanation.image)
    if not file.is_file():
        raise ParameterError(
            f"explanation.image is {explanation.image!r}: neither a path of the manifest (such as "
            f"{manifest['path'].iloc[0]}) nor a file."
        )
    return Path(explanation.image).name, _decoded(file, images.shape, options)


def _decoded(file: Path, shape: tuple[int, ...], options: DecodingOptions) -> np.ndarray:
    from dogs_vs_cats.images.decoding import ImageRejected, decode

    try:
        return decode(file.read_bytes(), image_size=shape[1], channels=shape[3], **options).pixels
    except (ImageRejected, OSError) as error:
        raise ParameterError(f"explanation.image is {file}, which can't be used: {error}") from error
