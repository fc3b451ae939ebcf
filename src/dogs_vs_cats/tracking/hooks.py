"""Kedro hooks that pass the events of a run to a `Recorder`."""

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from dogs_vs_cats.training.events import Event, subscribe, unsubscribe

if TYPE_CHECKING:
    from dogs_vs_cats.tracking.recorder import Recorder

logger = logging.getLogger(__name__)


class TrackingHooks:
    """Tracks every run that produces results, unless tracking is off."""

    def __init__(self) -> None:
        self._recorder: Recorder | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Stores the context, which has the parameters, the environment and the experiment."""
        self._context = context

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Starts recording, if tracking is on and the pipeline produces tracked results."""
        # Not at the top: every kedro command imports this module, and few record anything.
        from dogs_vs_cats.tracking.recorder import Recorder
        from dogs_vs_cats.tracking.results import is_tracked

        self._close("KILLED")  # an earlier run that was interrupted, in the same notebook
        outputs, loader = pipeline.all_outputs(), self._context.config_loader
        parameters = loader["parameters"]
        if not any(is_tracked(name, parameters["approaches"]) for name in outputs):
            return
        switch = os.environ.get("DOGS_VS_CATS_TRACKING", "on").lower()
        if parameters["tracking"]["enabled"] and switch not in ("off", "0", "false", "no"):
            self._recorder = Recorder(parameters, catalog)
            experiment, environment = loader["globals"]["experiment"], self._context.env
            options = [f"--env={environment}"] if environment else []
            if "experiment" in run_params["runtime_params"]:
                options.append(f"--params=experiment={experiment}")
            self._record(lambda recorder: recorder.start(experiment, options, sorted(outputs)))
            subscribe(self._training_event)
        elif "tracking_links" in pipeline.inputs():
            catalog.save("tracking_links", {})  # links to the runs of earlier models would be wrong

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Begins an approach's run when its training starts."""
        self._record(lambda recorder: recorder.node_starts(node.outputs))

    @hook_impl
    def before_dataset_loaded(self, dataset_name: str) -> None:
        """Looks up the links to the runs just before the report needs them."""
        if dataset_name == "tracking_links":
            self._record(lambda recorder: recorder.save_links())

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        """Records a result once it is safe on disk."""
        self._record(lambda recorder: recorder.dataset_saved(dataset_name))

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Waits until the store has everything."""
        self._close("FINISHED")

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Marks the unfinished runs as failed."""
        self._close("FAILED")

    def _training_event(self, event: Event) -> None:
        self._record(lambda recorder: recorder.training_event(event))

    def _close(self, status: str) -> None:
        self._record(lambda recorder: recorder.close(status))
        self._stop()

    def _stop(self) -> None:
        unsubscribe(self._training_event)
        recorder, self._recorder = self._recorder, None
        if recorder:
            recorder.stop()

    def _record(self, action: "Callable[[Recorder], None]") -> None:
        """Lets the run continue untracked if tracking fails."""
        if self._recorder:
            try:
                action(self._recorder)
            except Exception as error:
                logger.warning("Tracking has stopped, the run goes on: %s: %s", type(error).__name__, error)
                self._stop()
