"""Writing a Keras model in another format, and reading the description from such a file."""

import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from dogs_vs_cats.compute.precision import layers_within, with_dtype_policy
from dogs_vs_cats.datasets.keras_model import ZIP_EPOCH
from dogs_vs_cats.errors import ExportError, expected_failure, first_line
from dogs_vs_cats.export.description import Description
from dogs_vs_cats.models.batchnorm_folding import fold_batch_normalisation
from dogs_vs_cats.parameters.export import ExportFormat, Quantisation

ENDINGS: dict[ExportFormat, str] = {"onnx": ".onnx", "litert": ".tflite", "saved_model": ""}

INSTALL = "Install all that exporting needs: make dev"

INPUT = "image"
"""Name of the input."""

_QUANTISED = ["Conv", "Gemm", "MatMul", "Clip", "Relu"]
"""ONNX operations with 8-bit integers. An activation belongs to the layer before it, whose 8 bits then don't cover what
it cuts off. Others, such as preprocessing and softmax, are rounded too coarsely or gain nothing."""

_CALIBRATED_AT_ONCE = 1  # image, since the ranges of all activations of a batch are in memory together


def file_name(name: str, kind: ExportFormat, quantise: Quantisation) -> str:
    """Names a file after its model, its number format and its kind: `naive_cnn.int8.onnx`."""
    if kind == "saved_model":
        return f"{name}_saved_model"
    return f"{name}{'' if quantise == 'none' else f'.{quantise}'}{ENDINGS[kind]}"


def write(
    model: keras.Model,
    path: Path,
    kind: ExportFormat,
    quantise: Quantisation,
    calibration: np.ndarray,
    description: Description,
) -> None:
    """Writes a model as a file of another format.

    Args:
        model: Raw images in, probabilities out. Where it computes in a shorter format than float32, a copy in float32
            is written.
        path: The file or folder to create.
        kind: Its format.
        quantise: How numbers are stored and computed.
        calibration: Training images by which the ranges of 8-bit integers are chosen, uint8,
            (n, height, width, channels).
        description: Goes into the file.

    Raises:
        ExportError: A package is missing, another backend than TensorFlow runs, or the format can't express the model.
    """
    if keras.backend.backend() != "tensorflow":
        raise ExportError(
            f"Models are exported with TensorFlow, but KERAS_BACKEND is {keras.backend.backend()}. "
            "Unset it; a .keras file doesn't depend on the backend."
        )
    if any(layer.compute_dtype != "float32" for layer in layers_within(model)):
        model = with_dtype_policy(model, "float32")
    # tf2onnx leaves those after depthwise convolutions, whose outputs differ too much by channel for 8 bits.
    model = fold_batch_normalisation(model)
    try:
        _WRITERS[kind](model, path, quantise, calibration, description)
    except ImportError as error:
        raise ExportError(f"Writing {path.name} needs another package: {first_line(error)}. {INSTALL}") from error
    except Exception as error:
        if expected_failure(error) is not None:  # such as a full disk
            raise
        raise ExportError(
            f"{model.name} can't be written as {path.name}: {first_line(error)}. Leave {kind} out of export.formats"
            + ("." if quantise == "none" else ", or set export.quantise to none.")
        ) from error


def _write_onnx(
    model: keras.Model, path: Path, quantise: Quantisation, calibration: np.ndarray, description: Description
) -> None:
    import onnx

    with warnings.catch_warnings():
        # Keras makes tf2onnx fit NumPy 2, and asks for a name that NumPy has removed.
        warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
        model.export(str(path), format="onnx", verbose=False, input_signature=_signature(model))
    written = onnx.load(path)
    # tf2onnx counts constants that TensorFlow captures, such as the mean colour of VGG16's images, among the inputs.
    for constant in [given for given in written.graph.input if given.name != INPUT]:
        written.graph.input.remove(constant)
    if quantise == "float16":
        from onnxruntime.transformers.float16 import convert_float_to_float16

        written = convert_float_to_float16(written, keep_io_types=True)
    if quantise == "int8":
        onnx.save(written, path)
        written = _quantised_onnx(path, calibration)
    onnx.helper.set_model_props(written, description.fields())
    onnx.save(written, path)


def _quantised_onnx(path: Path, calibration: np.ndarray) -> Any:
    import onnx
    from onnxruntime import quantization

    class Images(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self._batches = ({INPUT: batch} for (batch,) in _batches(calibration))

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self._batches, None)

    target = path.with_suffix(".quantised")
    quantization.quantize_static(
        path,
        target,
        Images(),
        op_types_to_quantize=_QUANTISED,
        per_channel=True,
    )
    written = onnx.load(target)
    target.unlink()
    return written


def _write_litert(
    model: keras.Model, path: Path, quantise: Quantisation, calibration: np.ndarray, description: Description
) -> None:
    import tensorflow as tf

    options: dict[str, Any] = {"target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}}
    if quantise != "none":
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if quantise == "float16":
        options["target_spec"]["supported_types"] = [tf.float16]
    if quantise == "int8":
        options["representative_dataset"] = partial(_batches, calibration)
    model.export(str(path), format="litert", verbose=False, input_signature=_signature(model), **options)
    # LiteRT's convention: files that belong to a model are a zip archive at its end.
    with zipfile.ZipFile(path, "a") as archive:
        for name, content in (
            ("labels.txt", "\n".join(description.classes) + "\n"),
            ("description.json", description.to_json()),
        ):
            archive.writestr(zipfile.ZipInfo(name, ZIP_EPOCH), content)


def _write_saved_model(
    model: keras.Model, path: Path, quantise: Quantisation, calibration: np.ndarray, description: Description
) -> None:
    model.export(str(path), format="tf_saved_model", verbose=False, input_signature=_signature(model))
    # TensorFlow's convention for files that it doesn't read.
    beside = path / "assets.extra"
    beside.mkdir()
    (beside / "description.json").write_text(description.to_json(), encoding="utf-8")


def _signature(model: keras.Model) -> list[keras.InputSpec]:
    """Raw images; without it, Keras refuses models that have only been loaded."""
    return [keras.InputSpec(shape=model.input_shape, dtype="float32", name=INPUT)]


def _batches(images: np.ndarray) -> Iterator[list[np.ndarray]]:
    for start in range(0, len(images), _CALIBRATED_AT_ONCE):
        yield [images[start : start + _CALIBRATED_AT_ONCE].astype(np.float32)]


_WRITERS: dict[ExportFormat, Callable[[keras.Model, Path, Quantisation, np.ndarray, Description], None]] = {
    "onnx": _write_onnx,
    "litert": _write_litert,
    "saved_model": _write_saved_model,
}
