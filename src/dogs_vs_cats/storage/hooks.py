"""What a run does for the caches: notes what it uses, and keeps to the limit."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl

from dogs_vs_cats.storage.caches import GIB, note_use, remove_beyond

logger = logging.getLogger(__name__)


class CacheHooks:
    """Looks after the caches of the project that a run belongs to."""

    def __init__(self) -> None:
        self._root = Path()
        self._experiment = ""
        self._limit: float | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Learns the experiment and the limit."""
        self._root = context.project_path
        self._experiment = context.config_loader["globals"]["experiment"]
        self._limit = context.config_loader["parameters"]["storage"]["cache_limit_gib"]

    @hook_impl
    def after_dataset_saved(self, data: Any) -> None:
        """Notes that the experiment uses an entry of a cache."""
        if isinstance(data, np.memmap) and data.filename and self._experiment:
            note_use(self._root, Path(data.filename), self._experiment)

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Removes what is beyond the limit, as long as the lock says that this run is going on."""
        if self._limit is None:
            return
        if removed := remove_beyond(self._root, self._limit * GIB):
            logger.info(
                "Removed the least recently used cache entries, because storage.cache_limit_gib is %s: %d of %.1f GiB",
                self._limit,
                len(removed),
                sum(entry.size for entry in removed) / GIB,
            )
