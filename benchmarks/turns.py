"""Two processes that take turns: the usual way started as its script is, ours as `kedro run` is."""

import multiprocessing
import statistics
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import ParamSpec, TypedDict, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

ROUNDS = 3
"""Rounds of a measurement, whose median counts; one more before them compiles."""


class Result(TypedDict, total=False):
    """A row of the table: what the usual way and ours cost or reach, and how much better ours is."""

    usual: float
    ours: float
    ratio: float
    unit: str
    note: str


def compared(usual: Sequence[float], ours: Sequence[float], unit: str, *, images: int = 0, note: str = "") -> Result:
    """Compares what both sides took, round by round.

    Args:
        usual: Seconds, or another cost, of the usual way.
        ours: Likewise of ours.
        unit: The unit of what the row shows.
        images: With a number, the row shows so many images over the seconds, else the costs themselves.
        note: A remark.

    Returns:
        Medians, and the median of the rounds' ratios.
    """
    medians = [statistics.median(usual), statistics.median(ours)]
    shown = [images / seconds for seconds in medians] if images else medians
    ratio = statistics.median(u / o for u, o in zip(usual, ours, strict=True))
    row: Result = {"usual": shown[0], "ours": shown[1], "ratio": ratio, "unit": unit}
    return {**row, "note": note} if note else row


class Side:
    """A process that calls functions, and keeps what they imported, compiled and cached."""

    def __init__(self, pool: ProcessPoolExecutor):
        self._pool = pool

    def __call__(self, function: Callable[P, R], *arguments: P.args, **keywords: P.kwargs) -> R:
        """Calls a function of a module in that process and waits for what it returns."""
        return self._pool.submit(function, *arguments, **keywords).result()


@contextmanager
def usual_and_ours() -> Iterator[tuple[Side, Side]]:
    """Starts both. One process won't do, because each backend reads other variables when it starts."""
    spawn = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        usual, ours = (
            Side(stack.enter_context(ProcessPoolExecutor(1, mp_context=spawn, initializer=start)))
            for start in (_quiet, as_kedro_run)
        )
        yield usual, ours


def _quiet() -> None:
    import logging
    import os

    logging.disable(logging.WARNING)
    # TensorFlow's native code greets there; what fails raises in the process that asked.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def as_kedro_run() -> None:
    """Prepares this process as `kedro run --env=lecture` prepares its own."""
    from material import lecture_parameters

    from dogs_vs_cats.compute.start import prepare_environment
    from dogs_vs_cats.parameters.compute import ComputeParameters

    _quiet()
    prepare_environment(ComputeParameters.model_validate(lecture_parameters()["compute"]))
