"""Accuracies and times, from the results of whatever has run.

Results are known by what `comparison.json` says of them (which images, how trained), never by the name of their
experiment: one environment can run on anything.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from dogs_vs_cats.datasets.experiments import Experiment
from dogs_vs_cats.pipelines.replication.claims import (
    MEASURED,
    NOT_RUN,
    OURS_ONLY,
    PRINTS_NONE,
    Claim,
    Command,
    by_interval,
    written,
)

PHOTOS, DIGITS, CLOTHES = "photos of cats and dogs", "MNIST", "Fashion-MNIST"

MNIST_TEST_IMAGES = "96b77b70996eb711b615efa2666f76e51d56ce772bd99d8c43989a5e99faf709"
"""Digest of the 10,000 official test images in their order, as `comparison.summarise` makes it. Class names don't tell:
those of any folder of IDX files are numbers."""

NOT_KEPT = "Of the results there are, this part isn't on disk."


@dataclass(frozen=True)
class Measured:
    """An accuracy, and the results that can be held against it.

    Attributes:
        topic: As in `Claim`.
        claim: As in `Claim`.
        source: As in `Claim`.
        lecture: The accuracy that the lecture prints, 0..1; None where it prints none.
        images: `PHOTOS`, `DIGITS` or `CLOTHES`.
        approach: Whose accuracy.
        split: On which images: `train`, `validation` or `test`.
        wanted: What the approach's row in `comparison.json`, or what it was trained with, has to say.
        command: As in `Claim`.
        note: What more there is to know once it is measured.
    """

    topic: str
    claim: str
    source: str
    lecture: float | None
    images: str
    approach: str
    split: str
    wanted: Mapping[str, Any]
    command: Command
    note: str = ""


class Found(NamedTuple):
    """An approach's results on disk.

    Attributes:
        name: Of the experiment.
        experiment: All of it.
        row: The approach's row in `comparison.json`.
    """

    name: str
    experiment: Experiment
    row: dict[str, Any]


_AS_THE_LECTURE = {"train_images": 3_000, "validation_images": 1_000, "batch_size": 30}
_NAIVE_CNN = {**_AS_THE_LECTURE, "epochs": 2, "parameters": 19_024_513, "keep_best_epoch": False}
_APPROACH_1 = {**_AS_THE_LECTURE, "epochs": 2, "keep_best_epoch": False, "unfreeze_from": None}
_APPROACH_2 = {**_AS_THE_LECTURE, "keep_best_epoch": False}
_LENET5 = {
    "train_images": 40_000,
    "validation_images": 20_000,
    "batch_size": 1_024,
    "epochs": 20,
    "parameters": 257_546,
    "keep_best_epoch": False,
}
_MLP = {"parameters": 109_386, "test_images": 10_000}
_OWN, _RESCALE = {"preprocessing": "own"}, {"preprocessing": "rescale"}
_NO_SETTINGS = "The lecture names neither epochs nor batch size."

MEASUREMENTS = (
    Measured(
        "Dogs vs cats",
        "naive CNN: training accuracy after 2 epochs",
        "L1",
        0.70,
        PHOTOS,
        "naive_cnn",
        "train",
        _NAIVE_CNN,
        Command.LECTURE,
        "Ours is that of the finished model; a lecture's is the mean over the last epoch, while it still changed.",
    ),
    Measured(
        "Dogs vs cats",
        "naive CNN: validation accuracy after 2 epochs",
        "L1",
        0.69,
        PHOTOS,
        "naive_cnn",
        "validation",
        _NAIVE_CNN,
        Command.LECTURE,
        "The lecture names no optimizer; docs/benchmarks.md has those tried.",
    ),
    *(
        Measured(
            "Dogs vs cats",
            f"approach {number}: validation accuracy{after}, {how}",
            "L1",
            lecture,
            PHOTOS,
            approach,
            "validation",
            {**wanted, **preprocessing},
            command,
        )
        for number, approach, after, lecture, wanted in (
            (1, "transfer_end_to_end", " after 2 epochs", 0.88, _APPROACH_1),
            (2, "transfer_bottleneck", "", 0.90, _APPROACH_2),
        )
        for how, preprocessing, command in (
            ("own preprocessing", _OWN, Command.LECTURE),
            ("pixels / 255", _RESCALE, Command.RESCALE),
        )
    ),
    Measured(
        "Small networks",
        "LeNet-5: training accuracy after 20 epochs",
        "L2",
        0.9854,
        DIGITS,
        "lenet5",
        "train",
        _LENET5,
        Command.MNIST,
        "Ours is that of the finished model, not the mean over the last epoch.",
    ),
    Measured(
        "Small networks",
        "LeNet-5: validation accuracy after 20 epochs",
        "L2",
        0.9779,
        DIGITS,
        "lenet5",
        "validation",
        _LENET5,
        Command.MNIST,
    ),
    Measured(
        "Small networks",
        "LeNet-5: test accuracy after 20 epochs",
        "L2",
        0.9881,
        DIGITS,
        "lenet5",
        "test",
        _LENET5,
        Command.MNIST,
        "The lecture's lies above its own last training (0.9854) and validation accuracy (0.9779).",
    ),
    Measured(
        "Small networks",
        "baseline CNN: test accuracy on MNIST",
        "L1",
        None,
        DIGITS,
        "mnist_cnn",
        "test",
        {"train_images": 40_000, "parameters": 592_074},
        Command.MNIST,
        _NO_SETTINGS,
    ),
    Measured(
        "Small networks",
        "CNN with batch normalisation: test accuracy on MNIST",
        "L4",
        None,
        DIGITS,
        "mnist_cnn_batchnorm",
        "test",
        {"train_images": 40_000, "parameters": 87_290},
        Command.MNIST,
        _NO_SETTINGS,
    ),
    Measured(
        "Small networks",
        "MLP: test accuracy on MNIST, trained on 40,000",
        "L3",
        0.9836,
        DIGITS,
        "mlp",
        "test",
        {**_MLP, "train_images": 40_000},
        Command.MNIST,
        "The lecture doesn't say how many images it trains on.",
    ),
    Measured(
        "Small networks",
        "MLP: test accuracy on MNIST, trained on all 60,000",
        "L3",
        0.9836,
        DIGITS,
        "mlp",
        "test",
        {**_MLP, "train_images": 60_000, "schedule": "cosine"},
        Command.MLP_ON_ALL,
        "With a learning rate that falls as a cosine.",
    ),
    Measured(
        "Small networks",
        "MLP: test accuracy on Fashion-MNIST",
        "L3",
        0.8418,
        CLOTHES,
        "mlp",
        "test",
        _MLP,
        Command.FASHION,
    ),
)
"""Every accuracy of an approach."""


def claims(experiments: Mapping[str, Experiment], lecture: Mapping[str, Any], mnist: Mapping[str, Any]) -> list[Claim]:
    """Holds what was measured against what the lectures measured.

    Args:
        experiments: The results there are, by experiment.
        lecture: All parameters of the environment `lecture`.
        mnist: Likewise. Where a claim names no number of epochs, results of another one than these are left out.
    """
    configured = {PHOTOS: lecture, DIGITS: mnist, CLOTHES: mnist}
    return [
        *(
            _accuracy(experiments, measured, {"epochs": configured[measured.images][measured.approach]["epochs"]})
            for measured in MEASUREMENTS
        ),
        _first_epoch(experiments),
        *_epochs(experiments),
    ]


def _accuracy(experiments: Mapping[str, Experiment], measured: Measured, configured: Mapping[str, Any]) -> Claim:
    found, why_not = _find(experiments, measured.images, measured.approach, {**configured, **measured.wanted})
    said = PRINTS_NONE if measured.lecture is None else f"{measured.lecture:.4f}".removesuffix("00")
    about = (measured.topic, measured.claim, measured.source, said)
    if found is None:
        return Claim(*about, "", NOT_RUN, why_not, measured.command)
    row = found.row
    value, low, high = (row[f"{measured.split}_accuracy{end}"] for end in ("", "_low", "_high"))
    images, epochs = row[f"{measured.split}_images"], row["epochs"]
    how = f"{images:,} images, {epochs} epochs; 95% interval {low:.4f} to {high:.4f}."
    notes = [how, _spread(row, measured.split), _base(row), measured.note]
    verdict = OURS_ONLY if measured.lecture is None else by_interval(measured.lecture, low, high)
    return Claim(*about, f"{value:.4f}", verdict, " ".join(filter(None, notes)), measured.command)


def _spread(row: Mapping[str, Any], split: str) -> str:
    seeds = row.get("seeds")
    if not seeds:
        return ""
    mean, deviation = (seeds[name][f"{split}_accuracy"] for name in ("mean", "std"))
    return f"Over seeds {', '.join(map(str, seeds['seeds']))}: {mean:.4f} ± {deviation:.4f}."


def _base(row: Mapping[str, Any]) -> str:
    """How the base differs from the lecture's."""
    if not row["backbone"]:
        return ""
    settings = row["trained_with"]
    rescaled = settings["preprocessing"] == "rescale"
    ours = f"{row['backbone']} with {'pixels / 255' if rescaled else 'its own preprocessing'}"
    pooled = ", features averaged over positions" if settings.get("pooling") == "avg" else ""
    return f"On {ours}{pooled}; the lecture has VGG16 with pixels / 255."


