"""The findings about the data as one HTML page that needs nothing else: photos to look at, and no script."""

import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dogs_vs_cats.evaluation.significance import SIGNIFICANCE_LEVEL
from dogs_vs_cats.parameters.data_quality import DataQualityParameters
from dogs_vs_cats.reporting import data_quality_findings
from dogs_vs_cats.reporting.data_quality import ALL, Findings
from dogs_vs_cats.reporting.html import data_uri, environment

SIDE = 160
"""Width and height of the photos on the page, in pixels: twice those on a usual screen."""

_JPEG_QUALITY = 80
_CLASSES = 20  # whose learning curves the page lists, those that gain most


def render(
    parameters: DataQualityParameters,
    findings: Findings,
    summary: dict[str, Any],
    class_names: list[str],
    images: np.ndarray,
    run_record: dict[str, Any],
) -> str:
    """Writes the page.

    Args:
        parameters: How many photos a gallery has.
        findings: What was found.
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

    most, slices = parameters.examples, findings.slices
    approaches = list(dict.fromkeys(slices["approach"])) if len(slices) else []
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
        labels=_suspects(findings, class_names).head(most).to_dict("records"),
        copies=_groups(findings, class_names)[:most],
        junk={kind: rows.index[:most] for kind, rows in findings.junk.groupby("kind", sort=False)},
        slices=slices.to_dict("records"),
        drawings=drawings,
        level=SIGNIFICANCE_LEVEL,
        curve=inline_svg(training_size(findings.curves[ALL]), "curve", curve) if findings.curves else None,
        gains=gains[:_CLASSES],
        mistakes=findings.mistakes.to_dict("records"),
        name_of=lambda label: class_names[label],
        photos=findings.photos.to_dict("index"),
        picture=lambda row: picture(images[row]),
    )


def picture(pixels: np.ndarray) -> str:
    """Writes a photo, uint8 (height, width, 1 or 3), as the address of a small JPEG."""
    from PIL import Image

    photo = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    photo.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=_JPEG_QUALITY)
    return data_uri(file.getvalue(), "jpeg")


def _suspects(findings: Findings, class_names: Sequence[str]) -> pd.DataFrame:
    """The photos with the least plausible labels, also those whose label is the likeliest all the same."""
    ranking = findings.labels.ranking
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


def _groups(findings: Findings, class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Groups of copies, each with its photos."""
    return [
        {
            "contradicts": bool(group["contradicts"].iloc[0]),
            "likely": class_names[group["likely"].iloc[0]],
            "rows": [(row, label != likely) for row, label, likely in _columns(group)],
        }
        for _, group in findings.copies.groupby("copies", sort=False)
    ]


def _columns(group: pd.DataFrame) -> Iterable[tuple[int, int, int]]:
    return zip(group.index, group["label"], group["likely"], strict=True)
