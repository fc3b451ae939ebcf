"""The one place where runs are mirrored into MLflow."""

import logging
import os
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from pydantic import BaseModel

from dogs_vs_cats.tracking.recorder import Recorder, is_tracked
from dogs_vs_cats.training.events import EpochEnd, Event, TrialBegin, subscribe, unsubscribe

logger = logging.getLogger(__name__)

P = ParamSpec("P")


def _costs_no_result(method: Callable[P, None]) -> Callable[P, None]:
    """Lets a run go on, untracked, whatever goes wrong while it is tracked."""

    @wraps(method)
    def guarded(*arguments: P.args, **keywords: P.kwargs) -> None:
        try:
            method(*arguments, **keywords)
        except Exception as error:
            logger.warning("Tracking has stopped, the run goes on: %s: %s", type(error).__name__, error)
            hooks: Any = arguments[0]
            hooks.abandon()

    return guarded


class TrackingHooks:
    """Mirrors parameters, epochs, results and models; the nodes know nothing of it."""

    def __init__(self) -> None:
        self._parameters: dict[str, Any] = {}
        self._experiment = ""
        self._env: str | None = None
        self._recorder: Recorder | None = None

    def abandon(self) -> None:
        """Stops tracking this run; the sender finds out by itself when the run is over."""
        self._recorder = None
        unsubscribe(self._event)

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Learns the parameters, the environment and the experiment."""
        # Kedro has made objects of those groups that nodes take as such.
        self._parameters = {
            name: value.model_dump() if isinstance(value, BaseModel) else value
            for name, value in context.params.items()
        }
        self._experiment = context.config_loader["globals"]["experiment"]
        self._env = context.env

    @hook_impl
    @_costs_no_result
    def before_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Starts to record, if tracking is on and there will be anything to track."""
        self._close("KILLED")  # an interrupted run before, in the same notebook
        if not is_tracked(pipeline, self._parameters["approaches"]):
            return
        if self._is_on():
            self._recorder = Recorder(self._parameters, self._env, self._experiment, pipeline, catalog)
            subscribe(self._event)
        elif "tracking_links" in pipeline.inputs():
            # Links to the runs of earlier models would be wrong.
            catalog.save("tracking_links", {})

    @hook_impl
    @_costs_no_result
    def before_node_run(self, node: Node) -> None:
        """Begins an approach's run when its training starts."""
        if self._recorder:
            self._recorder.node_starts(node.outputs)

    @hook_impl
    @_costs_no_result
    def before_dataset_loaded(self, dataset_name: str) -> None:
        """Looks the links to the runs up just before the report needs them."""
        if self._recorder and dataset_name == "tracking_links":
            self._recorder.save_links()

    @hook_impl
    @_costs_no_result
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Mirrors a result once it is safe on disk."""
        if self._recorder:
            self._recorder.dataset_saved(dataset_name, data)

    @hook_impl
    @_costs_no_result
    def after_pipeline_run(self) -> None:
        """Waits until the store has everything."""
        self._close("FINISHED")

    @hook_impl
    @_costs_no_result
    def on_pipeline_error(self) -> None:
        """Marks what was going on as failed."""
        self._close("FAILED")

    @_costs_no_result
    def _event(self, event: Event) -> None:
        if not self._recorder:
            return
        if isinstance(event, EpochEnd):
            self._recorder.epoch_ends(event)
        elif isinstance(event, TrialBegin):
            self._recorder.trial_begins(event)
        else:
            self._recorder.trial_ends(event)

    def _is_on(self) -> bool:
        switch = os.environ.get("DOGS_VS_CATS_TRACKING", "on").lower()
        return bool(self._parameters["tracking"]["enabled"]) and switch not in ("off", "0", "false", "no")

    def _close(self, status: str) -> None:
        recorder, self._recorder = self._recorder, None
        unsubscribe(self._event)
        if recorder:
            recorder.close(status)
