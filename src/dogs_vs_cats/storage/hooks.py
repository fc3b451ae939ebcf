"""The size limit of the caches, enforced at the end of a run."""

import logging
from pathlib import Path

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl

from dogs_vs_cats.storage.caches import GIB, remove_beyond

logger = logging.getLogger(__name__)


class CacheHooks:
    """Looks after the caches of the project that a run belongs to."""

    def __init__(self) -> None:
        self._root = Path()
        self._limit: float | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Reads the limit."""
        self._root = context.project_path
        self._limit = context.config_loader["parameters"]["storage"]["cache_limit_gib"]

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Removes entries beyond the limit while this run still holds its lock."""
        if self._limit is not None and (removed := remove_beyond(self._root, self._limit * GIB)):
            logger.info(
                "Removed the least recently used cache entries, because storage.cache_limit_gib is %s: %d of %.1f GiB",
                self._limit,
                len(removed),
                sum(entry.size for entry in removed) / GIB,
            )