def _find(
    experiments: Mapping[str, Experiment], images: str, approach: str, wanted: Mapping[str, Any]
) -> tuple[Found | None, str]:
    """Looks for results that a claim speaks of; those on VGG16, the lecture's base, are taken first.

    Returns:
        The results, or None and why there are none.
    """
    candidates = list(_on(experiments, images, approach))
    if not candidates:
        return None, f"There are no results of {approach} on {images}."
    differences = {found.name: _differences(found.row, wanted) for found in candidates}
    matching = [found for found in candidates if not differences[found.name]]
    if matching:
        return min(matching, key=lambda found: found.row["backbone"] != "VGG16"), ""
    closest = min(differences, key=lambda name: len(differences[name]))
    return None, f"data/08_reporting/{closest} has {'; '.join(differences[closest])}."


def _on(experiments: Mapping[str, Experiment], images: str, approach: str) -> Iterator[Found]:
    """The results of an approach on some images."""
    for name, experiment in experiments.items():
        data = experiment.summary["data"]
        is_of_them = {
            PHOTOS: data.get("source") == "files" and data["classes"] == ["cat", "dog"],
            DIGITS: data.get("test_images") == MNIST_TEST_IMAGES,
            CLOTHES: data.get("source") == "keras:fashion_mnist",
        }
        row = experiment.summary["approaches"].get(approach)
        if row and is_of_them[images]:
            yield Found(name, experiment, row)


