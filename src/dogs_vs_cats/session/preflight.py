"""Checks of a run that makes images: whatever can be refused is refused before any of it is computed."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from dogs_vs_cats.compute.start import start_keras
from dogs_vs_cats.datasets.local_file import LocalFileDataset
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.session import run_lock
from dogs_vs_cats.storage.caches import STORES
from dogs_vs_cats.storage.feature_store import count_rows
from dogs_vs_cats.storage.room import refuse_without_room

if TYPE_CHECKING:
    from dogs_vs_cats.images.preflight import CheckedSource

_FLOAT32_BYTES = 4


def check_images(pipeline: Pipeline, parameters: Mapping[str, Any], root: Path) -> "CheckedSource | None":
    """Checks the source of a run that reads one; ingestion then needn't list it again.

    Args:
        pipeline: What is to run.
        parameters: All parameters of the run.
        root: The project's root.

    Returns:
        What the run will read; None if it reads no source.

    Raises:
        SourceError: The source can't be opened, or a class seems to have no usable image.
        SplitError: The source has too few images for the split.
    """
    if "images" not in pipeline.all_outputs():
        return None
    # Not at the top: commands that run nothing shouldn't have to wait for the image libraries.
    from dogs_vs_cats.images.opening import close_left
    from dogs_vs_cats.images.preflight import check_source

    run_lock.at_end(close_left)
    ingestion = IngestionParameters.model_validate(parameters["ingestion"])
    if ingestion.source.startswith("keras:"):
        start_keras()  # which is quieter than the first import
    return check_source(ingestion, parameters["seed"], root / STORES["decoded images"])


def check_room(
    pipeline: Pipeline,
    catalog: CatalogProtocol[Any, Any],
    source: "CheckedSource | None",
    feature_count: int | None,
    root: Path,
) -> None:
    """Checks that what a run makes can be written, and has room on the disk.

    Args:
        pipeline: What is to run.
        catalog: Where its results go.
        source: What it reads; None if it reads no source.
        feature_count: Number of features of one image; None if the run extracts none.
        root: The project's root.

    Raises:
        ProjectError: A folder can't be written to, or a volume has too little room.
    """
    outputs = [catalog.get(name) for name in pipeline.all_outputs()]
    needs = {dataset.filepath.parent: 0 for dataset in outputs if isinstance(dataset, LocalFileDataset)}
    if source is not None:
        needs[root / STORES["decoded images"]] = source.bytes_to_write
    if source is not None and feature_count is not None:
        store = root / STORES["features"]
        # Cached rows of this width may be of another base, but a run that has what it needs must not be refused.
        missing = max(0, source.in_use - count_rows(store, feature_count))
        # An extraction stores rows as it goes, and in the end joins them in one array.
        needs[store] = 2 * missing * feature_count * _FLOAT32_BYTES
    refuse_without_room(needs)
