"""Corrections of labels, in a file of their own: images that get another class, or are left out.

The files of the images stay as they are. The split is made with the labels that the source gives, and the corrections
are applied to its result: every image stays in its split, so that results before and after a correction are about the
same images.
"""

import logging
from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
import pandas as pd

from dogs_vs_cats.errors import CorrectionsError, listed, quantity
from dogs_vs_cats.images.correction_files import (
    LEAVE_OUT,
    RELABEL,
    Correction,
    Corrections,
    find,
    read_corrections,
)
from dogs_vs_cats.images.sources.base import Source
from dogs_vs_cats.images.sources.names import label_of
from dogs_vs_cats.images.splits import SPLITS, TRAIN, UNUSED
from dogs_vs_cats.parameters.ingestion import IngestionParameters

logger = logging.getLogger(__name__)


def corrected_labels(ingestion: IngestionParameters, source: Source) -> np.ndarray:
    """Applies corrections to the labels of a source before an image is read, and refuses those that don't fit.

    Args:
        ingestion: Names the file, if there is one.
        source: An open source.

    Returns:
        The label of each image of the source that isn't left out, int (n,).

    Raises:
        CorrectionsError: The file can't be read, or its rows are wrong.
    """
    entries = source.entries()
    labels = np.array([entry.label for entry in entries], np.int64)
    corrections = read_corrections(ingestion)
    if not corrections.where:
        return labels
    unusable = {path for path, _ in source.rejected}
    found = find(corrections, [entry.path for entry in entries], None, unusable, source.class_names)
    corrected, in_use = _corrected(found, labels, source.class_names)
    left: np.ndarray = corrected[in_use]
    _check_classes(corrections.where, labels, left, source.class_names, "")
    return left


def apply(
    corrections: Corrections, manifest: pd.DataFrame, rejected: Set[str], class_names: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, Any] | None]:
    """Applies corrections to images that are split already: all of them, or none. Logs what has changed.

    Args:
        corrections: The content of the file; without one, the manifest stays as it is.
        manifest: Columns `path`, `label`, `class_name`, `split` and `sha256`.
        rejected: Paths of images that can't be used.
        class_names: Names of the classes, by label.

    Returns:
        The manifest with the corrected `label`, `class_name` and `split`, which is `unused` for images that are left
        out, and with four more columns: `given_label` and `given_split`, as they were; `correction`, the action, and
        `note`, both empty without one. And what has changed: `relabelled` and `left_out`, images by the split that they
        were assigned to; `confirmed`, images whose given label is right by a `relabel` to the same; and `unchanged`,
        rows without an effect, because their images can't be used or aren't in use.

    Raises:
        CorrectionsError: Rows are wrong, or what is left lacks a class in training, or a split.
    """
    if not corrections.where:
        return manifest, None
    found = find(corrections, manifest["path"].tolist(), manifest["sha256"].tolist(), rejected, class_names)
    labels, in_use = _corrected(found, manifest["label"].to_numpy(), class_names)
    splits = manifest["split"].where(in_use, UNUSED)
    for split in SPLITS:
        given, left = manifest.loc[manifest["split"] == split, "label"], labels[splits == split]
        if split == TRAIN or not len(left):
            _check_classes(corrections.where, given.to_numpy(), left, class_names, f"{split} ")
    by_image = [found.get(number) for number in range(len(manifest))]
    corrected = manifest.assign(
        label=labels,
        class_name=np.array(class_names, object)[labels],
        split=splits,
        given_label=manifest["label"],
        given_split=manifest["split"],
        correction=[row.action if row else "" for row in by_image],
        note=[row.note if row else "" for row in by_image],
    )
    return corrected, _summary(corrections, corrected, found)


def _summary(corrections: Corrections, manifest: pd.DataFrame, found: Mapping[int, Correction]) -> dict[str, Any]:
    """Counts and logs what corrections have changed, as `apply` describes it."""
    left_out = manifest["split"] != manifest["given_split"]
    relabelled = (manifest["label"] != manifest["given_label"]) & ~left_out
    confirmed = (manifest["correction"] == RELABEL) & (manifest["label"] == manifest["given_label"])
    counts = {
        name: manifest.loc[rows, "given_split"].value_counts().reindex([*SPLITS, UNUSED], fill_value=0).to_dict()
        for name, rows in (("relabelled", relabelled), ("left_out", left_out))
    }
    # A row that names a hash may be of several images.
    effective = {found[number].row for number in np.flatnonzero(left_out | relabelled | confirmed).tolist()}
    unchanged = len(corrections.rows) - len(effective)
    listings = {name: listed([f"{n:,} {split}" for split, n in of.items() if n]) for name, of in counts.items()}
    shares = {name: f" ({listing})" if listing else "" for name, listing in listings.items()}
    said = [
        f"{quantity(int(relabelled.sum()), 'image')} relabelled{shares['relabelled']}",
        f"{left_out.sum():,} left out{shares['left_out']}",
        *([f"{quantity(int(confirmed.sum()), 'label')} confirmed"] if any(confirmed) else []),
        *([f"{quantity(unchanged, 'row')} without effect"] if unchanged else []),
    ]
    logger.info("Corrections of %s: %s", corrections.where, ", ".join(said))
    return {**counts, "confirmed": int(confirmed.sum()), "unchanged": unchanged}


def _corrected(
    found: Mapping[int, Correction], labels: np.ndarray, class_names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the corrected labels, int (n,), and which images aren't left out, bool (n,)."""
    labels, in_use = labels.copy(), np.ones(len(labels), bool)
    for number, correction in found.items():
        if correction.action == LEAVE_OUT:
            in_use[number] = False
        elif (label := label_of(correction.label, class_names)) is not None:
            labels[number] = label
    return labels, in_use


def _check_classes(
    where: str, given: np.ndarray, corrected: np.ndarray, class_names: Sequence[str], split: str
) -> None:
    """Refuses corrections after which a class has no images in a split, or in all of them."""
    if lost := [class_names[label] for label in np.setdiff1d(given, corrected)]:
        raise CorrectionsError(
            f"{where} leaves no {split}image of {listed(lost)}. Correct fewer images, or leave classes out of "
            "ingestion.classes. Nothing was corrected."
        )
