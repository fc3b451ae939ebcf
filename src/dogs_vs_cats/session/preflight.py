"""Checks of a run that makes images: whatever can be refused is refused before any of it is computed."""

import logging
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

logger = logging.getLogger(__name__)

_FLOAT32_BYTES = 4


class Preflight:
    """The checks of one run.

    Args:
        pipeline: The pipeline of the run.
        catalog: Where its results go.
        parameters: All its parameters.
        root: The project's root.
    """

    def __init__(
        self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any], parameters: Mapping[str, Any], root: Path
    ) -> None:
        outputs = [catalog.get(name) for name in pipeline.all_outputs()]
        self._folders = {dataset.filepath.parent for dataset in outputs if isinstance(dataset, LocalFileDataset)}
        self._makes_images = "images" in pipeline.all_outputs()
        self._ingestion = IngestionParameters.model_validate(parameters["ingestion"])
        self._seed = int(parameters["seed"])
        self._images, self._features = (root / STORES[kind] for kind in ("decoded images", "features"))
        self._source: CheckedSource | None = None

    def check_source(self) -> None:
        """Checks the source of a run that reads one, and the room for its images; ingestion needn't list it again.

        Raises:
            SourceError: The source can't be opened, or a class seems to have no usable image.
            SplitError: The source has too few images for the split.
            ProjectError: A folder can't be written to, or a volume has too little room.
        """
        if not self._makes_images:
            return
        # Not at the top: commands that run nothing shouldn't have to wait for the image libraries.
        from dogs_vs_cats.images.opening import close_left
        from dogs_vs_cats.images.preflight import check_source

        run_lock.at_end(close_left)
        if self._ingestion.source.startswith("keras:"):
            start_keras()  # which is quieter than the first import
        self._source = check_source(self._ingestion, self._seed, self._images)
        refuse_without_room(self._needs(None))

    def check_room(self, feature_count: int | None) -> None:
        """Checks that what the run makes can be written and has room on the disk; logs how much the caches need.

        Args:
            feature_count: Number of features of one image; None if the run extracts none.

        Raises:
            ProjectError: A folder can't be written to, or a volume has too little room.
        """
        for sentence in refuse_without_room(self._needs(feature_count)):
            logger.info(sentence)

    def _needs(self, feature_count: int | None) -> dict[Path, int]:
        """The bytes that the run is going to write into each folder of a cache, and 0 for each folder of results."""
        needs = dict.fromkeys(self._folders, 0)
        if self._source is None:
            return needs
        needs[self._images] = self._source.bytes_to_write
        if feature_count is not None:
            # Cached rows of this width may be of another base, but a run that has what it needs must not be refused.
            missing = max(0, self._source.in_use - count_rows(self._features, feature_count))
            # An extraction stores rows as it goes, and in the end joins them in one array.
            needs[self._features] = 2 * missing * feature_count * _FLOAT32_BYTES
        return needs
