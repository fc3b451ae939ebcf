"""The findings about the data as one HTML page that needs nothing else: photos to look at, and no script."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from dogs_vs_cats.evaluation.label_errors import RELIABLE_ACCURACY
from dogs_vs_cats.evaluation.label_issues import APPLIED
from dogs_vs_cats.reporting import data_quality_findings
from dogs_vs_cats.reporting.data_quality import ALL, Findings
from dogs_vs_cats.reporting.html import environment, jpeg_uri

SIDE = 160
"""Width and height of the photos on the page, in pixels: twice those on a usual screen."""

EXAMPLES = 60
"""Photos of a gallery at most, and groups of copies. The table `label_issues.csv` has all."""

COPIES = 12
"""Photos of a group of copies at most."""

_CLOSE = 0.5  # of the probability of the label
_OF_A_KIND = 2  # copies with one label in one split, which look alike
_JPEG_QUALITY = 80
_CLASSES = 20  # whose learning curves the page lists, those that gain most


def render(
    findings: Findings,
    summary: dict[str, Any],
    class_names: list[str],
    images: np.ndarray,
    run_record: dict[str, Any],
) -> str:
    """Writes the page.

    Args:
        findings: All findings.
        summary: The same in numbers, see `data_quality.summarise`.
        class_names: The classes, in the order of their labels.
        images: uint8 memory map, (n, height, width, channels), a row for each row of the manifest.
        run_record: `experiment` and `command` of the run, as far as they are known.

    Returns:
        A self-contained HTML page. All names are escaped.
    """
    # Not at the top: the pipelines import this module, and Matplotlib takes a second.
    from dogs_vs_cats.reporting.data_quality_figures import slice_accuracies, training_size
    from dogs_vs_cats.reporting.inline_svg import inline_svg

    slices = findings.slices
    approaches = list(dict.fromkeys(slices["approach"]))
    spoken = "Accuracy of {} in each part of its test photos; the numbers are in the table below"
    drawings = {
        name: inline_svg(slice_accuracies(slices[slices["approach"] == name]), f"slices{place}", spoken.format(name))
        for place, name in enumerate(approaches)
    }
    curve = "Accuracy of a linear classifier over the number of training photos, measured and expected"
    gains = sorted(summary["gain_by_class"].items(), key=lambda pair: -pair[1]["gain"])
    template = environment("dogs_vs_cats.reporting").get_template("data_quality.html.jinja")
    return template.render(
        summary=summary,
        headline=data_quality_findings.headline(summary),
        statements=data_quality_findings.statements(summary),
        experiment=run_record.get("experiment"),
        command=run_record.get("command"),
        reliable=RELIABLE_ACCURACY,
        has_issues=not findings.issues.empty,
        labels=_suspects(findings, class_names).head(EXAMPLES).to_dict("records"),
        copies=_groups(findings)[:EXAMPLES],
        junk={kind: rows.index[:EXAMPLES] for kind, rows in findings.junk.groupby("kind", sort=False)},
        slices=slices.to_dict("records"),
        drawings=drawings,
        grouped="group_name" in findings.photos,
        curve=inline_svg(training_size(findings.curves[ALL]), "curve", curve) if findings.curves else None,
        gains=gains[:_CLASSES],
        mistakes=findings.mistakes.to_dict("records"),
        name_of=lambda label: class_names[label],
        photos=findings.photos.to_dict("index"),
        picture=lambda row: jpeg_uri(images[row], _JPEG_QUALITY, SIDE),
    )


def _suspects(findings: Findings, class_names: Sequence[str]) -> pd.DataFrame:
    """The photos with the least plausible labels, also those to which another class comes close.

    Those that have a correction are decided.
    """
    decided = findings.issues.index[findings.issues["kind"] == APPLIED]
    ranking = findings.labels.ranking.drop(decided, errors="ignore")
    ranking = ranking[ranking["other"] > _CLOSE * ranking["own"]]
    given = findings.photos.loc[ranking.index, "label"]
    names = np.array(class_names, object)
    return pd.DataFrame(
        {
            "row": ranking.index,
            "path": findings.photos.loc[ranking.index, "path"],
            "given": names[given],
            "suggested": names[ranking["suggested"]],
            "own": ranking["own"],
            "other": ranking["other"],
            "listed": ranking["likely"] != given,
        }
    )


def _groups(findings: Findings) -> list[dict[str, Any]]:
    """Groups of copies, each with some of its photos, of every label and split if possible."""
    groups = []
    for _, group in findings.copies.groupby("copies", sort=False):
        shown = group.groupby(["label", "split"], sort=False).head(_OF_A_KIND).head(COPIES)
        rows = list(zip(shown.index, shown["label"] != shown["likely"], strict=True))
        groups.append({"rows": rows, "more": len(group) - len(rows)})
    return groups
