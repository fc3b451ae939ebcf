"""Cache bookkeeping of a run: records the entries it uses, and enforces the size limit."""

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
        """Reads the experiment and the limit."""
        self._root = context.project_path
        self._experiment = context.config_loader["globals"]["experiment"]
        self._limit = context.config_loader["parameters"]["storage"]["cache_limit_gib"]

    @hook_impl
    def after_dataset_saved(self, data: Any) -> None:
        """Records that the experiment uses a cache entry."""
        if isinstance(data, np.memmap) and data.filename and self._experiment:
            note_use(self._root, Path(data.filename), self._experiment)

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Removes entries beyond the limit while this run still holds its lock."""
        if self._limit is None:
            return
        if removed := remove_beyond(self._root, self._limit * GIB):
            logger.info(
                "Removed the least recently used cache entries, because storage.cache_limit_gib is %s: %d of %.1f GiB",
                self._limit,
                len(removed),
                sum(entry.size for entry in removed) / GIB,
            )
