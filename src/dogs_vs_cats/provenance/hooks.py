"""Kedro hooks that keep the manifest of an experiment."""

import logging
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from dogs_vs_cats.datasets.local_file import LocalFileDataset
from dogs_vs_cats.provenance.manifest import Facts, describe_run, made_elsewhere, with_result
from dogs_vs_cats.storage.file_hash import md5

logger = logging.getLogger(__name__)

DATA_AND_SUMMARY = ("images", "manifest", "backbone", "features", "comparison_summary")
OF_APPROACHES = ("model", "metrics")
"""Together, the results whose hashes a manifest has."""


class ProvenanceHooks:
    """Says before a run which results come from elsewhere, and writes down each result once it is saved."""

    def __init__(self) -> None:
        self._facts: Facts | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Stores the context, which has the parameters and the experiment."""
        self._context = context

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        """Compares this machine and its packages with those in the manifest."""
        self._catalog, self._facts = catalog, None
        if not any(_is_in_manifest(name) for name in pipeline.datasets()):
            return
        loader = self._context.config_loader
        self._experiment, self._facts = loader["globals"]["experiment"], describe_run(loader["parameters"])
        for line in made_elsewhere(catalog.load("provenance"), self._facts, pipeline.datasets()):
            logger.warning(line)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        """Adds a result to the manifest."""
        if self._facts is None or not _is_in_manifest(dataset_name):
            return
        dataset = self._catalog.get(dataset_name)
        if isinstance(dataset, LocalFileDataset):
            manifest = self._catalog.load("provenance")
            manifest = with_result(manifest, self._experiment, self._facts, dataset_name, md5(Path(dataset.filepath)))
            self._catalog.save("provenance", manifest)


def _is_in_manifest(name: str) -> bool:
    approach, _, output = name.rpartition(".")
    return name in DATA_AND_SUMMARY or (bool(approach) and output in OF_APPROACHES)
