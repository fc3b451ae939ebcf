"""This project: photos are decoded once, into arrays; the rest is as in `kedro run --env=lecture`."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from side import SIZE, Figures, Task, main, median_seconds
from turns import as_kedro_run


def opened(folder: Path) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """Opens a folder of photos.

    Returns:
        Decodes the photos, uint8 (n, 150, 150, 3), and returns them with their labels.
    """
    from material import lecture_parameters

    from dogs_vs_cats.compute.parallel import in_order
    from dogs_vs_cats.images.decoding import decode
    from dogs_vs_cats.images.sources import Entry, open_source
    from dogs_vs_cats.parameters.ingestion import IngestionParameters

    values = {**lecture_parameters()["ingestion"], "source": str(folder)}
    ingestion = IngestionParameters.model_validate(values)
    source = open_source(ingestion, folder)
    entries = source.entries()

    def read(entry: Entry) -> np.ndarray:
        return decode(source.read(entry), image_size=SIZE, channels=3, max_pixels=ingestion.max_pixels).pixels

    def decoded() -> tuple[np.ndarray, np.ndarray]:
        pixels = [pixels for _, pixels in in_order(read, entries, 32)]
        return np.stack(pixels), np.array([entry.label for entry in entries])

    return decoded


def training(task: Task) -> Figures:
    """The naive CNN, with augmentation, from folders on."""
    import pandas as pd
    from material import training_inputs

    from dogs_vs_cats.compute.start import start_keras
    from dogs_vs_cats.pipelines.approach.nodes import train
    from dogs_vs_cats.training.inputs import LabelledImages

    # The others import theirs before their clocks start.
    start_keras()
    begin = time.perf_counter()
    parts = {part: opened(task.photos / part)() for part in ("train", "validation")}
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts.values(), strict=True))
    splits = np.repeat(list(parts), [len(labels) for _, labels in parts.values()])
    manifest = pd.DataFrame({"path": splits, "label": labels, "split": splits})
    data = LabelledImages(images, manifest, ["cat", "dog"], {"identity": "photos"})
    with tempfile.TemporaryDirectory() as folder:
        inputs = training_inputs(data, "naive_cnn", {"augment": True, "epochs": task.epochs})
        _, _, history, *_ = train(inputs, Path(folder))
    return {"seconds": time.perf_counter() - begin, "accuracies": [float(history["val_accuracy"].iloc[-1])]}


def vgg16_extraction(task: Task) -> Figures:
    """Features of photos in memory."""
    from features import extract

    photos, _ = opened(task.photos / "train")()
    return {"seconds": median_seconds(task, lambda: extract(photos[: task.images]))}


def decode_resize(task: Task) -> Figures:
    """Reads photos of original size from folders, which are listed before, as on the other sides."""
    return {"seconds": median_seconds(task, opened(task.originals))}


def lecture_run(task: Task) -> Figures:
    """`kedro run`, which also evaluates, draws, compares and tracks."""
    from whole_runs import our_lecture_run

    seconds, accuracies = our_lecture_run(task.training, task.epochs)
    return {"seconds": seconds, "accuracies": accuracies}


if __name__ == "__main__":
    as_kedro_run()
    main({row.__name__: row for row in (training, vgg16_extraction, decode_resize, lecture_run)})
