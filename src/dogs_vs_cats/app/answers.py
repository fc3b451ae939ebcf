"""The answers that the page shows for a photo, independent of the page."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from matplotlib import colormaps
from PIL import Image

from dogs_vs_cats.evaluation.predictions import every_class
from dogs_vs_cats.explanation.grad_cam import explainer
from dogs_vs_cats.images.decoding import ImageRejected, decode
from dogs_vs_cats.images.decoding.resizing import to_channels
from dogs_vs_cats.inference.classifiers import Classifier
from dogs_vs_cats.inference.predictor import predictor
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.reporting.html import data_uri

SHOWN_CLASSES = 3
"""The number of classes that an answer names at most."""

_SHOWN_SIDE = 360
_HEAT = colormaps["inferno"]
_HEAT_OPACITY = 0.7


@dataclass(frozen=True)
class Answer:
    """One model's answer for one photo.

    Attributes:
        model: The model's name.
        experiment: The experiment that it was trained in; None where that isn't known.
        predicted: The most probable class.
        probabilities: (class, probability) of the most probable classes, the most probable first.
        picture: The photo with the model's heat map, as a `data:` address; where the model has no convolutions, the
            photo.
        explained: Whether there is a heat map.
        unfamiliar: Whether the photo is out of the distribution of the training images, as far as that is known.
    """

    model: str
    experiment: str | None
    predicted: str
    probabilities: list[tuple[str, float]]
    picture: str
    explained: bool
    unfamiliar: bool


@dataclass(frozen=True)
class Photo:
    """One dropped file.

    Attributes:
        name: Its name.
        problem: The reason why it can't be used; empty if it can.
        picture: The upright photo, as a `data:` address.
        size: Width and height in pixels, in words.
        answers: The answer of each model.
    """

    name: str
    problem: str = ""
    picture: str = ""
    size: str = ""
    answers: Sequence[Answer] = ()


class Answerer:
    """Asks all models about a photo."""

    def __init__(self, classifiers: Sequence[Classifier], compute: ComputeParameters, ingestion: IngestionParameters):
        """Prepares the models.

        Args:
            classifiers: The models, in the order in which they are shown.
            compute: Parameters of the computation.
            ingestion: Parameters with the options of the decoder.
        """
        self._classifiers = classifiers
        self._predict = [predictor(classifier.with_features(), compute) for classifier in classifiers]
        self._explain = [explainer(classifier.model) for classifier in classifiers]
        self._decoding = [ingestion.decoding(classifier.bit_depth) for classifier in classifiers]

    def photo(self, name: str, data: bytes) -> Photo:
        """Answers for one file.

        Args:
            name: Its name.
            data: Its content, which may be anything.
        """
        try:
            shown = decode(data, image_size=_SHOWN_SIDE, channels=3, **self._decoding[0])
            scale = _SHOWN_SIDE / max(shown.width, shown.height)
            size = max(1, round(shown.width * scale)), max(1, round(shown.height * scale))
            picture = cv2.resize(shown.pixels, size, interpolation=cv2.INTER_AREA)
            answers = [self._answer(place, data, picture) for place in range(len(self._classifiers))]
        except ImageRejected as error:
            return Photo(name, problem=error.reason)
        return Photo(name, "", _address(picture), f"{shown.width} × {shown.height} pixels", answers)

    def _answer(self, place: int, data: bytes, picture: np.ndarray) -> Answer:
        classifier, explain = self._classifiers[place], self._explain[place]
        side, channels = classifier.image_size, classifier.channels
        pixels = decode(data, image_size=side, channels=channels, **self._decoding[place]).pixels
        probabilities, distances = classifier.split_outputs(self._predict[place](pixels[np.newaxis]))
        every = every_class(probabilities.astype(np.float64))[0].tolist()
        order = np.argsort(every)[::-1][:SHOWN_CLASSES]
        if explain is not None:
            seen = picture if channels == 3 else to_channels(to_channels(picture, 1), 3)
            picture = _heated(seen, explain(pixels, int(order[0])))
        return Answer(
            model=classifier.name,
            experiment=classifier.experiment,
            predicted=classifier.classes[order[0]],
            probabilities=[(classifier.classes[label], every[label]) for label in order],
            picture=_address(picture),
            explained=explain is not None,
            unfamiliar=distances is not None and bool(distances[0] > 1),
        )


def _heated(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lays a heat map over a picture: the stronger, the brighter and the less transparent."""
    heat = cv2.resize(heat, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC).clip(0, 1)
    opacity = _HEAT_OPACITY * heat[..., np.newaxis]
    # Areas without heat darken a little, so that the others stand out on any photo.
    coloured: Any = _HEAT(0.3 + 0.65 * heat)[..., :3] * 255
    return np.asarray(picture * (1 - opacity) * 0.85 + coloured * opacity).clip(0, 255).astype(np.uint8)


def _address(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=88)
    return data_uri(buffer.getvalue(), "jpeg")
