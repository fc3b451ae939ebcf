"""Accuracies and times, from the results of all experiments.

Results are identified by the images and settings that `comparison.json` records, never by the name of their
experiment: one environment can run on any images.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jinja2

from dogs_vs_cats.datasets.experiments import Experiment
from dogs_vs_cats.lectures.claims import PRINTS_NONE, Claim, Verdict, by_interval

MNIST_TEST_IMAGES = "96b77b70996eb711b615efa2666f76e51d56ce772bd99d8c43989a5e99faf709"
"""Hash of the 10,000 official test images in their order, from `comparison.summarise`. Class names don't identify
MNIST: those of any folder of IDX files are numbers."""

NOT_ON_DISK = "The results on disk don't include this."


class NoResultsError(Exception):
    """No results match a claim; the message says why."""


def hold_against(
    claim: Claim, experiments: Mapping[str, Experiment], lecture: Mapping[str, Any], mnist: Mapping[str, Any]
) -> Claim:
    """Fills in what was measured, or why nothing was.

    Args:
        claim: A row of the table that has `results`.
        experiments: All results, by experiment.
        lecture: All parameters of the environment `lecture`.
        mnist: Likewise. Where an accuracy names no number of epochs, results must have that of these parameters.
    """
    configured = lecture if claim.images == "photos of cats and dogs" else mnist
    found = {}
    try:
        for approach, facts in claim.results.items():
            wanted = {"epochs": configured[approach]["epochs"], **facts} if claim.accuracy else facts
            found[approach] = _find(experiments, claim.images, approach, wanted)
        if claim.accuracy:
            return _accuracy(claim, *found.values())
        return claim.filled(found, Verdict.MEASURED)
    except NoResultsError as reason:
        return replace(claim, ours="", verdict=Verdict.NOT_RUN, note=str(reason))
    except jinja2.UndefinedError:
        return replace(claim, ours="", verdict=Verdict.NOT_RUN, note=NOT_ON_DISK)


def _find(
    experiments: Mapping[str, Experiment], images: str, approach: str, wanted: Mapping[str, Any]
) -> dict[str, Any]:
    """Finds results that match a claim, preferably those on VGG16, the lecture's base.

    Returns:
        The approach's row in `comparison.json`, with its times and facts of its history, as far as they are on disk.

    Raises:
        NoResultsError: There are none.
    """
    rows = {
        name: experiment.summary["approaches"][approach]
        for name, experiment in experiments.items()
        if approach in experiment.summary["approaches"] and _images(experiment.summary["data"]) == images
    }
    if not rows:
        raise NoResultsError(f"There are no results of {approach} on {images}.")
    differences = {name: _differences(row, wanted) for name, row in rows.items()}
    best = min(rows, key=lambda name: (len(differences[name]), rows[name]["backbone"] != "VGG16"))
    if differences[best]:
        raise NoResultsError(f"data/08_reporting/{best} has {'; '.join(differences[best])}.")
    return {**rows[best], **experiments[best].timings.get(approach, {}), **_learning(experiments[best], approach)}


def _images(data: Mapping[str, Any]) -> str | None:
    """The images of an experiment in the words of the table."""
    if data.get("test_images") == MNIST_TEST_IMAGES:
        return "MNIST"
    if data.get("source") == "keras:fashion_mnist":
        return "Fashion-MNIST"
    if data.get("source") == "files" and data["classes"] == ["cat", "dog"]:
        return "photos of cats and dogs"
    return None


def _differences(row: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    facts = {**row["trained_with"], **row}
    return [
        f"{name}: {_shown(facts.get(name))} instead of {_shown(value)}"
        for name, value in wanted.items()
        if facts.get(name) != value
    ]


def _shown(value: Any) -> str:
    return f"{value:,}" if type(value) is int else "none" if value is None else str(value)


def _learning(experiment: Experiment, approach: str) -> dict[str, Any]:
    if approach not in experiment.histories:
        return {}
    history = experiment.histories[approach]
    first_seed = history[history["seed"] == history["seed"].iloc[0]]
    facts = {"first_epoch": first_seed.iloc[0], "epochs_in_history": len(first_seed)}
    return facts | ({"best_epoch": first_seed["val_loss"].to_numpy().argmin() + 1} if "val_loss" in first_seed else {})


def _accuracy(claim: Claim, row: Mapping[str, Any]) -> Claim:
    value, low, high = (row[f"{claim.accuracy}_accuracy{end}"] for end in ("", "_low", "_high"))
    images, epochs = row[f"{claim.accuracy}_images"], row["epochs"]
    notes = [f"{images:,} images, {epochs} epochs; 95% interval {low:.4f} to {high:.4f}."]
    if seeds := row.get("seeds"):
        mean, deviation = (seeds[name][f"{claim.accuracy}_accuracy"] for name in ("mean", "std"))
        notes.append(f"Over seeds {', '.join(map(str, seeds['seeds']))}: {mean:.4f} ± {deviation:.4f}.")
    if row["backbone"]:
        settings = row["trained_with"]
        prepared = "pixels / 255" if settings["preprocessing"] == "rescale" else "its own preprocessing"
        pooled = ", features averaged over positions" if settings.get("pooling") == "avg" else ""
        notes.append(f"On {row['backbone']} with {prepared}{pooled}; the lecture has VGG16 with pixels / 255.")
    verdict = Verdict.OURS_ONLY if claim.lecture == PRINTS_NONE else by_interval(float(claim.lecture), low, high)
    return replace(claim, ours=f"{value:.4f}", verdict=verdict, note=" ".join([*notes, claim.note]).rstrip())
