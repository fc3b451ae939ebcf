"""Wrong labels, found and corrected: 5 % of Kaggle's labels are swapped, listed by data_quality, and corrected.

    PYTHONPATH=src python benchmarks/label_errors.py                               # the walk-through, seed 0
    PYTHONPATH=src python benchmarks/label_errors.py --seeds 0 1 2 --base MobileNetV2

Each row of the table is of one seed, which draws the swapped labels, and of four runs of `kedro run --env=photos`: with
the true labels, with swapped ones, with all rows of the second run's `label_issues.csv` as corrections, and with those
rows alone that are right. The accuracies are those on the same test photos with their true labels: 750, without those
that a correction leaves out.
`first_250` is the fraction of swapped labels among the first 250 rows, `found_in_500` the fraction of all swapped
labels that is in the first 500 rows, `estimate` the estimated fraction of wrong labels, and `wrong_left` the number of
wrong labels in use after all corrections.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from material import MOBILENET, PHOTOS, SHARED, project_copy

FLIPPED = 0.05
TESTED = 0.15
CLASSES = ["cat", "dog"]
LITE2 = SHARED / "weights" / "efficientnet_lite2_260.keras"
BASES = {
    "Lite2": f"backbone.name=any,backbone.weights={LITE2}",
    "MobileNetV2": (
        f"backbone.name=MobileNetV2,backbone.kwargs.alpha=0.35,backbone.weights={MOBILENET},ingestion.image_size=160"
    ),
}
"""Parameters of each base."""


class Project:
    """A copy of the project, and the photos in a folder with tables of their labels.

    Args:
        folder: Holds all of it.
        base: Parameters of the base.
    """

    def __init__(self, folder: Path, base: str):
        self.folder, self._root = folder, project_copy(folder / "project")
        self._base = f"approaches=[transfer_bottleneck],ingestion.images={folder / 'photos'},{base}"
        with zipfile.ZipFile(PHOTOS) as archive:
            archive.extractall(folder / "photos")
        paths = sorted(path.relative_to(folder / "photos") for path in folder.rglob("*.jpg"))
        kinds = [path.name.partition(".")[0] for path in paths]
        self.photos = pd.DataFrame({"path": [path.as_posix() for path in paths], "label": kinds})
        # A part of its own keeps the test photos the same whatever their labels are.
        tested = self.photos.groupby("label").sample(frac=TESTED, random_state=0).index
        self.photos["split"] = np.where(self.photos.index.isin(tested), "test", "train")

    def run(self, labels: pd.DataFrame, *options: str, **parameters: str) -> None:
        """Runs the environment `photos` on a table of labels, with further options and parameters of ingestion."""
        labels.to_csv(self.folder / "labels.csv", index=False)
        given = [f"--params=ingestion.{name}={value}" for name, value in parameters.items()]
        source = f"--params=ingestion.source={self.folder / 'labels.csv'},{self._base}"
        command = [sys.executable, "-m", "kedro", "run", "--env=photos", source, *given, *options]
        environment = {**os.environ, "PYTHONPATH": str(self._root / "src"), "DOGS_VS_CATS_TRACKING": "off"}
        subprocess.run(command, cwd=self._root, env=environment, check=True, stdout=sys.stderr)

    def right(self) -> "pd.Series[bool]":
        """Whether the last run has predicted the true label of each test photo, by path."""
        table = pd.read_csv(self._root / "data/07_model_output/photos/transfer_bottleneck/predictions.csv")
        table = table[table["split"] == "test"].set_index("path")
        true = self.photos.set_index("path")["label"]
        return table["predicted"].map(dict(enumerate(CLASSES))) == true[table.index]

    def result(self, name: str) -> Path:
        """A file of the report."""
        return self._root / "data/08_reporting/photos" / name


def flip(photos: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Swaps the labels of a random part of the photos."""
    rows = photos.sample(frac=FLIPPED, random_state=seed).index
    other = dict(zip(CLASSES, reversed(CLASSES), strict=True))
    return photos.assign(label=photos["label"].mask(photos.index.isin(rows), photos["label"].map(other)))


def measure(project: Project, seed: int, unflipped: "pd.Series[bool]") -> dict[str, float]:
    """Measures one seed; `unflipped` are the answers after training on the true labels."""
    labels = flip(project.photos, seed)
    swapped = set(labels.loc[labels["label"] != project.photos["label"], "path"])
    project.run(labels)
    flipped = project.right()
    project.run(labels, "--pipelines=data_quality")
    issues = pd.read_csv(project.result("label_issues.csv"))
    found = issues["path"].isin(swapped)
    relabelled = set(issues.loc[issues["action"] == "relabel", "path"])
    left_out = set(issues["path"]) - relabelled
    summary = json.loads(project.result("data_quality.json").read_text())
    is_right = issues["label"] == issues["path"].map(project.photos.set_index("path")["label"])
    answers = {"unflipped": unflipped, "flipped": flipped}
    for name, kept in {"all_rows": issues, "right_rows": issues[is_right]}.items():
        corrections = project.folder / f"{name}.csv"
        kept.to_csv(corrections, index=False)
        project.run(labels, corrections=str(corrections))
        answers[name] = project.right()
    right = pd.concat(answers, axis=1, join="inner")
    return {
        "seed": seed,
        "tested": len(right),
        **right.mean(),
        "first_250": found[:250].mean(),
        "found_in_500": found[:500].sum() / len(swapped),
        "rows": len(issues),
        "estimate": summary["labels"]["rate"],
        "wrong_left": len((swapped ^ relabelled) - left_out),
    }


def main() -> None:
    """Measures all seeds with one base."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--base", choices=BASES, default="Lite2")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        project = Project(Path(name), BASES[options.base])
        project.run(project.photos)
        unflipped = project.right()
        for number, seed in enumerate(options.seeds):
            row = pd.DataFrame([measure(project, seed, unflipped)]).round(4)
            row.to_csv(sys.stdout, sep="\t", index=False, header=number == 0)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
