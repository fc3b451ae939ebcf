"""Bottleneck features: the output of the frozen base for each image."""

import hashlib
import json
import logging
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.compute.parallel import in_order
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.progress import progress, track
from dogs_vs_cats.storage.arrays import read_rows, row_parts
from dogs_vs_cats.storage.feature_store import KEY_BYTES, FeatureStore

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_PARTS = 1.0
"""Features are stored this often: a killed run costs no more, and a fast base doesn't make thousands of files."""

_HASHED_AT_ONCE = 64  # images


def extract_features(
    backbone: Model,
    backbone_record: dict[str, Any],
    images: np.ndarray,
    manifest: pd.DataFrame,
    ingestion_record: dict[str, Any],
    pooling: Literal["flatten", "avg"],
    compute: ComputeParameters,
    store_folder: Path,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Computes the features of every image in use that the store doesn't have yet.

    The store finds features by the content of their image and of the base. So a changed head, seed, split or number
    of epochs extracts nothing again, and a killed run resumes where it stopped.

    Args:
        backbone: Raw images in, feature maps (n, rows, columns, features), or a vector (n, features), out.
        backbone_record: Its identity, and the digest of its weights.
        images: uint8 memory map, (n, height, width, channels), a row for each row of the manifest.
        manifest: Gives each image's split; images of the split `unused` are left out.
        ingestion_record: Identity of the images and their split.
        pooling: `flatten` keeps every position of the maps, `avg` averages over positions.
        compute: How to compute; features are float32 in any precision.
        store_folder: Holds the features of all runs.

    Returns:
        float32 memory map, (images in use, features), in the manifest's order; and a record of what it was
        made from.
    """
    from dogs_vs_cats.compute.precision import dtype_policy
    from dogs_vs_cats.inference.prediction import predict_batches, row_batches
    from dogs_vs_cats.models.frozen_base import pooled

    rows = np.flatnonzero(manifest["split"] != "unused")
    keys = list(track(_keys(images, rows), "Looking up features", len(rows)))
    model = pooled(backbone, pooling)
    identity = {
        "backbone": backbone_record["identity"],
        "pooling": pooling,
        "image_shape": list(images.shape[1:]),
        "precision": dtype_policy(compute, model),
    }
    name = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]
    store = FeatureStore(store_folder, name)
    with store.in_use():
        places = store.missing(keys)
        logger.info("Features: %d images cached, %d to extract", len(rows) - len(places), len(places))
        batches = predict_batches(model, row_batches(images, rows[places]), compute)
        extracted = iter([keys[place] for place in places])
        for part in _parts(batches, len(places)):
            store.add(list(islice(extracted, len(part))), part)
        features = store.array(keys, model.output_shape[-1])
    record = {
        **identity,
        "base_weights": backbone_record["weights"],
        "data": ingestion_record["identity"],
        "images": len(keys),
    }
    return features, record


def _keys(images: np.ndarray, rows: np.ndarray) -> Iterator[bytes]:
    """Yields the key of each image, a hash of its pixels."""

    def hashes(part: np.ndarray) -> list[bytes]:
        pixels = read_rows(images, part)
        return [hashlib.blake2b(image.tobytes(), digest_size=KEY_BYTES).digest() for image in pixels]

    for _, keys in in_order(hashes, list(row_parts(rows, _HASHED_AT_ONCE)), chunk=1):
        yield from keys


def _parts(batches: Iterator[np.ndarray], images: int) -> Iterator[np.ndarray]:
    """Joins the batches that were computed within `SECONDS_BETWEEN_PARTS`."""
    waiting, since = [], time.monotonic()
    with progress("Extracting features", images) as advance:
        for batch in batches:
            waiting.append(batch)
            advance(len(batch))
            if time.monotonic() - since >= SECONDS_BETWEEN_PARTS:
                yield np.concatenate(waiting)
                waiting, since = [], time.monotonic()
    if waiting:
        yield np.concatenate(waiting)
