"""Nodes of data ingestion: images from any source become one array and one table."""

import hashlib
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dogs_vs_cats.errors import SourceError, listed, quantity
from dogs_vs_cats.images import corrections as correcting
from dogs_vs_cats.images import grouping
from dogs_vs_cats.images.correction_files import NO_CORRECTIONS, Corrections, read_corrections
from dogs_vs_cats.images.near_duplicates import find_groups
from dogs_vs_cats.images.split_choice import divide
from dogs_vs_cats.images.split_sizes import check_folds
from dogs_vs_cats.images.splits import SPLITS, TEST, UNUSED
from dogs_vs_cats.parameters.credentials import without_credentials
from dogs_vs_cats.parameters.ingestion import IngestionParameters

if TYPE_CHECKING:
    from dogs_vs_cats.images.reading import DecodedSource

logger = logging.getLogger(__name__)

ENOUGH_TO_TEST = 200
"""With `ingestion.folds: auto`, fewer test images lead to cross-validation.

The 95 % interval of an accuracy of 0.95 on this many images is six points wide.
"""

FOLDS = 5
"""Number of folds for `auto`."""

_OPTIONAL = ["given_label", "given_split", "copies", "group_name"]
"""Columns of the manifest that decide results, where corrections or groups are given."""

# Up to this many constant images need no warning; warnings name as many images.
_FEW = 3


def made_with(ingestion: IngestionParameters, seed: int) -> dict[str, Any]:
    """Returns what the images and their split depend on, as plain JSON values, without the password to the source.

    Raises:
        CorrectionsError: The file of corrections can't be read.
    """
    made = {**ingestion.record(), "source": without_credentials(ingestion.source), "seed": seed}
    # Its content counts too: an edited file is another parameter.
    return made | ({"corrections": read_corrections(ingestion).version} if ingestion.corrections else {})


def read_images(
    ingestion: IngestionParameters, seed: int, store_folder: Path
) -> tuple[np.ndarray, pd.DataFrame, pd.DataFrame, list[str], dict[str, Any]]:
    """Reads, checks, decodes and resizes every image of the source.

    Decoded images are cached. A second run on an unchanged source decodes nothing; nor does a run with another split,
    or with another seed unless the images themselves are drawn from it.

    Args:
        ingestion: Where the images are, and how to decode them.
        seed: Seed of the sample images.
        store_folder: Cache of decoded sources.

    Returns:
        All usable images, uint8 memory map (n, height, width, channels), in the source's order; a table with a row for
        each of them (path, label, part, sha256, width, height, group, which is the same for copies of one image where
        these are looked for, and for images that `ingestion.group` groups, see `grouping.with_groups`); path and
        reason of each rejected image; the class names, by label; and facts about the images for the record:
        `bit_depth`, the bits that 16-bit images use (None without such images); the number of `constant` images; and
        `fit`, how they became squares.

    Raises:
        SourceError: The source can't be opened, or has no usable image.
        SplitError: The number of sample images to draw is given as a fraction.
        ProjectError: The decoded images can't be written.
    """
    # Not at the top: commands that decode nothing shouldn't have to wait for the image libraries.
    from dogs_vs_cats.images.reading import decoded_source

    decoded = decoded_source(ingestion, seed, store_folder)
    constant = decoded.constant(ingestion.fit)
    _report_decoded(decoded, constant, without_credentials(ingestion.source))
    grouped = ingestion.near_duplicates == "group"
    groups = find_groups(decoded.thumbnails) if grouped else np.arange(len(decoded.images))
    facts = {"bit_depth": decoded.bit_depth, "constant": len(constant), "fit": ingestion.fit}
    usable = decoded.usable.assign(group=groups)
    if ingestion.group is not None:
        usable = grouping.with_groups(usable, decoded.groups)
    return decoded.images, usable, decoded.rejected, decoded.class_names, facts


