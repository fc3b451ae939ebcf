"""Which `ingestion.fit` suits photos of different shapes: features of a frozen base, and a logistic regression on them.

    PYTHONPATH=src python benchmarks/fit.py PHOTOS.zip BASE.keras
    PYTHONPATH=src python benchmarks/fit.py PHOTOS.zip mobilenet_v2_…_0.35_224_no_top.h5

The photos are named as Kaggle's (`cat.0.jpg`) and have their original sizes. The base is a headless model that takes
raw pixels, or the weights of MobileNetV2 with alpha 0.35. Conditions:

* `as they are`: training and test photos alike.
* `landscape to portrait`, `portrait to landscape`: trained on photos of one orientation, tested on the others.
* `strips`: trained on the photos as they are, tested on the central third of each, 3:1 or 1:3.
* `wide scenes`, `very wide scenes`: trained likewise, tested on photos that lie anywhere in a scene that is twice, or
  three times, as wide or high.
* `shape tells the class`: trained on cats cut to 3:2 and dogs cut to 2:3, tested on the opposite.
"""

import argparse
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dogs_vs_cats.images.decoding import resizing

FITS: dict[str, tuple[resizing.Fit, int]] = {
    "stretch": ("stretch", 0),
    "crop": ("crop", 0),
    "pad": ("pad", resizing.BAR),
    "pad with black": ("pad", 0),
}
"""The fit, and the value of the bars."""

FOLDS, SEEDS = 5, range(5)


def photos(archive: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """All photos, uint8 (height, width, 3), and their labels, 1 for a dog."""
    with zipfile.ZipFile(archive) as file:
        names = sorted(name for name in file.namelist() if name.endswith(".jpg"))
        pixels = [np.asarray(Image.open(io.BytesIO(file.read(name))).convert("RGB")) for name in names]
    return pixels, np.array(["dog." in name for name in names], int)


def base_model(path: Path) -> keras.Model:
    """The base, raw pixels in, averaged features out."""
    if path.suffix == ".keras":
        base = keras.models.load_model(path)
        image, maps = base.input, base.output
    else:
        image = keras.Input((224, 224, 3))
        base = keras.applications.MobileNetV2(alpha=0.35, include_top=False, weights=path, input_shape=(224, 224, 3))
        maps = base(keras.layers.Rescaling(1 / 127.5, -1)(image))
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(maps))


def features(model: keras.Model, pictures: list[np.ndarray], fit: str) -> np.ndarray:
    """Features of pictures of any shape, (n, features)."""
    way, resizing.BAR = FITS[fit]
    size = model.input_shape[1]
    squares = np.stack([resizing.resize(picture, size, fit=way) for picture in pictures])
    return np.asarray(model.predict(squares, batch_size=32, verbose=0))


def cut(picture: np.ndarray, ratio: float) -> np.ndarray:
    """The centre of a picture, with a width of `ratio` times its height."""
    height, width = picture.shape[:2]
    new_height, new_width = min(height, round(width / ratio)), min(width, round(height * ratio))
    top, left = (height - new_height) // 2, (width - new_width) // 2
    return picture[top : top + new_height, left : left + new_width]


def strip(picture: np.ndarray, wide: bool) -> np.ndarray:
    """The central strip of a picture, 3:1 or 1:3."""
    return cut(picture, 3 if wide else 1 / 3)


def scene(picture: np.ndarray, wide: bool, place: float, times: int) -> np.ndarray:
    """The picture within a scene several times as wide or high, which its edges fill; `place` from 0 to 1."""
    added = picture.shape[1 if wide else 0] * (times - 1)
    before = round(place * added)
    ends = (before, added - before)
    return np.pad(picture, [(0, 0), ends, (0, 0)] if wide else [ends, (0, 0), (0, 0)], "edge")


def conditions(pictures: list[np.ndarray], labels: np.ndarray) -> dict[str, tuple[list[np.ndarray], list[np.ndarray]]]:
    """Pictures to train on and pictures to test on, by condition; each picture has the same place in both."""
    random = np.random.default_rng(0)
    wide = random.random(len(pictures)) < 0.5
    places = random.random(len(pictures))
    landscape, portrait = [cut(p, 3 / 2) for p in pictures], [cut(p, 2 / 3) for p in pictures]
    told = [landscape[i] if label == 0 else portrait[i] for i, label in enumerate(labels)]
    other = [portrait[i] if label == 0 else landscape[i] for i, label in enumerate(labels)]
    return {
        "as they are": (pictures, pictures),
        "strips": (pictures, [strip(p, w) for p, w in zip(pictures, wide, strict=True)]),
        "wide scenes": (pictures, [scene(p, w, at, 2) for p, w, at in zip(pictures, wide, places, strict=True)]),
        "very wide scenes": (pictures, [scene(p, w, at, 3) for p, w, at in zip(pictures, wide, places, strict=True)]),
        "shape tells the class": (told, other),
    }


def folds(labels: np.ndarray, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows to train on and rows to test on."""
    yield from StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(labels, labels)


def fitted(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Probabilities of a dog, of a logistic regression."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    return classifier.fit(train, labels).predict_proba(test)[:, 1]


def scores(train: np.ndarray, test: np.ndarray, labels: np.ndarray) -> list[tuple[float, float]]:
    """Accuracy and log loss over all photos, by stratified k-fold, once for each seed."""
    results = []
    for seed in SEEDS:
        predicted = np.empty(len(labels))
        for learnt, asked in folds(labels, seed):
            predicted[asked] = fitted(train[learnt], labels[learnt], test[asked])
        results.append((float(((predicted > 0.5) == labels).mean()), float(log_loss(labels, predicted))))
    return results


def across(found: np.ndarray, labels: np.ndarray, learnt: np.ndarray) -> list[tuple[float, float]]:
    """Accuracy and log loss on the photos that weren't learnt."""
    predicted, truth = fitted(found[learnt], labels[learnt], found[~learnt]), labels[~learnt]
    return [(float(((predicted > 0.5) == truth).mean()), float(log_loss(truth, predicted)))]


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("base", type=Path)
    parser.add_argument("--only", help="a condition: nothing else is measured")
    arguments = parser.parse_args()
    pictures, labels = photos(arguments.photos)
    model = base_model(arguments.base)
    landscape = np.array([p.shape[1] >= p.shape[0] for p in pictures])
    rows = []
    for condition, (train, test) in conditions(pictures, labels).items():
        if arguments.only not in (None, condition):
            continue
        for fit in FITS:
            learnt = features(model, train, fit)
            asked = learnt if test is train else features(model, test, fit)
            results = {condition: scores(learnt, asked, labels)}
            if test is train:
                results["landscape to portrait"] = across(learnt, labels, landscape)
                results["portrait to landscape"] = across(learnt, labels, ~landscape)
            for name, found in results.items():
                accuracy, loss = np.array(found).T
                rows.append(
                    (name, fit, accuracy.mean(), accuracy.min(), accuracy.max(), loss.mean(), loss.min(), loss.max())
                )
    columns = ["condition", "fit", "accuracy", "lowest", "highest", "log loss", "lowest loss", "highest loss"]
    print(pd.DataFrame(rows, columns=columns).to_string(index=False, float_format="%.4f"))


if __name__ == "__main__":
    main()
