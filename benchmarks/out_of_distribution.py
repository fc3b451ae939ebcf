"""How often photos that show neither class are flagged, and how often pets are.

Needs a trained experiment (`kedro run`), whose test images are the pets. The others are generated: noise, blanks,
clouds, stripes; and digits, where MNIST is at hand (IDX files, --mnist FOLDER).
"""

import gzip
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

if TYPE_CHECKING:
    from dogs_vs_cats.parameters.compute import ComputeParameters

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

COUNT = 200


def _noise(random: np.random.Generator, size: int) -> np.ndarray:
    return random.integers(0, 256, (COUNT, size, size, 3), dtype=np.uint8)


def _soft_noise(random: np.random.Generator, size: int) -> np.ndarray:
    """Coloured clouds: coarse noise, enlarged."""
    import cv2

    coarse = random.integers(0, 256, (COUNT, 6, 6, 3), dtype=np.uint8)
    return np.stack([cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC) for picture in coarse])


def _blanks(random: np.random.Generator, size: int) -> np.ndarray:
    colours = random.integers(0, 256, (COUNT, 1, 1, 3), dtype=np.uint8)
    return np.broadcast_to(colours, (COUNT, size, size, 3)).copy()


def _stripes(random: np.random.Generator, size: int) -> np.ndarray:
    place = np.arange(size)
    waves = np.sin(place[np.newaxis, :] * random.uniform(0.05, 1.2, (COUNT, 1)) + random.uniform(0, 6, (COUNT, 1)))
    light, dark = random.integers(0, 256, (2, COUNT, 1, 3))
    rows = np.where(waves[..., np.newaxis] > 0, light, dark)
    return np.repeat(rows[:, np.newaxis].astype(np.uint8), size, axis=1)


def _digits(folder: Path, size: int) -> np.ndarray:
    import cv2

    with gzip.open(folder / "t10k-images-idx3-ubyte.gz") as file:
        digits = np.frombuffer(file.read(16 + 28 * 28 * COUNT), np.uint8, offset=16).reshape(COUNT, 28, 28)
    return np.stack([np.repeat(cv2.resize(digit, (size, size))[..., np.newaxis], 3, axis=2) for digit in digits])


def _others(size: int, mnist: Path | None) -> Iterator[tuple[str, np.ndarray]]:
    random = np.random.default_rng(0)
    yield "noise", _noise(random, size)
    yield "coloured clouds", _soft_noise(random, size)
    yield "blanks", _blanks(random, size)
    yield "stripes", _stripes(random, size)
    if mnist is not None:
        yield "MNIST digits", _digits(mnist, size)


def compute_parameters() -> "ComputeParameters":
    """Two threads, float32."""
    from dogs_vs_cats.parameters.compute import ComputeParameters

    return ComputeParameters(
        threads=2,
        instruction_set="auto",
        precision="float32",
        jit_compile="auto",
        steps_per_execution="auto",
        workers="auto",
        devices="auto",
        images_on_device="auto",
        cluster=None,
    )


@click.command()
@click.option("--experiment", default="sample", show_default=True, help="Whose models and test images are used.")
@click.option("--data", type=click.Path(path_type=Path), default=ROOT / "data", help="The folder `data`.")
@click.option("--mnist", type=click.Path(path_type=Path, exists=True), help="Folder of MNIST's IDX files.")
def main(experiment: str, data: Path, mnist: Path | None) -> None:
    """Print a table: for each model and kind of picture, what share is flagged."""
    import pandas as pd

    from dogs_vs_cats.inference.classifiers import load_classifier
    from dogs_vs_cats.inference.prediction import predict

    compute = compute_parameters()
    images = np.load(data / "02_intermediate" / experiment / "images.npy", mmap_mode="r")
    manifest = pd.read_csv(data / "02_intermediate" / experiment / "manifest.csv", keep_default_na=False)
    pets = images[np.flatnonzero(manifest["split"] == "test")]
    kinds = [(f"test images ({len(pets)})", pets), *_others(images.shape[1], mnist)]
    models = sorted(path for path in (data / "06_models" / experiment).glob("*.keras") if path.stem != "backbone")
    table = {}
    for path in models:
        classifier = load_classifier(path.stem, path)
        column = {}
        with_features = classifier.with_features()
        for kind, pictures in kinds:
            outputs = predict(with_features, pictures, np.arange(len(pictures)), compute)
            probabilities, unfamiliar = classifier.answers(outputs)
            sure = np.mean(probabilities.max(axis=1) > 0.9)
            column[kind] = f"{np.mean(np.array(unfamiliar, bool)):.1%} ({sure:.0%} sure)"
        table[path.stem] = column
    click.echo(pd.DataFrame(table).to_string())


if __name__ == "__main__":
    main()