def split_images(
    usable_images: pd.DataFrame,
    rejected_images: pd.DataFrame,
    class_names: list[str],
    image_facts: dict[str, Any],
    ingestion: IngestionParameters,
    seed: int,
    corrections: Corrections = NO_CORRECTIONS,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Divides the images into training, validation and test, with copies of one image in the same split.

    The corrections are applied afterwards, so that every image stays in the split that it has without them.

    Args:
        usable_images: path, label, part, sha256, width, height and group of each image.
        rejected_images: The images that can't be used.
        class_names: Names of the classes, by label.
        image_facts: Goes into the record, and the bit depth and the fit into the identity.
        ingestion: Sizes and kind of the split.
        seed: Seed of the split.
        corrections: Images that get another label or are left out.

    Returns:
        The manifest: path, label, class_name, split (train, validation, test, unused), sha256, width, height, group
        (copies of one image have the same number), with corrections also the columns that `corrections.apply` adds; and
        a record of its parameters and its content, with the `split` that `auto` has chosen.

    Raises:
        SplitError: The images there are don't allow the split.
        CorrectionsError: The corrections don't fit the images.
    """
    splits, kind = divide(usable_images, class_names, ingestion.split, ingestion.sizes, seed)
    manifest = usable_images.drop(columns="part")
    manifest.insert(2, "class_name", [class_names[label] for label in manifest["label"]])
    manifest.insert(3, "split", splits)
    manifest, corrected = correcting.apply(corrections, manifest, set(rejected_images["path"]), class_names)
    counts = pd.crosstab(manifest["class_name"], manifest["split"])
    record = {
        "parameters": made_with(ingestion, seed),
        "identity": _identity(manifest, class_names, ingestion, image_facts["bit_depth"]),
        "class_names": class_names,
        **image_facts,
        **({"split": kind} if ingestion.split == "auto" else {}),
        "usable": len(manifest),
        "rejected": len(rejected_images),
        "splits": counts.reindex(class_names, fill_value=0).reindex(columns=[*SPLITS, UNUSED], fill_value=0).to_dict(),
        "folds": _folds(manifest, ingestion.folds, kind),
        "near_duplicates": _near_duplicates(manifest) if ingestion.near_duplicates == "group" else None,
        **({"groups": grouping.summary(manifest)} if ingestion.group is not None else {}),
        **({"corrections": corrected} if corrected else {}),
    }
    _report(record)
    return manifest, record


def _report_decoded(decoded: "DecodedSource", constant: list[str], source: str) -> None:
    """Refuses a source without usable images, and warns of images that can't be used or hold nothing."""
    usable, rejected = len(decoded.usable), len(decoded.rejected)
    if not usable:
        first = "".join(f"; the first, {row.path}: {row.reason}" for row in decoded.rejected[:1].itertuples())
        raise SourceError(f"None of the images of {source} can be used ({rejected:,} were rejected{first}).")
    if rejected:
        logger.warning(
            "%d of %d images can't be used; rejected_images.csv lists the reasons", rejected, rejected + usable
        )
    if contradictory := decoded.contradictory:
        logger.warning(
            "%s byte-identical to one of another class, and only the first of each counts: %s. Delete those in the "
            "wrong class; rejected_images.csv lists them",
            *(quantity(len(contradictory), "image is", "images are"), listed(contradictory, _FEW)),
        )
    if len(constant) > _FEW:
        logger.warning(
            "%d of %d usable images have a single colour, so models can't learn from them: %s",
            len(constant),
            usable,
            listed(constant, _FEW),
        )


def _folds(manifest: pd.DataFrame, wanted: int | str | None, split: str) -> int | None:
    """Decides into how many folds cross-validation divides the images in use; None where there is none.

    Args:
        manifest: The images with their splits and groups.
        wanted: The parameter `ingestion.folds`.
        split: `random` or `official`. A source's own test part is a choice that `auto` respects.

    Raises:
        SplitError: A class has fewer different images than there are to be folds.
    """
    if wanted is None:
        return None
    image, different_image = ("group", "group") if "group_name" in manifest else ("image", "distinct image")
    used = manifest[manifest["split"] != UNUSED]
    different = {str(name): count for name, count in used.groupby("class_name")["group"].nunique().items()}
    if wanted != "auto":
        check_folds(int(wanted), different, f"{different_image}s")
        return int(wanted)
    # Not of the corrected splits: an image that is left out shouldn't change the way of evaluation.
    in_test = manifest[manifest.get("given_split", manifest["split"]) == TEST]
    tested = in_test["group"].nunique() if image == "group" else len(in_test)
    if tested >= ENOUGH_TO_TEST:
        return None
    smallest = min(different, key=lambda name: different[name])
    folds = min(FOLDS, different[smallest])
    if folds > 1 and split != "official":
        return folds
    why = f"because class {smallest} has only one {different_image}"
    if folds > 1:
        why = f"because the source has its own test part; ingestion.folds={folds} does"
    logger.warning(
        "The accuracy is uncertain with only %d test %ss, and ingestion.folds: auto doesn't cross-validate here, %s",
        *(tested, image, why),
    )
    return None


def _identity(
    manifest: pd.DataFrame, class_names: list[str], ingestion: IngestionParameters, bit_depth: int | None
) -> str:
    """SHA-256 that stands for the pixels, the labels and the splits, wherever the images came from."""
    from dogs_vs_cats.images import decoding

    head = [class_names, ingestion.image_size, ingestion.channels, decoding.VERSION, ingestion.fit]
    head += [] if bit_depth is None else [bit_depth]
    digest = hashlib.sha256(json.dumps(head).encode())
    columns = ["path", "label", "split", "sha256", *manifest.columns.intersection(_OPTIONAL)]
    for row in manifest[columns].itertuples(index=False):
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()


def _near_duplicates(manifest: pd.DataFrame) -> dict[str, int]:
    copies = manifest.assign(copies=manifest.get("copies", manifest["group"]))
    copies = copies[copies["copies"].duplicated(keep=False)]
    return {
        "groups": int(copies["copies"].nunique()),
        "images": len(copies),
        "groups_across_splits": grouping.across_splits(copies, "copies"),
    }


def _report(record: dict[str, Any]) -> None:
    for name in SPLITS:
        counts = record["splits"][name]
        shares = listed([f"{count:,} {class_name}" for class_name, count in counts.items()], most=12)
        logger.info("%s: %d images (%s)", name.capitalize(), sum(counts.values()), shares)
        if missing := [class_name for class_name, count in counts.items() if count == 0]:
            logger.warning("The %s split has no image of %s", name, listed(missing))
    copies = record["near_duplicates"] or {"images": 0, "groups_across_splits": 0}
    if copies["images"]:
        logger.info("%d images are near duplicates of each other (groups: %d)", copies["images"], copies["groups"])
    if copies["groups_across_splits"]:
        logger.warning(
            "The source's official parts contain copies of the same images (groups: %d), so results are too "
            "optimistic; ingestion.split: random would keep copies together",
            copies["groups_across_splits"],
        )
