"""Trainings that don't depend on each other: one after another on this machine, or at the same time on a Ray cluster.

Each training is a Ray task that takes one machine. It reports its events and its lines of the log while it runs, which
are passed on here as if it ran here. If its machine dies, Ray starts the task again from the beginning on another, and
passes no report on twice: a training is deterministic, so both attempts report the same.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np

from dogs_vs_cats.compute import cluster
from dogs_vs_cats.compute.start import start_keras, threads
from dogs_vs_cats.compute.turns import turn_given_away
from dogs_vs_cats.training.events import Event, publish, subscribe, unsubscribe
from dogs_vs_cats.training.inputs import TrainingInputs

logger = logging.getLogger(__name__)

Argument = TypeVar("Argument")
Result = TypeVar("Result")
Train = Callable[[TrainingInputs, Argument, Path], Result]
"""A training: takes inputs, what distinguishes it from the others, and a folder for its state."""

_PACKAGE = __name__.partition(".")[0]


def train_each(
    train: Train[Argument, Result], inputs: TrainingInputs, arguments: Sequence[Argument], state_folder: Path
) -> Iterator[Result]:
    """Trains once for each argument, on the cluster that this process is connected to if there is one.

    Args:
        train: A function of a module. It publishes events, and returns something that can be pickled.
        inputs: The inputs of every training.
        arguments: One for each training.
        state_folder: Holds the states of trainings on this machine. Those on a cluster leave none.

    Yields:
        The results in the order of the arguments. Events and log come in this order too.

    Raises:
        ClusterError: The cluster can't train, or no machine is left.
    """
    if cluster.connected():
        yield from _train_on_cluster(train, inputs, arguments)
        return
    for argument in arguments:
        yield train(inputs, argument, state_folder)


@dataclass(frozen=True)
class _Report:
    """The next thing that a training says.

    Attributes:
        lines: Logger, level and text of the lines of the log since the last report.
        event: An event, if there is one.
        result: Its result, if it is over.
    """

    lines: list[tuple[str, int, str]]
    event: Event | None = None
    result: Any = None


def _train_on_cluster(
    train: Train[Argument, Result], inputs: TrainingInputs, arguments: Sequence[Argument]
) -> Iterator[Result]:
    import ray

    with cluster.explained(f"train {inputs.name}"):
        task: Any = ray.remote(_train).options(
            **cluster.one_machine(),
            num_returns="streaming",
            # Predictions may have started Keras with another number of threads, in processes without these variables.
            runtime_env={"env_vars": threads()},
        )
        # In a tuple Ray passes the reference on, so that a process starts Keras before it unpickles a model.
        shared = (ray.put(_needed(inputs)),)
        for stream in [task.remote(train, shared, argument) for argument in arguments]:
            report = _Report([])
            for report in _reports(stream, inputs.name):
                for name, level, text in report.lines:
                    logging.getLogger(name).log(level, "%s", text)
                if report.event is not None:
                    publish(report.event)
            yield report.result


def _needed(inputs: TrainingInputs) -> TrainingInputs:
    """The inputs without images that no training reads."""
    data, rows = inputs.data, np.flatnonzero(inputs.data.in_use)
    if inputs.approach.TRAINS_ON == "features":
        data = replace(data, images=np.asarray(data.images[:0]))
    elif len(rows) == len(data.images):
        data = replace(data, images=np.asarray(data.images))
    else:
        data = replace(data, images=np.asarray(data.images[rows]), manifest=data.manifest.iloc[rows])
    # As a memory map, an array would be copied for each process.
    return replace(inputs, data=replace(data, features=None if data.features is None else np.asarray(data.features)))


def _reports(stream: Any, name: str) -> Iterator[_Report]:
    """The reports of one training, each as soon as it is there."""
    import ray

    machines = cluster.machines()
    while True:
        with turn_given_away():
            ready, _ = ray.wait([stream], timeout=cluster.SECONDS_BETWEEN_CHECKS)
        before, machines = machines, cluster.machines()
        if before.keys() - machines.keys():
            logger.warning(
                "%s: a machine of the cluster is gone; a training that was there starts again on another", name
            )
        if ready:
            try:
                reference = next(stream)
            except StopIteration:
                return
            yield ray.get(reference)


def _train(train: Train[Argument, Result], shared: tuple[Any], argument: Argument) -> Iterator[_Report]:
    """Runs on the cluster. A training computes in a thread of its own, since it can't yield what it says."""
    import ray

    start_keras()
    reports, lines = SimpleQueue[_Report | None](), _Lines()

    def observe(event: Event) -> None:
        reports.put(_Report(lines.taken(), event))

    def run() -> Result:
        subscribe(observe)
        try:
            with TemporaryDirectory() as folder:
                return train(ray.get(shared[0]), argument, Path(folder))
        finally:
            unsubscribe(observe)
            reports.put(None)

    package = logging.getLogger(_PACKAGE)
    package.setLevel(logging.INFO)
    package.addHandler(lines)
    try:
        with ThreadPoolExecutor(1) as pool:
            result = pool.submit(run)
            while (report := reports.get()) is not None:
                yield report
        yield _Report(lines.taken())  # those before a failure too
        yield _Report([], result=result.result())
    finally:
        package.removeHandler(lines)


class _Lines(logging.Handler):
    """Collects lines of the log for the next report: how many there are may depend on how long things take."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[tuple[str, int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Collects a line."""
        self._lines.append((record.name, record.levelno, record.getMessage()))

    def taken(self) -> list[tuple[str, int, str]]:
        """The lines since the last call."""
        lines, self._lines = self._lines, []
        return lines
