"""The answers that the page shows for a photo, independent of the page."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from matplotlib import colormaps

from dogs_vs_cats.app.pictures import JPEG_QUALITY, in_proportion
from dogs_vs_cats.explanation.grad_cam import explainer
from dogs_vs_cats.images.decoding import ImageRejected, decode
from dogs_vs_cats.inference.classifiers import Classifier
from dogs_vs_cats.inference.predictor import unpadded_predictor
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.parameters.ingestion import DecodingOptions, IngestionParameters
from dogs_vs_cats.reporting.html import jpeg_uri

SHOWN_CLASSES = 3
"""The number of classes that an answer names at most."""

_SHOWN_SIDE = 360
_HEAT_OPACITY = 0.7


@dataclass(frozen=True)
class Answer:
    """One model's answer for one photo.

    Attributes:
        model: The model.
        probabilities: (class, probability) of the most probable classes, the most probable first.
        picture: The photo with the model's heat map, as a `data:` address; where the model has no convolutions, the
            photo. A model whose images are cropped or padded has its square instead of the photo.
        explained: Whether there is a heat map.
        unfamiliar: Whether the photo is out of the distribution of the training images; None where that isn't known.
    """

    model: Classifier
    probabilities: list[tuple[str, float]]
    picture: str
    explained: bool
    unfamiliar: bool | None


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


class Expert:
    """A model that is ready to answer.

    Attributes:
        model: The model.
        decoding: Options of the decoder for it.
    """

    def __init__(self, model: Classifier, compute: ComputeParameters, ingestion: IngestionParameters):
        """Prepares the model."""
        self.model = model
        self.decoding = ingestion.decoding(model.bit_depth, model.fit)
        self._predict = unpadded_predictor(model.with_features(), compute)
        self._explain = explainer(model.model)

    def answer(self, data: bytes, picture: np.ndarray) -> Answer:
        """Answers for a photo.

        Args:
            data: The content of its file.
            picture: Its pixels, as they are shown.

        Raises:
            ImageRejected: The file isn't a usable image.
        """
        pixels = decode(data, image_size=self.model.image_size, channels=self.model.channels, **self.decoding).pixels
        if self.model.fit != "stretch":
            # The heat map lies over the square that the model sees, of which the photo shows more, or which has bars.
            picture = decode(data, image_size=_SHOWN_SIDE, channels=3, **self.decoding).pixels
        probabilities, unfamiliar = self.model.answers(self._predict(pixels[np.newaxis]))
        order = np.argsort(probabilities[0])[::-1][:SHOWN_CLASSES].tolist()
        if self._explain is not None:
            picture = _heated(picture, self._explain(pixels, order[0]))
        return Answer(
            model=self.model,
            probabilities=[(self.model.classes[label], float(probabilities[0, label])) for label in order],
            picture=jpeg_uri(picture, JPEG_QUALITY),
            explained=self._explain is not None,
            unfamiliar=unfamiliar[0],
        )


def answer_photo(name: str, data: bytes, experts: Sequence[Expert]) -> Photo:
    """Asks all models about a photo.

    Args:
        name: The name of its file.
        data: The content of the file, which may be anything.
        experts: The models, in the order in which they are shown.
    """
    whole: DecodingOptions = {**experts[0].decoding, "fit": "stretch"}
    try:
        shown = decode(data, image_size=_SHOWN_SIDE, channels=3, **whole)
        picture = in_proportion(shown)
        answers = [expert.answer(data, picture) for expert in experts]
    except ImageRejected as error:
        return Photo(name, problem=error.reason)
    return Photo(name, "", jpeg_uri(picture, JPEG_QUALITY), f"{shown.width} × {shown.height} pixels", answers)


def _heated(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lays a heat map over a picture: the stronger, the brighter and the less transparent."""
    heat = cv2.resize(heat, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC).clip(0, 1)
    opacity = _HEAT_OPACITY * heat[..., np.newaxis]
    coloured = np.asarray(colormaps["inferno"](0.3 + 0.65 * heat))[..., :3] * 255
    # Areas without heat darken a little, so that the others stand out on any photo.
    return np.asarray(picture * (1 - opacity) * 0.85 + coloured * opacity).clip(0, 255).astype(np.uint8)
