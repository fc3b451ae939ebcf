"""The findings about the data, and their summary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dogs_vs_cats.evaluation.image_quality import UNLIKE
from dogs_vs_cats.evaluation.label_errors import LabelErrors
from dogs_vs_cats.evaluation.training_size import Curve
from dogs_vs_cats.reporting.data_quality_findings import subject

ALL = "all classes"
"""Name of the learning curve of all classes together."""


@dataclass(frozen=True)
class Findings:
    """Everything that was found about the photos in use.

    Attributes:
        photos: The manifest's rows of the photos in use, with measures; the index is the row in the manifest.
        labels: All labels, judged.
        copies: See `copies.compare`.
        junk: See `image_quality.find_junk`.
        slices: See `slices.compare`.
        curves: Learning curve by class, that of `ALL` first; none if there are too few groups of photos.
        mistakes: Confident mistakes with their neighbours, see the pipeline's `find_neighbours`.
        issues: See `label_issues.list_issues`.
    """

    photos: pd.DataFrame
    labels: LabelErrors
    copies: pd.DataFrame
    junk: pd.DataFrame
    slices: pd.DataFrame
    curves: dict[str, Curve]
    mistakes: pd.DataFrame
    issues: pd.DataFrame


def summarise(findings: Findings, class_names: Sequence[str], *models: Mapping[str, Any]) -> dict[str, Any]:
    """Sums up the findings, ready for JSON.

    Args:
        findings: All findings.
        class_names: The classes, in the order of their labels.
        *models: Facts about the trained model of each approach.

    Returns:
        `subject`, see `data_quality_findings`; the number of `photos`; `labels`, with the estimated `rate` and number
        of `wrong` ones, which are `at_most` if the out-of-fold `accuracy` is low, the number `listed` as looking like
        another class, the largest parts of the joint distribution as `confused`, and as `not_judged` the number of
        photos of each class with a single group, which the estimate leaves out; the number of groups of copies that are
        `contradictions` and that are `across_splits`; `junk` by kind, and the number `unlike` the others; the `slices`
        that are significantly worse; and `gain`, the expected gain in accuracy of twice as many photos with the ends of
        its interval, None if there is no curve, and `gain_by_class`.
    """
    joint, judged = findings.labels.joint, findings.labels.ranking.index
    others = findings.photos.drop(judged)["label"]
    pairs = [
        {"given": given, "true": true, "photos": round(len(judged) * joint[row, column])}
        for row, given in enumerate(class_names[: len(joint)])
        for column, true in enumerate(class_names[: len(joint)])
        if row != column
    ]
    copies = findings.copies
    worse = findings.slices[findings.slices["worse"]]
    kinds = findings.junk["kind"].value_counts(sort=False)
    gains = {name: dict(zip(("gain", "low", "high"), it.gain, strict=True)) for name, it in findings.curves.items()}
    return {
        "subject": subject(models),
        "photos": len(findings.photos),
        "labels": {
            "rate": round(findings.labels.rate, 6),
            "wrong": round(len(judged) * findings.labels.rate),
            "at_most": findings.labels.is_upper_bound,
            "accuracy": round(findings.labels.accuracy, 6),
            "listed": int((findings.issues["kind"] == "label").sum()),
            "confused": sorted((it for it in pairs if it["photos"]), key=lambda it: -it["photos"])[:10],
            "not_judged": others.map(dict(enumerate(class_names))).value_counts(sort=False).to_dict(),
        },
        "contradictions": int(copies.loc[copies["contradicts"], "copies"].nunique()),
        "across_splits": int(copies.loc[copies["crosses"], "copies"].nunique()),
        "junk": {str(kind): int(count) for kind, count in kinds.items() if kind != UNLIKE},
        "unlike": int(kinds.get(UNLIKE, 0)),
        "slices": worse.sort_values("p_value").to_dict("records"),
        "gain": gains.pop(ALL, None),
        "gain_by_class": gains,
        "training_photos": round(findings.curves[ALL].images[-1]) if findings.curves else None,
    }
