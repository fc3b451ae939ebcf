"""Accuracies and times, from the results of all experiments.

Results are identified by the images and settings that `comparison.json` records, never by the name of their
experiment: one environment can run on any images.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jinja2

from dogs_vs_cats.datasets.experiments import Experiment
from dogs_vs_cats.images.sources.arrays import KERAS_CLASSES
from dogs_vs_cats.images.splits import SPLITS
from dogs_vs_cats.lectures.claims import PRINTS_NONE, Claim, Verdict, by_interval
from dogs_vs_cats.parameters.command_line import as_yaml

MNIST_TEST_IMAGES = "96b77b70996eb711b615efa2666f76e51d56ce772bd99d8c43989a5e99faf709"
"""Hash of the 10,000 official test images in their order, from `comparison.summarise`. Class names don't identify
MNIST: those of any folder of IDX files are numbers."""

PHOTOS = "photos of cats and dogs"

NOT_ON_DISK = "The results on disk don't include this."


class NoResultsError(Exception):
    """No results match a claim; the message says why."""


def hold_against(
    claim: Claim, experiments: Mapping[str, Experiment], lecture: Mapping[str, Any], mnist: Mapping[str, Any]
) -> Claim:
    """Fills in what was measured and in which experiment, or why nothing was.

    Args:
        claim: A row of the table that has `results`.
        experiments: All results, by experiment.
        lecture: All parameters of the environment `lecture`.
        mnist: Likewise. Where an accuracy names no number of epochs, results must have that of these parameters.
    """
    configured = lecture if claim.images == PHOTOS else mnist
    wanted = {
        approach: {"epochs": configured[approach]["epochs"], **facts} if claim.accuracy else facts
        for approach, facts in claim.results.items()
    }
    try:
        name = _find(experiments, claim.images, wanted)
        found = {approach: _measured(experiments[name], approach) for approach in wanted}
        row = next(iter(found.values()))
        filled = claim.filled(found, Verdict.MEASURED)
        filled, notes = _accuracy(filled, row) if claim.accuracy else (filled, [])
        note = " ".join(text for text in (*notes, _base(row), filled.note) if text)
        return replace(filled, experiment=name, note=note)
    except NoResultsError as reason:
        return replace(claim, ours="", verdict=Verdict.NOT_RUN, note=str(reason))
    except jinja2.UndefinedError:
        return replace(claim, ours="", verdict=Verdict.NOT_RUN, note=NOT_ON_DISK)


def known_sources(
    experiments: Mapping[str, Experiment], lecture: Mapping[str, Any], mnist: Mapping[str, Any]
) -> dict[str, str]:
    """Returns the files that experiments on disk have their images from, as `--params` takes them, by kind of images.

    Args:
        experiments: All results, by experiment.
        lecture: All parameters of the environment `lecture`.
        mnist: Likewise. Files with fewer images than these experiments take are left out.
    """
    sources = {}
    for experiment in experiments.values():
        data = experiment.summary["data"]
        if data.get("source") == "files" and experiment.source and (images := _images(data)):
            ingestion = (lecture if images == PHOTOS else mnist)["ingestion"]
            needed = sum(ingestion[f"{split}_size"] for split in SPLITS)
            if sum(sum(counts.values()) for counts in data.get("images", {}).values()) >= needed:
                sources[images] = as_yaml(experiment.source)
    return sources


def _find(experiments: Mapping[str, Experiment], images: str, wanted: Mapping[str, Mapping[str, Any]]) -> str:
    """Finds the experiment whose results match a claim, of several one on VGG16, the lecture's base.

    Args:
        experiments: All results, by experiment.
        images: What the claim was trained on.
        wanted: What its approaches' results have to say.

    Raises:
        NoResultsError: There is none.
    """
    rows = {
        name: {approach: experiment.summary["approaches"][approach] for approach in wanted}
        for name, experiment in experiments.items()
        if wanted.keys() <= experiment.summary["approaches"].keys() and _images(experiment.summary["data"]) == images
    }
    if not rows:
        raise NoResultsError(f"There are no results of {' and '.join(wanted)} on {images}.")
    differences = {
        name: dict.fromkeys(text for approach in wanted for text in _differences(found[approach], wanted[approach]))
        for name, found in rows.items()
    }
    bases = {name: {row["backbone"] for row in found.values()} for name, found in rows.items()}
    best = min(rows, key=lambda name: (bool(differences[name]), bases[name] != {"VGG16"}, len(differences[name])))
    if differences[best]:
        raise NoResultsError(f"data/08_reporting/{best} has {'; '.join(differences[best])}.")
    return best


def _measured(experiment: Experiment, approach: str) -> dict[str, Any]:
    """The row of an approach in `comparison.json`, with its times and facts of its history, as far as there are any."""
    row = experiment.summary["approaches"][approach]
    return {**row, **experiment.timings.get(approach, {}), **_learning(experiment, approach)}


def _images(data: Mapping[str, Any]) -> str | None:
    """The images of an experiment in the words of the table."""
    if data.get("test_images") == MNIST_TEST_IMAGES:
        return "MNIST"
    if tuple(data["classes"]) == KERAS_CLASSES["fashion_mnist"]:
        return "Fashion-MNIST"
    if data.get("source") == "files" and data["classes"] == ["cat", "dog"]:
        return PHOTOS
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
    best_epoch = first_seed["val_loss"].to_numpy().argmin() + 1
    return {"first_epoch": first_seed.iloc[0], "epochs_in_history": len(first_seed), "best_epoch": best_epoch}


def _accuracy(claim: Claim, row: Mapping[str, Any]) -> tuple[Claim, list[str]]:
    """Fills in an accuracy; the notes say how certain it is."""
    value, low, high = (row[f"{claim.accuracy}_accuracy{end}"] for end in ("", "_low", "_high"))
    images, epochs = row[f"{claim.accuracy}_images"], row["epochs"]
    notes = [f"{images:,} images, {epochs} epochs; 95% interval {low:.4f} to {high:.4f}."]
    if seeds := row.get("seeds"):
        mean, deviation = (seeds[name][f"{claim.accuracy}_accuracy"] for name in ("mean", "std"))
        notes.append(f"Over seeds {', '.join(map(str, seeds['seeds']))}: {mean:.4f} ± {deviation:.4f}.")
    verdict = Verdict.OURS_ONLY if claim.lecture == PRINTS_NONE else by_interval(float(claim.lecture), low, high)
    return replace(claim, ours=f"{value:.4f}", verdict=verdict), notes


def _base(row: Mapping[str, Any]) -> str:
    """Says how the base of an approach differs from the lecture's, if it has one."""
    if not row["backbone"]:
        return ""
    settings, lecture = row["trained_with"], "VGG16 with pixels / 255"
    prepared = "pixels / 255" if settings["preprocessing"] == "rescale" else "its own preprocessing"
    pooled = ", features averaged over positions" if settings.get("pooling") == "avg" else ""
    ours = f"{row['backbone']} with {prepared}{pooled}"
    return "" if ours == lecture else f"On {ours}; the lecture has {lecture}."
