"""Two ways of doing the same work, taking turns, so that a noisy machine hurts both alike."""

import statistics
import time
from collections.abc import Callable
from typing import TypedDict


class Result(TypedDict, total=False):
    """A row of the table: what the usual way and ours cost or reach, and how much better ours is."""

    usual: float
    ours: float
    ratio: float
    unit: str
    note: str


def rates(usual: Callable[[], int], ours: Callable[[], int], rounds: int, unit: str) -> Result:
    """Measures both in turns, after one unmeasured round.

    Args:
        usual: Does the work the usual way, and returns how many images it did.
        ours: Likewise, our way.
        rounds: How often each is measured.
        unit: Of the rates.

    Returns:
        The medians of images a second, and the median of the rounds' ratios.
    """
    measured = []
    for number in range(rounds + 1):
        pair = []
        for work in (usual, ours):
            begin = time.perf_counter()
            count = work()
            pair.append(count / (time.perf_counter() - begin))
        if number:
            measured.append(pair)
    return {
        "usual": statistics.median(pair[0] for pair in measured),
        "ours": statistics.median(pair[1] for pair in measured),
        "ratio": statistics.median(pair[1] / pair[0] for pair in measured),
        "unit": unit,
    }
