"""A claim of a lecture, what became of it, and what gives our figure."""

from enum import StrEnum
from typing import Any, NamedTuple

SAME, SLIP, OTHER, OURS_ONLY = "the same", "slip", "other", "ours only"
AGREES, BETTER, BELOW, MEASURED = "agrees", "better", "below", "measured"
NOT_RUN, UNCHECKED = "not run", "unchecked"

VERDICTS = {
    SAME: "computed here, or read from networks and configuration, and the lecture's figure",
    SLIP: "the lecture's figure is wrong, and the note proves it",
    OTHER: "a setting of ours that isn't the lecture's",
    OURS_ONLY: "computed or measured here; the lecture prints no figure",
    AGREES: "measured here, and the lecture's figure lies within our 95% interval",
    BETTER: "measured here, and our whole interval lies above the lecture's figure",
    BELOW: "measured here, and our whole interval lies below the lecture's figure",
    MEASURED: "measured here, and depends on the machine or the initial weights",
    NOT_RUN: "no results on disk can be held against it; the note says why, the command makes them",
    UNCHECKED: "can't be checked here; the note says why",
}
COMPUTED = (SAME, SLIP, OTHER)
"""Verdicts of what is found when the page is written, without results of experiments."""

PRINTS_NONE = "none printed"

_PHOTOS = (
    "ingestion.source=PATH/train.zip,backbone.name=MobileNetV2,backbone.kwargs.alpha=0.35,"
    "backbone.weights=PATH/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5,"
    "transfer_bottleneck.pooling=avg"
)


def _in_its_own_environment(name: str, of: str, parameters: str, *more: str) -> str:
    """Commands that run an environment with other parameters and leave its results as they are."""
    copied = f'cp -r conf/{of} conf/{name} && echo "experiment: {name}" > conf/{name}/globals.yml'
    return "\n".join([copied, *more, f"kedro run --env={name} --params={parameters}"])


_ONLY_MLP = 'echo "approaches: [mlp]" > conf/{0}/parameters_approaches.yml'


class Command(StrEnum):
    """What gives our figures, in the order in which the page numbers them."""

    REPLICATION = "kedro run --pipelines=replication"
    LECTURE = f"kedro run --env=lecture --params={_PHOTOS}"
    RESCALE = _in_its_own_environment("lecture_rescale", "lecture", f"{_PHOTOS},backbone.preprocessing=rescale")
    MNIST = "kedro run --env=mnist"
    MLP_ON_ALL = _in_its_own_environment("mnist_all", "mnist", "mlp.train_on_all=true", _ONLY_MLP.format("mnist_all"))
    FASHION = _in_its_own_environment(
        "fashion_mnist", "mnist", "ingestion.source=keras:fashion_mnist", _ONLY_MLP.format("fashion_mnist")
    )
    BOSTON = "pytest tests/test_architectures.py -k boston"

    @property
    def number(self) -> int:
        """Its number on the page, from 1."""
        return list(Command).index(self) + 1


class Claim(NamedTuple):
    """One row of the replication.

    Attributes:
        topic: Heading that it stands under.
        claim: What it is about.
        source: The lecture, L1 to L5.
        lecture: What the lecture prints, or `PRINTS_NONE`.
        ours: What this project gets.
        verdict: One of `VERDICTS`.
        note: Where the two differ, why; or how ours was found.
        command: What gives our figure.
    """

    topic: str
    claim: str
    source: str
    lecture: str
    ours: str
    verdict: str
    note: str
    command: Command


def computed(topic: str, claim: str, source: str, lecture: Any, ours: Any, note: str = "") -> Claim:
    """Compares what the page's own run finds out: `SAME` where the two are equal, else `SLIP`.

    Args:
        topic: As in `Claim`.
        claim: As in `Claim`.
        source: As in `Claim`.
        lecture: A number, or a text.
        ours: The same, computed.
        note: Where they differ, the proof.
    """
    verdict = SAME if lecture == ours else SLIP
    return Claim(topic, claim, source, written(lecture), written(ours), verdict, note, Command.REPLICATION)


def setting(topic: str, claim: str, source: str, lecture: str, ours: str, note: str = "") -> Claim:
    """Compares what both chose, which nobody has wrong; arguments as in `computed`."""
    claimed = computed(topic, claim, source, lecture, ours, note)
    return claimed if claimed.verdict == SAME else claimed._replace(verdict=OTHER)


def ours_only(topic: str, claim: str, source: str, ours: Any, note: str = "") -> Claim:
    """What a lecture describes without a figure; arguments as in `computed`."""
    return Claim(topic, claim, source, PRINTS_NONE, written(ours), OURS_ONLY, note, Command.REPLICATION)


def unchecked(topic: str, claim: str, source: str, lecture: str, why: str) -> Claim:
    """What can be held against nothing here; arguments as in `computed`."""
    return Claim(topic, claim, source, lecture, "", UNCHECKED, why, Command.REPLICATION)


def by_interval(lecture: float, low: float, high: float) -> str:
    """The verdict on a measured figure, from the ends of its 95% interval."""
    return BETTER if low > lecture else BELOW if high < lecture else AGREES


def written(value: Any) -> str:
    """Writes a figure with thousands separated; a text as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
