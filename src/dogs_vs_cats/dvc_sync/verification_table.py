"""The table that `kedro dvc verify` prints."""

import io
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from dogs_vs_cats.dvc_sync.verification import TOLERANCE, WITHIN, Verification, VerifiedStage
from dogs_vs_cats.errors import listed

WIDTH = 1000
"""Columns of text; rows are not wrapped, so that tools can search them."""


def render(verification: Verification) -> str:
    """Writes the table and the conclusion.

    Args:
        verification: The comparison.
    """
    table = Table("stage and output", "result", "by how much, or why", box=None, pad_edge=False)
    for stage in verification.stages:
        for row in _rows(stage):
            table.add_row(*row)
    text = io.StringIO()
    Console(file=text, width=WIDTH, color_system=None, highlight=False, markup=False).print(table)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    return "\n".join([*lines, "", *_conclusion(verification)])


def _rows(stage: VerifiedStage) -> Iterator[tuple[str, str, str]]:
    if not stage.different:
        yield stage.name, "same", f"{stage.same} outputs"
        return
    why = [f"follows from {listed(stage.follows)}"] if stage.follows else []
    why += [f"{cause.kind}: {cause.detail}" for cause in stage.causes]
    yield stage.name, "differs", "; ".join(why)
    for path, difference in stage.different.items():
        yield f"  {path}", "differs", difference.text
    if stage.same:
        yield f"  {stage.same} other outputs", "same", ""


def _conclusion(verification: Verification) -> Iterator[str]:
    first = verification.first
    if first is None:
        yield "All outputs are the same."
    else:
        causes = "; ".join(f"{cause.kind} ({cause.detail})" for cause in first.causes)
        yield f"The first stage that differs is {first.name}. Likely cause: {causes}."
        side = "within" if verification.status == WITHIN else "beyond"
        answers = (
            f", and {TOLERANCE:.0%} of the answers."
            if verification.compares_answers
            else ". Answers were not compared, since predictions are neither in DVC's cache nor in a remote."
        )
        yield f"The differences are {side} the tolerance: {TOLERANCE} in each metric{answers}"
    if stale := [stage.name for stage in verification.stages if stage.is_stale and not stage.different]:
        yield (
            f"Parameters, data or code of {listed(stale)} differ, and the outputs do not. dvc.lock is renewed with: "
            "kedro dvc lock"
        )
