"""The runner of this project: nodes one after another, except that approaches train on a cluster at the same time."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner
from kedro.runner.task import Task

from dogs_vs_cats.compute import cluster
from dogs_vs_cats.compute.turns import Turns

TAG = "training"
"""Tag of the nodes that train on a cluster."""


class ProjectRunner(SequentialRunner):
    """Kedro's sequential runner while this process is connected to no cluster.

    Nodes that train on a cluster have a thread each. All others run in the main thread, which Ctrl-C interrupts. Keras,
    the hooks and the log are for one thread at a time, so a thread that doesn't wait for the cluster needs its turn.
    """

    def _get_required_workers_count(self, pipeline: Pipeline) -> int:
        return max(1, len(pipeline.only_nodes_with_tags(TAG).nodes))

    def _get_executor(self, max_workers: int) -> "_Executor | None":  # type: ignore[override]
        return _Executor(max_workers) if cluster.connected() else None


class _Executor(ThreadPoolExecutor):
    """Runs the nodes that are ready, the training ones in threads of their own."""

    def __init__(self, max_workers: int) -> None:
        super().__init__(max_workers, thread_name_prefix=TAG)
        self._turns = Turns()

    def submit(self, task: Task) -> Future[Any]:  # type: ignore[override]
        """Starts a node; returns at once if it trains, else when it has run."""
        if TAG in task.node.tags:
            return super().submit(self._run, task)
        done: Future[Any] = Future()
        try:
            done.set_result(self._run(task))
        except Exception as error:
            done.set_exception(error)
        return done

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Waits for the threads, which give up soon if the run has failed or is interrupted."""
        if error is not None:
            self._turns.fail(error)
        return super().__exit__(kind, error, trace)

    def _run(self, task: Callable[[], Any]) -> Any:
        with self._turns.taken():
            return task()
