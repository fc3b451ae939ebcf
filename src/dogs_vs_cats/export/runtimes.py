"""Running model files with their formats' own runtimes. Only a `.keras` file makes this import Keras.

As a program, it classifies images of an array file:
`python -m dogs_vs_cats.export.runtimes FILE IMAGES ROWS ANSWERS THREADS`.
"""

import json
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dogs_vs_cats.compute.parallel import cores
from dogs_vs_cats.compute.start import prepare_environment, quiet_standard_error, start_keras
from dogs_vs_cats.errors import ModelFileError, ProjectError, first_line
from dogs_vs_cats.export.description import Description
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.storage.arrays import read_rows, save_array

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Takes raw images, (n, height, width, channels), 0..255, and returns probabilities, (n, outputs)."""

BATCH_SIZE = 32
FOLDER = "folder"
TIMED = 20
"""Photos that are classified one by one to measure how long one takes."""

INSTALL = "Install it: make dev, or pip install 'FILE.whl[{}]' with this package's wheel"


def open_file(path: Path, threads: int | None = None) -> tuple[Run, Description]:
    """Opens a model file in the runtime of its format.

    Args:
        path: A `.keras` file with its `.json` file beside it, a `.onnx` or `.tflite` file, or the folder of a
            SavedModel.
        threads: Threads of one operation; None takes one a core.

    Returns:
        A function that classifies a batch, and the model's description.

    Raises:
        ModelFileError: The file is missing, damaged or of no such format, has no description, or its runtime isn't
            installed.
    """
    openers = {".keras": _open_keras, ".onnx": _open_onnx, ".tflite": _open_litert, FOLDER: _open_saved_model}
    try:
        kind = FOLDER if (path / "saved_model.pb").is_file() else path.suffix
        if not path.exists():
            raise ModelFileError(f"There is no model {path}.")
        if kind not in openers:
            raise ModelFileError(
                f"{path} is no model. Allowed are a .keras file, which training writes, and a .onnx or .tflite file or "
                "the folder of a SavedModel, which kedro run --pipelines=export writes."
            )
        return openers[kind](path, threads or cores())
    except ProjectError:
        raise
    except ModuleNotFoundError as error:
        extra = "cpu" if kind == FOLDER else "export"
        raise ModelFileError(f"{path} needs {error.name}. {INSTALL.format(extra)}") from error
    except (KeyError, zipfile.BadZipFile, FileNotFoundError) as error:
        raise ModelFileError(
            f"{path} has no description of its classes. Export the model again: kedro run --pipelines=export"
        ) from error
    except Exception as error:
        raise ModelFileError(f"{path} can't be opened: {first_line(error)}") from error


def _open_keras(path: Path, threads: int) -> tuple[Run, Description]:
    from dogs_vs_cats.inference.classifiers import load_classifier

    prepare_environment(ComputeParameters.model_construct(threads=threads, instruction_set="auto"))
    start_keras()
    classifier = load_classifier(path.name, path)

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(classifier.model.predict_on_batch(images))

    return run, Description.of(classifier, path.stem)


def _open_onnx(path: Path, threads: int) -> tuple[Run, Description]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(session.run(None, {name: images})[0])

    return run, Description.from_fields(session.get_modelmeta().custom_metadata_map)


def _open_litert(path: Path, threads: int) -> tuple[Run, Description]:
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


def _open_saved_model(path: Path, threads: int) -> tuple[Run, Description]:
    content = (path / "assets.extra" / "description.json").read_text(encoding="utf-8")
    with quiet_standard_error():
        import tensorflow as tf

    with suppress(RuntimeError):  # TensorFlow has started, and keeps its threads
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    loaded = tf.saved_model.load(str(path))

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(loaded.serve(images))

    return run, Description(**json.loads(content))


def classify(run: Run, images: NDArray[np.uint8], rows: NDArray[np.integer]) -> NDArray[np.float32]:
    """Classifies images in batches.

    Args:
        run: See `open_file`.
        images: Raw images, (n, height, width, channels); may be a memory map.
        rows: Which of them, (m,).

    Returns:
        Probabilities, (m, outputs).
    """
    batches = np.split(rows, range(BATCH_SIZE, len(rows), BATCH_SIZE))
    return np.concatenate([run(read_rows(images, batch).astype(np.float32)) for batch in batches])


def milliseconds(run: Run, image: NDArray[np.uint8]) -> float:
    """Measures how many milliseconds one image, (height, width, channels), takes by itself: the median of `TIMED`."""
    seconds = []
    for _ in range(TIMED + 1):
        begin = time.perf_counter()
        run(image[np.newaxis].astype(np.float32))
        seconds.append(time.perf_counter() - begin)
    return float(np.median(seconds[1:])) * 1000


def main() -> None:
    """Classifies images of an array file, writes the answers to another, and prints the milliseconds of one image."""
    file, images, rows, answers, threads = sys.argv[1:]
    try:
        run, _ = open_file(Path(file), int(threads) or None)
        photos, chosen = np.load(images, mmap_mode="r"), np.load(rows)
        save_array(Path(answers), classify(run, photos, chosen))
        print(json.dumps({"milliseconds": milliseconds(run, photos[chosen[0]])}))
    except (ProjectError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
