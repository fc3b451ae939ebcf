"""A claim of a lecture, and what became of it."""

from typing import Any, NamedTuple

SAME, SLIP = "the same", "slip"
AGREES, BETTER, BELOW, MEASURED, NOT_RUN = "agrees", "better", "below", "measured", "not run"

VERDICTS = {
    SAME: "computed here, and the lecture's figure",
    SLIP: "the lecture's figure is wrong, and the note says why",
    AGREES: "measured here, and the lecture's figure lies within our 95 % interval",
    BETTER: "measured here, and our whole interval lies above the lecture's figure",
    BELOW: "measured here, and our whole interval lies below the lecture's figure",
    MEASURED: "measured here, and depends on the machine or the initial weights",
    NOT_RUN: "there are no results of this experiment on disk; the command makes them",
}


class Claim(NamedTuple):
    """One row of the replication.

    Attributes:
        topic: Heading that it stands under.
        claim: What it is about.
        source: The lecture, L1 to L5.
        lecture: What the lecture says.
        ours: What this project gets.
        verdict: One of `VERDICTS`.
        note: Where the two differ, why; or how it was found.
        command: What gives our figure.
    """

    topic: str
    claim: str
    source: str
    lecture: str
    ours: str
    verdict: str
    note: str
    command: str


def computed(topic: str, claim: str, source: str, lecture: Any, ours: Any, note: str = "", command: str = "") -> Claim:
    """Compares what can be computed exactly.

    Args:
        topic: As in `Claim`.
        claim: As in `Claim`.
        source: As in `Claim`.
        lecture: A number, or a text.
        ours: The same, computed.
        note: Needed where they differ.
        command: What checks it; the tests of the layers where it is left out.
    """
    return Claim(
        topic,
        claim,
        source,
        written(lecture),
        written(ours),
        SAME if lecture == ours else SLIP,
        note,
        command or "kedro run --pipelines=replication",
    )


def written(value: Any) -> str:
    """Writes a figure with thousands separated, and lists as they are in the slides."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
