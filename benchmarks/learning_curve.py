"""How many photos a base needs: test accuracy of a linear head on 20 to 3,000 training photos.

    PYTHONPATH=src python benchmarks/learning_curve.py    # prints tables and draws docs/images/learning_curve.png

Of Kaggle's photos of cats and dogs, 1,000 test all heads. The training photos are drawn five times, half of each class.
The features are those that `kedro run --env=photos` extracts with each base. With the first one, it also measures the
effect of class weights where there are few dogs.
"""

import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from material import MOBILENET, PHOTOS, ROOT, SHARED, project_copy
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from dogs_vs_cats.reporting import style
from dogs_vs_cats.training import linear_head

UNEVEN = ((200, 20), (1000, 50), (1500, 150))
"""Training photos of cats and of dogs."""

SIZES = (10, 20, 50, 100, 200, 500, 1000, 2000, 3000)
DRAWS = range(5)
WEIGHTS = SHARED / "weights"
BASES = {
    "EfficientNet-Lite2": f"backbone.name=any,backbone.weights={WEIGHTS / 'efficientnet_lite2_260.keras'}",
    "VGG16": f"backbone.name=VGG16,backbone.weights={WEIGHTS / 'vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5'}",
    "MobileNetV2, alpha 0.35": f"backbone.name=MobileNetV2,backbone.kwargs.alpha=0.35,backbone.weights={MOBILENET}",
    "base developed on drawings": "backbone.name=source_cnn,backbone.weights=generated",
}
"""Parameters of each base."""


def extract(project: Path, base: str) -> tuple[np.ndarray, pd.DataFrame]:
    """Features, averaged over positions, of the images in use, and their rows of the manifest."""
    command = [sys.executable, "-m", "kedro", "run", "--env=photos"]
    command += ["--pipelines=data_ingestion,backbone,feature_extraction"]
    command += [f"--params=ingestion.source={PHOTOS},ingestion.train_size=3000"]
    command += [f"--params=ingestion.validation_size=1000,ingestion.test_size=1000,{base}"]
    environment = {**os.environ, "PYTHONPATH": str(project / "src")}
    subprocess.run(command, cwd=project, env=environment, check=True, stdout=sys.stderr)
    features = np.load(project / "data/04_feature/photos/features.npy")
    manifest = pd.read_csv(project / "data/02_intermediate/photos/manifest.csv", keep_default_na=False)
    assert len(features) == len(manifest)
    return features.reshape(len(features), -1, features.shape[-1]).mean(axis=1), manifest


def accuracies(features: np.ndarray, manifest: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy for each number of training photos and each draw."""
    labels = manifest["label"].to_numpy()
    train, test = (np.flatnonzero(manifest["split"] == split) for split in ("train", "test"))
    none = linear_head.Rows(features[:0], labels[:0])
    rows = []
    for size in SIZES:
        for draw in DRAWS:
            shuffled = np.random.default_rng(draw).permutation(train)
            some = np.concatenate([shuffled[labels[shuffled] == label][: size // 2] for label in (0, 1)])
            head = linear_head.fit(linear_head.Rows(features[some], labels[some]), none)
            _, accuracy = head.log_loss_and_accuracy(linear_head.Rows(features[test], labels[test]))
            rows.append({"photos": size, "draw": draw, "accuracy": accuracy})
    return pd.DataFrame(rows)


def recalls_of_uneven(features: np.ndarray, manifest: pd.DataFrame) -> pd.DataFrame:
    """Recalls of the test photos of both classes, with and without class weights, for each draw of few dogs."""
    labels = manifest["label"].to_numpy()
    train, test = (np.flatnonzero(manifest["split"] == split) for split in ("train", "test"))
    none = linear_head.Rows(features[:0], labels[:0])
    rows = []
    for counts, draw in itertools.product(UNEVEN, DRAWS):
        shuffled = np.random.default_rng(draw).permutation(train)
        some = np.concatenate([shuffled[labels[shuffled] == label][: counts[label]] for label in (0, 1)])
        weights = {label: sum(counts) / 2 / counts[label] for label in (0, 1)}
        for used in (None, weights):
            head = linear_head.fit(linear_head.Rows(features[some], labels[some]), none, used)
            dogs = (features[test] @ head.kernel + head.bias)[:, 0] > 0
            recalls = [float((dogs[labels[test] == label] == label).mean()) for label in (0, 1)]
            rows.append((*counts, used is not None, *recalls, np.mean(recalls)))
    names = ["cats", "dogs", "class_weights", "recall_cats", "recall_dogs", "balanced_accuracy"]
    return pd.DataFrame(rows, columns=names)


@style.figure(8, 4.5)
def draw(figure: Figure, measured: dict[str, pd.DataFrame]) -> None:
    """Draws the mean of the draws of each base, and their range."""
    axes = figure.subplots()
    for index, (base, table) in enumerate(measured.items()):
        colour, marker = style.series_style(index)
        grouped = table.groupby("photos")["accuracy"]
        mean, low, high = grouped.mean(), grouped.min(), grouped.max()
        axes.plot(mean.index, mean, color=colour, marker=marker, label=base)
        axes.fill_between(mean.index, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    axes.set_xticks(SIZES, [f"{size:,}" for size in SIZES], minor=False)
    axes.minorticks_off()
    axes.set_xlabel("training photos")
    axes.set_title("Accuracy on 1,000 test photos of cats and dogs")
    style.subtitle(axes, "mean and range of five draws")
    style.percentages(axes.yaxis)
    axes.legend()


def main() -> None:
    """Measures all bases."""
    measured: dict[str, pd.DataFrame] = {}
    with tempfile.TemporaryDirectory() as name:
        project = project_copy(Path(name) / "project")
        for base, parameters in BASES.items():
            features, manifest = extract(project, parameters)
            with threadpool_limits(1, "blas"):
                if not measured:
                    uneven = recalls_of_uneven(features, manifest).groupby(["cats", "dogs", "class_weights"])
                    print(f"{base}, few dogs\n{uneven.mean().round(3).to_string()}", flush=True)
                measured[base] = accuracies(features, manifest)
            table = measured[base].groupby("photos")["accuracy"].agg(["mean", "min", "max"])
            print(f"{base} ({features.shape[1]:,} features)\n{table.round(4).to_string()}", flush=True)
    draw(measured).savefig(ROOT / "docs" / "images" / "learning_curve.png", dpi=110)


if __name__ == "__main__":
    main()
