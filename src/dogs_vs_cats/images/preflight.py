"""Checks of a source before a run. They list its images, and decode one of each of the first classes."""

import logging
from collections import defaultdict
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from dogs_vs_cats.errors import SourceError, listed
from dogs_vs_cats.images.corrections import corrected_labels
from dogs_vs_cats.images.decoding import ImageRejected
from dogs_vs_cats.images.decoding.sixteen_bit import BIT_DEPTHS
from dogs_vs_cats.images.grouping import check_groups
from dogs_vs_cats.images.near_duplicates import THUMBNAIL_SIZE
from dogs_vs_cats.images.opening import leave_open, open_for_training
from dogs_vs_cats.images.pixels import read_image
from dogs_vs_cats.images.reading import cache_key
from dogs_vs_cats.images.sources import Entry, Source
from dogs_vs_cats.images.split_choice import check_split
from dogs_vs_cats.images.split_sizes import check_folds, class_counts
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.storage.content_store import ContentStore

logger = logging.getLogger(__name__)

FEW = 10
"""A class with fewer images than this gets a warning."""

_MOST_CLASSES = 20
_MOST_TRIED = 100


@dataclass(frozen=True)
class CheckedSource:
    """The files that a run is going to read.

    Attributes:
        in_use: Number of images that the splits use if all can be decoded.
        bytes_to_write: Size of the decoded images that aren't cached yet.
    """

    in_use: int
    bytes_to_write: int


def check_source(ingestion: IngestionParameters, seed: int, store_folder: Path) -> CheckedSource:
    """Refuses a source that ingestion would refuse after decoding it, and leaves it open for ingestion.

    Args:
        ingestion: The source, and how it is decoded and split.
        seed: Seed of the sample images.
        store_folder: Cache of decoded sources.

    Raises:
        SourceError: The source can't be opened, or a class seems to have no usable image.
        SplitError: The source has too few images for the split.
        CorrectionsError: The corrections can't be read, or don't fit the images.
    """
    source = open_for_training(ingestion, seed)
    leave_open(ingestion, seed, source)
    entries = source.entries()
    labels = np.array([entry.label for entry in entries], np.int64)
    in_use = check_split(
        ingestion.split, labels, [entry.part for entry in entries], ingestion.sizes, source.class_names
    )
    check_groups(ingestion, source)
    labels = corrected_labels(ingestion, source)
    counts = class_counts(labels, source.class_names)
    if isinstance(ingestion.folds, int):
        check_folds(ingestion.folds, counts)
    if few := [f"{name} ({count})" for name, count in counts.items() if count < FEW]:
        logger.warning(
            "Classes with fewer than %d images: %s. Their results will be unreliable; add images, or leave these "
            "classes out of ingestion.classes.",
            *(FEW, listed(few)),
        )
    if ContentStore(store_folder).entries(cache_key(source, ingestion)):
        return CheckedSource(in_use, bytes_to_write=0)
    _refuse_undecodable(source, ingestion)
    bytes_of_one = ingestion.image_size**2 * ingestion.channels + THUMBNAIL_SIZE**2
    return CheckedSource(in_use, bytes_to_write=len(entries) * bytes_of_one)


def _refuse_undecodable(source: Source, ingestion: IngestionParameters) -> None:
    """Decodes an image of each of the first `_MOST_CLASSES` classes.

    Until one is usable, up to `_MOST_TRIED` from all over the class are tried.
    """
    options = ingestion.decoding(BIT_DEPTHS[-1])
    by_class: dict[int, list[Entry]] = defaultdict(list)
    for entry in source.entries():
        by_class[entry.label].append(entry)
    for label, entries in islice(sorted(by_class.items()), _MOST_CLASSES):
        tried = entries[:: -(-len(entries) // _MOST_TRIED)]
        reasons = []
        for entry in tried:
            try:
                read_image(source, entry, ingestion.image_size, ingestion.channels, options)
                break
            except ImageRejected as error:
                reasons.append(f"{entry.path}: {error.reason}")
        else:
            raise SourceError(
                f"{_without_use(len(tried), len(entries), source.class_names[label])}: {'; '.join(reasons[:2])}. "
                "Replace them, or leave the class out of ingestion.classes."
            )


def _without_use(tried: int, images: int, class_name: str) -> str:
    """Says that none of the images that were tried can be used."""
    if images == 1:
        return f"The only image of {class_name} can't be used"
    number = f"{tried} of the {images:,}" if tried < images else f"All {images}"
    return f"{number} images of {class_name} were tried, and none can be used"
