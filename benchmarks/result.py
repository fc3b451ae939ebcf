"""What a benchmark says."""

from typing import TypedDict


class Result(TypedDict, total=False):
    """A row of the table: what the usual way and ours cost or reach, how much better ours is, and on which machine."""

    usual: float
    ours: float
    ratio: float
    unit: str
    note: str
    machine: str
