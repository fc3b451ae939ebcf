"""Running exported files with their formats' own runtimes. Nothing here imports Keras.

As a program, it classifies the images of an array file: `python -m dogs_vs_cats.export.runtimes FILE IMAGES OUTPUTS`.
"""

import json
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dogs_vs_cats.errors import ModelFileError, first_line
from dogs_vs_cats.export.description import Description

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Takes raw images, (n, height, width, channels), 0..255, and returns probabilities, (n, outputs)."""

BATCH_SIZE = 32
TIMED = 20
"""Photos that are classified one by one to measure how long one takes."""

_INSTALL = "Install it: pip install {}"


def open_file(path: Path, threads: int | None = None) -> tuple[Run, Description]:
    """Opens an exported file in the runtime of its format.

    Args:
        path: A `.onnx` or `.tflite` file, or the folder of a SavedModel.
        threads: Threads of one operation; None takes one a core.

    Returns:
        A function that classifies a batch, and the description in the file.

    Raises:
        ModelFileError: The file is missing, damaged or of no exported format, has no description, or its runtime isn't
            installed.
    """
    openers = {".onnx": _open_onnx, ".tflite": _open_litert, "": _open_saved_model}
    if path.suffix not in openers or not path.exists():
        raise ModelFileError(
            f"{path} is no exported model. Allowed are a .onnx or .tflite file, and the folder of a SavedModel: "
            "kedro run --pipelines=export writes all three."
        )
    try:
        return openers[path.suffix](path, threads)
    except ModuleNotFoundError as error:
        raise ModelFileError(f"{path} needs {error.name}. {_INSTALL.format(error.name)}") from error
    except KeyError as error:
        raise ModelFileError(
            f"{path} doesn't describe itself: {error.args[0]} is missing. Export the model again: "
            "kedro run --pipelines=export"
        ) from error
    except Exception as error:
        raise ModelFileError(f"{path} can't be opened: {first_line(error)}") from error


def _open_onnx(path: Path, threads: int | None) -> tuple[Run, Description]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(session.run(None, {name: images})[0])

    return run, Description.from_fields(session.get_modelmeta().custom_metadata_map)


def _open_litert(path: Path, threads: int | None) -> tuple[Run, Description]:
    from ai_edge_litert.interpreter import Interpreter

    with zipfile.ZipFile(path) as archive:
        description = Description(**json.loads(archive.read("description.json")))
    interpreter = Interpreter(str(path), num_threads=threads)
    given, answered = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    size = 0

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        nonlocal size
        if len(images) != size:
            interpreter.resize_tensor_input(given, images.shape)
            interpreter.allocate_tensors()
            size = len(images)
        interpreter.set_tensor(given, images)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(answered))

    return run, description


def _open_saved_model(path: Path, threads: int | None) -> tuple[Run, Description]:
    import tensorflow as tf

    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    loaded = tf.saved_model.load(str(path))
    content = (path / "assets.extra" / "description.json").read_text(encoding="utf-8")

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(loaded.serve(images))

    return run, Description(**json.loads(content))


def classify(run: Run, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Classifies images in batches.

    Args:
        run: See `open_file`.
        images: Raw images, (n, height, width, channels).

    Returns:
        Probabilities, (n, outputs).
    """
    parts = [run(images[at : at + BATCH_SIZE].astype(np.float32)) for at in range(0, len(images), BATCH_SIZE)]
    return np.concatenate(parts)


def milliseconds(run: Run, images: NDArray[np.uint8]) -> float:
    """Measures how long one image takes by itself: the median of `TIMED`, in milliseconds."""
    seconds = []
    for image in np.resize(images, (TIMED + 1, *images.shape[1:])):
        begin = time.perf_counter()
        run(image[np.newaxis].astype(np.float32))
        seconds.append(time.perf_counter() - begin)
    return float(np.median(seconds[1:])) * 1000


def main() -> None:
    """Classifies the images of one array file, writes the answers to another, and prints the milliseconds of one."""
    file, given, answered = map(Path, sys.argv[1:])
    run, _ = open_file(file)
    images = np.load(given, mmap_mode="r")
    np.save(answered, classify(run, images))
    took = milliseconds(run, images)
    print(json.dumps({"milliseconds": took, "keras": "keras" in sys.modules}))


if __name__ == "__main__":
    main()
