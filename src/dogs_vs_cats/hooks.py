"""Kedro hooks that pass the events of a run to a `Run`."""

from typing import TYPE_CHECKING, Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from dogs_vs_cats.errors import expected_failure
from dogs_vs_cats.session import run_lock

if TYPE_CHECKING:
    from dogs_vs_cats.session.run import Run


class ProjectHooks:
    """Checks before a run, and the closing lines after it."""

    _run: "Run"

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Checks all parameters, then registers the pipelines of this environment's approaches."""
        # Not at the top: every kedro command imports this module, and few need the pipelines.
        from dogs_vs_cats.session.run import Run

        self._run = Run(context)

    @hook_impl
    def after_catalog_created(self, catalog: CatalogProtocol[Any, Any]) -> None:
        """Lets a report name the experiment and the command, and a search repeat the environment."""
        self._run.describe(catalog)

    @hook_impl(tryfirst=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Refuses to run beside another run or on inputs made with other parameters; starts Keras if needed."""
        self._run.prepare(run_params, pipeline, catalog)

    @hook_impl
    def after_dataset_saved(self, data: Any) -> None:
        """Records that the experiment uses an entry of a cache."""
        if hasattr(self, "_run"):  # not in a process that ParallelRunner has spawned
            self._run.dataset_saved(data)

    @hook_impl(trylast=True)
    def after_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        """Makes room in the caches, and says where the result is, and what a comparison found."""
        self._run.finish(pipeline, catalog)

    @hook_impl(trylast=True)
    def on_pipeline_error(self, error: Exception) -> None:
        """Lets the next run start, and takes expected failures out of what Kedro wraps around them."""
        run_lock.release()
        cause = expected_failure(error)
        if cause is not None and cause is not error:
            raise cause from None
