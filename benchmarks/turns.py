"""Two processes that take turns: the usual way started as its script is, ours as `kedro run` is."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Side:
    """A process that calls functions, and keeps what they imported, compiled and cached."""

    def __init__(self, pool: ProcessPoolExecutor):
        self._pool = pool

    def __call__(self, function: Callable[P, R], *arguments: P.args, **keywords: P.kwargs) -> R:
        """Calls a function of a module in that process and waits for what it returns."""
        return self._pool.submit(function, *arguments, **keywords).result()


@contextmanager
def usual_and_ours() -> Iterator[tuple[Side, Side]]:
    """Starts both. What a backend reads from the environment when it starts differs, so one process won't do."""
    spawn = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        usual, ours = (
            Side(stack.enter_context(ProcessPoolExecutor(1, mp_context=spawn, initializer=start)))
            for start in (_quiet, _as_kedro_run)
        )
        yield usual, ours


def _quiet() -> None:
    import logging
    import os

    logging.disable(logging.WARNING)
    # TensorFlow's native code greets there; what fails raises in the process that asked.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _as_kedro_run() -> None:
    from material import lecture_parameters

    from dogs_vs_cats.compute.start import prepare_environment
    from dogs_vs_cats.parameters.compute import ComputeParameters

    _quiet()
    prepare_environment(ComputeParameters.model_validate(lecture_parameters()["compute"]))
