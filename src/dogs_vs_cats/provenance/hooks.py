"""Kedro hooks that keep the manifest of an experiment."""

import logging
from typing import TYPE_CHECKING, Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from dogs_vs_cats.storage.file_hash import md5

if TYPE_CHECKING:
    from dogs_vs_cats.provenance.manifest import Facts

logger = logging.getLogger(__name__)

DATA_AND_SUMMARY = ("images", "manifest", "backbone", "features", "comparison_summary")
OF_APPROACHES = ("model", "metrics")
"""Together, the results whose hashes a manifest has."""


class ProvenanceHooks:
    """Says before a run which results come from elsewhere, and adds each result to the manifest once it is saved."""

    def __init__(self) -> None:
        self._facts: Facts | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Stores the context, which has the parameters and the experiment."""
        self._context = context

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        """Compares this machine and its packages with the manifest, and removes inputs from it that were replaced."""
        # Not at the top: every kedro command imports this module, and few make results.
        from dogs_vs_cats.provenance.manifest import describe_run, made_elsewhere, without_replaced

        self._catalog, self._facts = catalog, None
        if not any(_is_in_manifest(name) for name in pipeline.datasets()):
            return
        loader = self._context.config_loader
        self._experiment, self._facts = loader["globals"]["experiment"], describe_run(loader["parameters"])
        manifest = catalog.load("provenance")
        for line in made_elsewhere(manifest, self._facts, pipeline.datasets()):
            logger.warning(line)
        # Inputs alone: hashing gigabytes takes seconds, and this run replaces its outputs. A run that reads
        # `model_info` describes the model.
        inputs = {name.removesuffix("_info") for name in pipeline.inputs()}
        if recorded := inputs & {name for run in manifest.get("runs", ()) for name in run["results"]}:
            catalog.save("provenance", without_replaced(manifest, self._hashes(recorded)))

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        """Adds a result to the manifest."""
        if self._facts is None or not _is_in_manifest(dataset_name):
            return
        from dogs_vs_cats.provenance.manifest import with_result

        manifest = self._catalog.load("provenance")
        for name, hashed in self._hashes({dataset_name}).items():
            manifest = with_result(manifest, self._experiment, self._facts, name, hashed)
        self._catalog.save("provenance", manifest)

    def _hashes(self, names: set[str]) -> dict[str, str]:
        """The MD5 of the results that are files, by name; empty without the file."""
        from dogs_vs_cats.datasets.local_file import LocalFileDataset

        datasets = {name: self._catalog.get(name) for name in names}
        files = {name: of.filepath for name, of in datasets.items() if isinstance(of, LocalFileDataset)}
        return {name: md5(path) if path.is_file() else "" for name, path in files.items()}


def _is_in_manifest(name: str) -> bool:
    approach, _, output = name.rpartition(".")
    return name in DATA_AND_SUMMARY or (bool(approach) and output in OF_APPROACHES)
