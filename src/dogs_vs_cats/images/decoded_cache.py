"""Decoded sources of earlier runs: an unchanged source is decoded once."""

import hashlib
import json
import logging
from pathlib import Path

from dogs_vs_cats.errors import ProjectError
from dogs_vs_cats.images import decoding
from dogs_vs_cats.images.reading import LAYOUT, DecodedSource, can_be_read_now, load_decoded, write_decoded
from dogs_vs_cats.images.sources import Source, fingerprint, open_source
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.project import ROOT
from dogs_vs_cats.storage.content_store import ContentStore

logger = logging.getLogger(__name__)

DECODED_WITH = {"image_size", "channels", "max_pixels", "min_side", "max_bytes", "bit_depth"}
"""Parameters that the decoded images and the rejects depend on."""


def decoded_source(
    ingestion: IngestionParameters, sample_count: int | None, seed: int, store_folder: Path
) -> DecodedSource:
    """Opens the decoded images of a source, and decodes the source first unless an earlier run has done so.

    Args:
        ingestion: The source, and how to decode it.
        sample_count: Number of sample images to draw; None for any other source.
        seed: Seed of the sample images.
        store_folder: Folder of the decoded sources.

    Raises:
        SourceError: The source can't be opened.
        ProjectError: The decoded images can't be written.
    """
    try:
        store = ContentStore(store_folder)
        with open_source(ingestion, ROOT, sample_count=sample_count, seed=seed) as source:
            key = _key(source, ingestion)
            with store.in_use():
                earlier = store.find(key)
                decoded = _load(earlier)
                if decoded is not None and not can_be_read_now(source, decoded, ingestion):
                    logger.info("All %d images are decoded already", len(decoded.images))
                    return decoded
                with store.create(key) as folder:
                    write_decoded(source, ingestion, folder)
                decoded = load_decoded(store_folder / folder.name)
        if earlier is not None:
            store.remove(earlier)
        return decoded
    except OSError as error:
        raise ProjectError(
            f"Decoded images can't be stored in {store_folder}: {error.strerror or error}. "
            "Free space or make the folder writable, and run again."
        ) from error


def _key(source: Source, ingestion: IngestionParameters) -> str:
    """Identifies everything that the decoded images depend on."""
    made_of = [fingerprint(source), ingestion.model_dump(include=DECODED_WITH), decoding.VERSION, LAYOUT]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:32]


def _load(folder: Path | None) -> DecodedSource | None:
    """Opens the images that an earlier run has decoded, unless they are damaged."""
    if folder is None:
        return None
    try:
        return load_decoded(folder)
    except (OSError, ValueError, KeyError):
        logger.warning("The decoded images in %s are damaged, so they are decoded again", folder)
        return None
