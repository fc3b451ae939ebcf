"""Accuracies and times, from the results of whatever has run.

Results are known by what `comparison.json` says of them (which images, how trained), never by the name of their
experiment: one environment can run on anything.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from dogs_vs_cats.datasets.experiments import Experiment
from dogs_vs_cats.lectures.claims import PRINTS_NONE, Claim, Verdict, by_interval

MNIST_TEST_IMAGES = "96b77b70996eb711b615efa2666f76e51d56ce772bd99d8c43989a5e99faf709"
"""Digest of the 10,000 official test images in their order, as `comparison.summarise` makes it. Class names don't tell:
those of any folder of IDX files are numbers."""

NOT_ON_DISK = "The results on disk don't include this."


class Run(NamedTuple):
    """An approach's results on disk.

    Attributes:
        name: Of the experiment.
        experiment: All of it.
        row: The approach's row in `comparison.json`.
    """

    name: str
    experiment: Experiment
    row: dict[str, Any]


class NoResultsError(Exception):
    """There are no results that a claim speaks of; the message says why."""


def hold_against(
    claim: Claim, experiments: Mapping[str, Experiment], lecture: Mapping[str, Any], mnist: Mapping[str, Any]
) -> Claim:
    """Fills in what was measured, or why nothing was.

    Args:
        claim: A row of the table that has `results`.
        experiments: The results there are, by experiment.
        lecture: All parameters of the environment `lecture`.
        mnist: Likewise. Where a claim names no number of epochs, results of another one than these are left out.
    """
    configured = lecture if claim.images == "photos of cats and dogs" else mnist
    wanted = {
        approach: {**({"epochs": configured[approach]["epochs"]} if claim.accuracy else {}), **facts}
        for approach, facts in claim.results.items()
    }
    try:
        runs = {approach: _find(experiments, claim.images, approach, facts) for approach, facts in wanted.items()}
        if claim.accuracy:
            (run,) = runs.values()
            return _accuracy(claim, run.row)
        figures = {approach: _figures(run, approach) for approach, run in runs.items()}
        ours, note = (text.format_map(figures) for text in (claim.ours, claim.note))
    except NoResultsError as reason:
        return replace(claim, ours="", verdict=Verdict.NOT_RUN, note=str(reason))
    except KeyError:
        return replace(claim, ours="", verdict=Verdict.NOT_RUN, note=NOT_ON_DISK)
    return replace(claim, ours=ours, verdict=Verdict.MEASURED, note=note)


def _accuracy(claim: Claim, row: Mapping[str, Any]) -> Claim:
    value, low, high = (row[f"{claim.accuracy}_accuracy{end}"] for end in ("", "_low", "_high"))
    images, epochs = row[f"{claim.accuracy}_images"], row["epochs"]
    how = f"{images:,} images, {epochs} epochs; 95% interval {low:.4f} to {high:.4f}."
    notes = filter(None, (how, _spread(row, claim.accuracy), _base(row), claim.note))
    prints_none = claim.lecture == PRINTS_NONE
    verdict = Verdict.OURS_ONLY if prints_none else by_interval(float(claim.lecture), low, high)
    return replace(claim, ours=f"{value:.4f}", verdict=verdict, note=" ".join(notes))


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


def _figures(run: Run, approach: str) -> dict[str, Any]:
    """What a claim can name of results; a part that isn't on disk is left out."""
    figures = run.row | run.experiment.timings.get(approach, {})
    if "seconds_per_epoch" in figures:
        figures["seconds_of_training"] = figures["seconds_per_epoch"] * run.row["epochs"]
    history = run.experiment.histories.get(approach)
    if history is not None:
        first_seed = history[history["seed"] == history["seed"].iloc[0]]
        figures["first_epoch"], figures["epochs_in_history"] = first_seed.iloc[0], len(first_seed)
        if "val_loss" in first_seed:
            figures["best_epoch"] = int(first_seed["val_loss"].to_numpy().argmin()) + 1
    return figures


def _find(experiments: Mapping[str, Experiment], images: str, approach: str, wanted: Mapping[str, Any]) -> Run:
    """Looks for results that a claim speaks of; those on VGG16, the lecture's base, are taken first.

    Raises:
        NoResultsError: There are none.
    """
    runs = [
        Run(name, experiment, experiment.summary["approaches"][approach])
        for name, experiment in experiments.items()
        if approach in experiment.summary["approaches"] and _images(experiment.summary["data"]) == images
    ]
    if not runs:
        raise NoResultsError(f"There are no results of {approach} on {images}.")
    differences = {run.name: _differences(run.row, wanted) for run in runs}
    matching = [run for run in runs if not differences[run.name]]
    if not matching:
        closest = min(differences, key=lambda name: len(differences[name]))
        raise NoResultsError(f"data/08_reporting/{closest} has {'; '.join(differences[closest])}.")
    return min(matching, key=lambda run: run.row["backbone"] != "VGG16")


def _images(data: Mapping[str, Any]) -> str | None:
    """What an experiment's images are, as far as a claim speaks of them."""
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
        f"{name}: {_said(facts.get(name))} instead of {_said(value)}"
        for name, value in wanted.items()
        if facts.get(name) != value
    ]


def _said(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool | str):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
