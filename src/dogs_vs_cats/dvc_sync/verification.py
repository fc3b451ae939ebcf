"""The comparison of two results, stage by stage."""

import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dogs_vs_cats.dvc_sync.causes import Cause, changed_sources, likely_causes
from dogs_vs_cats.dvc_sync.locked_stages import NO_STAGE
from dogs_vs_cats.dvc_sync.output_differences import Difference, is_metrics, is_predictions, measure
from dogs_vs_cats.dvc_sync.results import Results
from dogs_vs_cats.errors import ReproductionError

TOLERANCE = 0.01
"""The largest difference of a metric, and the largest fraction of changed answers, that another processor may cause."""

SAME, WITHIN, BEYOND = 0, 3, 4
"""Exit statuses: all outputs are the same; they differ within the tolerance; they differ beyond it."""

HASHES_ONLY = "only hashes can be compared: neither DVC's cache nor a remote has the file"


@dataclass(frozen=True)
class VerifiedStage:
    """A stage of either result.

    Attributes:
        name: Its name.
        same: The number of outputs that are the same.
        different: The others, by path.
        follows: The stages with different outputs that it reads.
        causes: The likely causes of the difference, apart from these; empty where all outputs are the same.
        is_stale: Whether its parameters, data or code differ.
    """

    name: str
    same: int
    different: dict[str, Difference]
    follows: list[str]
    causes: list[Cause]
    is_stale: bool


@dataclass(frozen=True)
class Verification:
    """The comparison.

    Attributes:
        stages: All stages, each after those that it depends on.
    """

    stages: list[VerifiedStage]

    @property
    def first(self) -> VerifiedStage | None:
        """The first stage with an output that differs; None where all are the same."""
        return next((stage for stage in self.stages if stage.different), None)

    @property
    def compares_answers(self) -> bool:
        """Whether both versions of all predictions that differ were there."""
        return not any(
            is_predictions(path) and difference.text == HASHES_ONLY
            for stage in self.stages
            for path, difference in stage.different.items()
        )

    @property
    def status(self) -> int:
        """The exit status: `SAME`, `WITHIN` or `BEYOND`."""
        if self.first is None:
            return SAME
        differences = [difference for stage in self.stages for difference in stage.different.values()]
        return WITHIN if all((difference.deviation or 0.0) <= TOLERANCE for difference in differences) else BEYOND


def verify(before: Results, after: Results) -> Verification:
    """Compares two results.

    Args:
        before: The reference.
        after: The results that are compared with it.

    Raises:
        ReproductionError: The two are results of different environments.
    """
    if before.environment != after.environment:
        raise ReproductionError(
            f"Results of the environments {before.environment} and {after.environment} can't be compared. params.yaml "
            "names the environment; give a commit or an experiment of the same one."
        )
    names = list(after.stages | before.stages)
    different = {name: dict(_differences(name, before, after)) for name in names}
    makers = {path: name for name in names for path in different[name]}
    stages = []
    for name in names:
        new = after.stages.get(name, NO_STAGE)
        follows = list(dict.fromkeys(makers[path] for path in new.inputs if path in makers))
        sources = list(changed_sources(name, before, after))
        causes = (sources if follows else likely_causes(name, before, after)) if different[name] else []
        same = len(new.outputs) - len(different[name].keys() & new.outputs)
        stages.append(VerifiedStage(name, same, different[name], follows, causes, bool(sources)))
    return Verification(stages)


def _differences(name: str, before: Results, after: Results) -> Iterator[tuple[str, Difference]]:
    """The outputs of a stage that differ, and how much."""
    old, new = (results.stages.get(name, NO_STAGE).outputs for results in (before, after))
    for path in old | new:
        if old.get(path) == new.get(path):
            continue
        if not (old.get(path) and new.get(path)):
            yield path, Difference("missing" if old.get(path) else "new", math.inf)
            continue
        with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
            files = before.fetch(path, Path(first)), after.fetch(path, Path(second))
            if files[0] and files[1]:
                yield path, measure(path, files[0], files[1])
            else:
                # Metrics decide. Of other files, the hashes are enough.
                yield path, Difference(HASHES_ONLY, math.inf if is_metrics(path) else None)