def _differences(row: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    facts = {**row["trained_with"], **row}
    return [
        f"{name}: {_said(facts.get(name))} instead of {_said(value)}"
        for name, value in wanted.items()
        if facts.get(name) != value
    ]


def _said(value: Any) -> str:
    return "none" if value is None else written(value)


def _first_epoch(experiments: Mapping[str, Experiment]) -> Claim:
    wanted = {name: value for name, value in _LENET5.items() if name not in ("epochs", "keep_best_epoch")}
    found, why_not = _find(experiments, DIGITS, "lenet5", wanted)
    about = ("Small networks", "LeNet-5: training and validation accuracy of epoch 1", "L2", "0.6818; 0.8418")
    history = _history(found, "lenet5")
    if history is None:
        return Claim(*about, "", NOT_RUN, why_not or NOT_KEPT, Command.MNIST)
    first = history.iloc[0]
    note = "40 steps from random weights, which the lecture doesn't fix."
    return Claim(*about, f"{first['accuracy']:.4f}; {first['val_accuracy']:.4f}", MEASURED, note, Command.MNIST)


def _epochs(experiments: Mapping[str, Experiment]) -> list[Claim]:
    """What an epoch of each approach takes, and how many of them approach 2 needs."""
    settings = {**_AS_THE_LECTURE, **_OWN}
    first, no_first = _find(experiments, PHOTOS, "transfer_end_to_end", {**settings, "unfreeze_from": None})
    second, no_second = _find(experiments, PHOTOS, "transfer_bottleneck", settings)
    long, short = _seconds(first, "transfer_end_to_end"), _seconds(second, "transfer_bottleneck")
    history = _history(second, "transfer_bottleneck")
    ratio = training = epochs = ""
    if long and short:
        ratio = f"{long:.3g} s against {short:.3g} s"
    if second and short:
        training = f"{short * second.row['epochs']:.3g} s for {second.row['epochs']} epochs"
    if history is not None:
        best = int(history["val_loss"].to_numpy().argmin()) + 1
        epochs = f"lowest validation loss after {best} of {len(history)}"

    def claim(name: str, lecture: str, ours: str, why_not: str, note: str) -> Claim:
        verdict, note = (MEASURED, note) if ours else (NOT_RUN, why_not or NOT_KEPT)
        return Claim("Dogs vs cats", name, "L1", lecture, ours, verdict, note, Command.LECTURE)

    base = second.row["backbone"] if second else ""
    extracted = f"On {base}, with the features of approach 2 extracted before."
    return [
        claim(
            "an epoch of approach 1 against one of approach 2",
            "4.5 min against 6 s",
            ratio,
            no_first or no_second,
            extracted,
        ),
        claim(
            "approach 2: training of the head",
            "a few seconds",
            training,
            no_second,
            f"{extracted} Ten of the lecture's own epochs of 6 s are a minute.",
        ),
        claim(
            "approach 2: epochs that it asks for",
            "about 100",
            epochs,
            no_second,
            f"On {base}.",
        ),
    ]


def _seconds(found: Found | None, approach: str) -> float | None:
    """Seconds of an epoch, where they are kept."""
    return found.experiment.timings.get(approach, {}).get("seconds_per_epoch") if found else None


def _history(found: Found | None, approach: str) -> pd.DataFrame | None:
    """The learning history of the first seed, where it is kept."""
    history = found.experiment.histories.get(approach) if found else None
    return None if history is None else history[history["seed"] == history["seed"].iloc[0]]
