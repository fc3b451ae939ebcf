"""How often photos of the same kind are called others (false alarms), and how often others are found.

Needs a trained experiment (`kedro run`) with unused photos of the same source: the sizes of its splits have to leave
some. Batches are drawn from these, as they are and altered, and from an archive of other photos.
"""

import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import cv2
import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from dogs_vs_cats.evaluation.drift import Sample

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SIZES = (30, 60, 240)
DRAWS = 1000
OTHERS = 600
"""Altered photos, and photos of the archive."""


def _jpeg(photo: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 10])[1], cv2.IMREAD_COLOR))


def _centre(photo: np.ndarray) -> np.ndarray:
    quarter = len(photo) // 4
    return cv2.resize(photo[quarter:-quarter, quarter:-quarter], photo.shape[:2], interpolation=cv2.INTER_CUBIC)


ALTERED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "grey": lambda photo: np.repeat(photo.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2),
    "slightly blurred (sigma 1 pixel)": lambda photo: cv2.GaussianBlur(photo, (0, 0), 1),
    "blurred (sigma 3 pixels)": lambda photo: cv2.GaussianBlur(photo, (0, 0), 3),
    "dark (a quarter of the light)": lambda photo: photo // 4,
    "JPEG of quality 10": _jpeg,
    "the middle, enlarged twice": _centre,
    "turned by 90 degrees": np.rot90,
    "mirrored": lambda photo: photo[:, ::-1],
}


def _neither(path: Path, size: int) -> np.ndarray:
    """Photos of neither cats nor dogs from an archive with a folder for each class."""
    from dogs_vs_cats.images.decoding import decode

    with zipfile.ZipFile(path) as archive:
        names = np.random.default_rng(0).permutation(archive.namelist()).tolist()
        others = [name for name in names if name.endswith(".jpg") and Path(name).parent.name not in ("cat", "dog")]
        files = [archive.read(name) for name in others[:OTHERS]]
    return np.stack([decode(file, image_size=size, channels=3, max_pixels=10**8).pixels for file in files])


def _rate(new: "Sample", test: "Sample", size: int, redrawn: bool = False) -> float:
    """Share of the draws that are called drift; `redrawn` shuffles new and test photos before each draw."""
    from dogs_vs_cats.evaluation.drift import Sample, compare

    def part(sample: "Sample", rows: np.ndarray) -> "Sample":
        return Sample(sample.confidences[rows], sample.predicted[rows], np.array(sample.unfamiliar)[rows])

    random, found = np.random.default_rng(0), 0
    of_all = ([getattr(it, name) for it in (new, test)] for name in ("confidences", "predicted", "unfamiliar"))
    pool = Sample(*map(np.concatenate, of_all))
    for _ in range(DRAWS):
        if redrawn:
            rows = random.permutation(len(pool))
            batch, reference = part(pool, rows[:size]), part(pool, rows[size : size + len(test)])
        else:
            batch, reference = part(new, random.permutation(len(new))[:size]), test
        found += bool(compare(batch, reference, ["cat", "dog"])["drift"])
    return found / DRAWS


def _kinds(photos: np.ndarray, labels: np.ndarray, others: Path | None) -> Iterator[tuple[str, np.ndarray]]:
    yield "unused photos", photos
    yield "cats only", photos[labels == 0]
    yield "dogs only", photos[labels == 1]
    for name, alter in ALTERED.items():
        yield name, np.stack([alter(photo) for photo in photos[:OTHERS]])
    if others is not None:
        yield f"{others.stem}: neither", _neither(others, photos.shape[1])


def _described(name: str, sample: "Sample") -> str:
    flagged = np.mean(np.array(sample.unfamiliar, bool))
    return f"{name} ({len(sample)}; {flagged:.1%} flagged, mean confidence {sample.confidences.mean():.3f})"


@click.command()
@click.option("--experiment", default="sample", show_default=True, help="Whose models and photos are used.")
@click.option("--data", type=click.Path(path_type=Path), default=ROOT / "data", help="The folder `data`.")
@click.option("--others", type=click.Path(path_type=Path, exists=True), help="A zip of other photos, a folder a class.")
def main(experiment: str, data: Path, others: Path | None) -> None:
    """Print a table for each model: for each kind of photos and size of a batch, in how many draws drift is found."""
    from out_of_distribution import compute_parameters

    from dogs_vs_cats.evaluation import drift
    from dogs_vs_cats.inference.classifiers import load_classifier
    from dogs_vs_cats.inference.prediction import predict

    images = np.load(data / "02_intermediate" / experiment / "images.npy", mmap_mode="r")
    manifest = pd.read_csv(data / "02_intermediate" / experiment / "manifest.csv", keep_default_na=False)
    unused = np.flatnonzero(manifest["split"] == "unused")
    kinds = list(_kinds(images[unused], manifest["label"].to_numpy()[unused], others))
    models = sorted(path for path in (data / "06_models" / experiment).glob("*.keras") if path.stem != "backbone")
    for path in models:
        classifier = load_classifier(path.stem, path)
        model, test, rows = classifier.with_features(), classifier.tested, {}
        assert test is not None
        for kind, photos in kinds:
            outputs = predict(model, photos, np.arange(len(photos)), compute_parameters())
            new = drift.Sample.of(*classifier.answers(outputs))
            rows[_described(kind, new)] = [_rate(new, test, size) for size in SIZES]
            if kind == "unused photos":
                rows["the same, test photos redrawn"] = [_rate(new, test, size, redrawn=True) for size in SIZES]
        table = pd.DataFrame(rows, index=SIZES).T.map("{:.1%}".format)
        click.echo(f"\n{_described(f'{path.stem}, test photos', test)}\n{table.to_string()}")


if __name__ == "__main__":
    main()
