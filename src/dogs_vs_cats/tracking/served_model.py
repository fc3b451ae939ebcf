"""The serving script of a model. MLflow stores this file with the model and runs it, so nothing is pickled.

A request's `inputs` is a list with one entry for each image, which is either

* the base64 text of an image file, in any format that ingestion reads, or
* an array (height, width, channels) of raw pixels, 0..255, in the size that the model was trained on.

The answer has a prediction for each: `{"predicted": "dog", "probabilities": {"cat": 0.07, "dog": 0.93}}`.

`kedro tracking serve` reads the entries of its requests with the same functions.
"""

import base64
import importlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext

BATCH_SIZE = 64


class Refusal(MlflowException):
    """The refusal of a request, in one line, before which MLflow would put the whole request.

    By default, its status is 400.
    """

    def __init__(self, line: str, error_code: int = INVALID_PARAMETER_VALUE):
        super().__init__(line, error_code)
        self._line = line

    @property
    def message(self) -> str:
        """The line."""
        return self._line

    @message.setter
    def message(self, text: str) -> None:
        """Changes nothing."""


def read(entry: Any, name: str, shape: tuple[int, ...], decoding: Mapping[str, Any]) -> np.ndarray:
    """Reads one entry of a request.

    Args:
        entry: An image file, as bytes or as base64 text, or an array of pixels.
        name: Its name in messages.
        shape: (height, width, channels) of the images that the model takes.
        decoding: Options of `decode`.

    Returns:
        Its pixels, float32, of that shape, 0..255.

    Raises:
        Refusal: It isn't a usable image.
    """
    from dogs_vs_cats.images.decoding import ImageRejected, decode

    try:
        if isinstance(entry, str):
            entry = base64.b64decode(entry, validate=True)
        if isinstance(entry, bytes):
            entry = decode(entry, image_size=shape[0], channels=shape[2], **decoding).pixels
        pixels = np.asarray(entry, dtype=np.float32)
    except ImageRejected as error:
        raise Refusal(f"{name} is not a usable image file: {error.reason}") from None
    except (TypeError, ValueError):
        raise Refusal(f"{name} is neither valid base64 text nor an array of numbers") from None
    if pixels.shape != shape:
        raise Refusal(f"{name} has the shape {list(pixels.shape)}; the model takes {list(shape)}")
    if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 255):
        raise Refusal(f"{name} has values outside of 0..255")
    return pixels


class Prediction(pydantic.BaseModel):
    """The prediction for one image.

    Attributes:
        predicted: The class with the highest probability.
        probabilities: The probability of each class, 0..1.
    """

    predicted: str
    probabilities: dict[str, float]


class ServedModel(PythonModel):
    """A `.keras` file behind MLflow's interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Loads the model file, in safe mode."""
        import keras

        path = context.artifacts["model"]
        with zipfile.ZipFile(path) as archive:
            if b'"module": "keras_hub.' in archive.read("config.json"):
                importlib.import_module("keras_hub")  # Keras then knows its layers
        self._model = keras.models.load_model(path, compile=False, safe_mode=True)
        settings = json.loads(Path(context.artifacts["settings"]).read_text(encoding="utf-8"))
        self._classes: list[str] = settings["classes"]
        self._decoding = {name: settings[name] for name in ("max_pixels", "min_side", "bit_depth", "fit")}

    def predict(
        self, context: PythonModelContext, model_input: list[Any], params: dict[str, Any] | None = None
    ) -> list[Prediction]:
        """Predicts images.

        Args:
            context: Unused.
            model_input: Base64 texts of image files, arrays of pixels, or a mixture.
            params: Unused.

        Returns:
            A prediction for each.

        Raises:
            Refusal: An entry isn't a usable image; the message names the entry and the reason.
        """
        predictions = []
        for start in range(0, len(model_input), BATCH_SIZE):
            entries = enumerate(model_input[start : start + BATCH_SIZE], start)
            shape = tuple(self._model.input_shape[1:])
            batch = np.stack([read(entry, f"inputs[{number}]", shape, self._decoding) for number, entry in entries])
            predictions += [self._prediction(row) for row in np.asarray(self._model.predict_on_batch(batch))]
        return predictions

    def _prediction(self, output: np.ndarray) -> Prediction:
        row = [1 - float(output[0]), float(output[0])] if len(self._classes) == 2 else [float(p) for p in output]
        return Prediction(
            predicted=self._classes[int(np.argmax(row))], probabilities=dict(zip(self._classes, row, strict=True))
        )


set_model(ServedModel())
