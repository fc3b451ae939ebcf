"""Figures of the evaluation of one model: its confusions, curves and most confident mistakes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn import metrics

from dogs_vs_cats.evaluation.calibration import before_and_after
from dogs_vs_cats.evaluation.curves import (
    ROC_CLASSES,
    accuracy_coverage,
    expected_calibration_error,
    reliability_bins,
    roc_curves,
)
from dogs_vs_cats.evaluation.metrics import MATRIX_CLASSES, confused_pairs
from dogs_vs_cats.evaluation.predictions import most_confident
from dogs_vs_cats.reporting.style import (
    DASHED,
    INK,
    MUTED,
    PAPER,
    PERCENT,
    SERIES,
    notice,
    show_image,
    styled,
    subtitle,
)
from dogs_vs_cats.reporting.wording import certainty

CONFIDENCE_THRESHOLDS = (0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
LABEL_WIDTH = 0.09
"""Of the longest label along the accuracy-coverage curve, as a fraction of the axis."""
PAIRS_DRAWN = 10
MISTAKES_DRAWN = 12

# The cells of a confusion matrix keep their colours on dark paper too, and so must the numbers in them.
ON_LIGHT, ON_DARK = "#10263b", "#fdfeff"
CONFUSION_COLOURS = LinearSegmentedColormap.from_list("confusion", ["#f4f7fa", "#8fbcdb", "#0971ad", "#003f66"])
SQUARE = (4.6, 4.4)
"""Size in inches of figures that stand beside each other."""


@styled
def confusion_matrix(predictions: pd.DataFrame, class_names: Sequence[str]) -> Figure:
    """Draws how often each class was predicted as each other, on the test images.

    Args:
        predictions: A predictions table.
        class_names: The classes, in the order of their labels.

    Returns:
        A figure; colour is the fraction of a row, so that classes of different sizes compare. Of many classes it shows
        the pairs that are confused most.
    """
    rows = predictions[predictions["split"] == "test"]
    classes = len(class_names)
    if classes > MATRIX_CLASSES:
        return _confused_pairs(rows, class_names)
    counts = metrics.confusion_matrix(rows["label"], rows["predicted"], labels=list(range(classes)))
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(max(4.6, 1.6 + 0.62 * classes), 14)
    figure = Figure(figsize=(side, side * 0.957))
    axes = figure.subplots()
    centres = np.arange(classes)
    axes.pcolormesh(centres, centres, fractions, cmap=CONFUSION_COLOURS, vmin=0, vmax=1, edgecolor=PAPER, linewidth=1.5)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    _write_cells(axes, counts, fractions)
    long_names = max(map(len, class_names)) * classes > 40
    rotation: dict[str, Any] = {"rotation": 45, "ha": "right"} if long_names else {}
    axes.set_xticks(range(classes), class_names, **rotation)
    axes.set_yticks(range(classes), class_names)
    axes.tick_params(labelcolor=INK)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title("Confusion matrix, test")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return figure


def _write_cells(axes: Axes, counts: NDArray[np.integer], fractions: NDArray[np.floating]) -> None:
    """Writes counts into the cells of a matrix; of few classes fractions too, of more no zeros."""
    few = len(counts) <= 4
    size = 17 if few else max(5.5, 11 - 0.25 * len(counts))
    for (row, column), count in np.ndenumerate(counts):
        if not few and not count:
            continue
        fraction = fractions[row, column]
        style: dict[str, Any] = {"ha": "center", "va": "center", "color": ON_DARK if fraction > 0.45 else ON_LIGHT}
        weight = "bold" if few else "normal"
        axes.text(column, row - (0.06 if few else 0), f"{count:,}", fontsize=size, fontweight=weight, **style)
        if few:
            axes.text(column, row + 0.16, f"{fraction:.1%}", fontsize=9, **style)


def _confused_pairs(rows: pd.DataFrame, class_names: Sequence[str]) -> Figure:
    pairs = confused_pairs(rows)
    shown = pairs.head(PAIRS_DRAWN)
    figure = Figure(figsize=SQUARE)
    axes = figure.subplots()
    names = [
        f"{_shortened(class_names[label], 16)}\n→ {_shortened(class_names[other], 16)}"
        for label, other in shown[["label", "predicted"]].to_numpy().tolist()
    ]
    # Positions, because two shortened names may be equal.
    bars = axes.barh(range(len(shown)), shown["images"], color=SERIES[0], height=0.6)
    texts = [f"{images:,} of {of:,}" for images, of in zip(shown["images"], shown["of"], strict=True)]
    axes.bar_label(bars, texts, padding=4, fontsize=8, color=MUTED)
    axes.set_yticks(range(len(shown)), names, fontsize=8)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.3 * max(shown["images"], default=1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel(f"images; {len(shown)} of {len(pairs):,} pairs among {len(class_names):,} classes")
    axes.set_title("Most confused, test: true → predicted")
    axes.grid(visible=False, axis="y")
    return figure


@styled
def roc_curve(predictions: pd.DataFrame, class_names: Sequence[str]) -> Figure:
    """Draws the true positive rate against the false positive rate, on the test images.

    Args:
        predictions: A predictions table.
        class_names: The classes, in the order of their labels.

    Returns:
        A figure with the curves of `curves.roc_curves`.
    """
    curves = roc_curves(predictions[predictions["split"] == "test"], class_names)
    figure = Figure(figsize=SQUARE)
    axes = figure.subplots()
    _draw_diagonal(axes)
    for number, curve in enumerate(curves):
        axes.plot(
            curve.false_positive_rate,
            curve.true_positive_rate,
            color=SERIES[number % len(SERIES)],
            linestyle=("-", (0, (5, 1.5)), (0, (1.5, 1.5)))[number // len(SERIES) % 3],
            label=f"{_shortened(class_names[curve.label], 30)} (AUC {curve.area:.3f})",
            clip_on=False,
        )
    if curves:
        axes.legend(loc="lower right", fontsize=9 if len(curves) <= 4 else 7.5)
    else:
        axes.text(0.5, 0.6, "The test images are all of one class:\nno curve", ha="center", color=MUTED)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.005)
    axes.set_aspect("equal")
    axes.xaxis.set_major_formatter(PERCENT)
    axes.yaxis.set_major_formatter(PERCENT)
    of_class = class_names[1] if len(class_names) == 2 else "each class"
    axes.set_xlabel(f"false positive rate ({of_class})")
    axes.set_ylabel(f"true positive rate ({of_class})")
    axes.set_title("ROC curve, test")
    if len(curves) < len(class_names) > ROC_CLASSES:
        subtitle(axes, f"worst {len(curves)} of {len(class_names):,} classes")
    return figure


@styled
def calibration_curve(
    predictions: pd.DataFrame, class_names: Sequence[str], calibration: Mapping[str, Any] | None = None
) -> Figure:
    """Draws the observed frequency against the predicted probability, on the test images.

    Args:
        predictions: A predictions table.
        class_names: The classes, in the order of their labels.
        calibration: The result of `calibration.summarise`; with it, the curve before and after calibration.

    Returns:
        A figure: the reliability curve above the number of images in each bin.
    """
    rows = predictions[predictions["split"] == "test"]
    bins = reliability_bins(rows, class_names)
    filled = bins[bins["images"] > 0]
    figure = Figure(figsize=SQUARE)
    axes, histogram = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    _draw_diagonal(axes)
    axes.vlines(filled["stated"], filled["stated"], filled["observed"], color=SERIES[1], linewidth=1.5, alpha=0.7)
    label = "as trained"
    if calibration is not None:
        temperature, in_model = calibration["temperature"], calibration["in_model"]
        before, after = before_and_after(rows, class_names, temperature, in_model)
        other = reliability_bins(before if in_model else after, class_names)
        name = "before calibration" if in_model else f"if calibrated, temperature {temperature:.2f}"
        label = f"at temperature {temperature:.2f}" if in_model else label
        shown = other[other["images"] > 0]
        axes.plot(
            shown["stated"],
            shown["observed"],
            color=SERIES[2],
            marker="D",
            markersize=4,
            linewidth=1.3,
            linestyle=(0, (4, 2)),
            clip_on=False,
            label=f"{name} (ECE {expected_calibration_error(other):.3f})",
        )
    axes.plot(filled["stated"], filled["observed"], color=SERIES[0], marker="o", clip_on=False, label=label)
    if calibration is not None:
        axes.legend(loc="best", fontsize=8)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_title("Calibration, test")
    subtitle(axes, f"ECE {expected_calibration_error(bins):.3f}")
    axes.xaxis.set_major_formatter(PERCENT)
    axes.yaxis.set_major_formatter(PERCENT)
    axes.set_ylabel(f"are {class_names[1]}" if len(class_names) == 2 else "are right")
    histogram.bar(bins["low"], bins["images"], width=bins["high"] - bins["low"], align="edge", color=SERIES[0],
                  edgecolor=PAPER)  # fmt: skip
    histogram.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    histogram.set_ylabel("images")
    histogram.set_xlabel(f"predicted P({class_names[1]})" if len(class_names) == 2 else "confidence in the prediction")
    return figure


def _draw_diagonal(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=DASHED)


@styled
def accuracy_coverage_curve(predictions: pd.DataFrame, class_names: Sequence[str]) -> Figure:
    """Draws the accuracy on the most confident predictions against the fraction of images that these are.

    It helps to choose `inference.unsure_below`: each mark is a value of it, and shows how many images would be left to
    a person.

    Args:
        predictions: A predictions table.
        class_names: The classes, in the order of their labels.

    Returns:
        A figure with a curve for validation, with marks, and one for test.
    """
    figure = Figure(figsize=(5.6, 4.0))
    axes = figure.add_subplot()
    for split, colour, width in (("validation", SERIES[0], 2), ("test", SERIES[1], 1.2)):
        rows = predictions[predictions["split"] == split]
        if rows.empty:
            continue
        points = accuracy_coverage(rows, class_names)
        # The accuracy on a handful of images only jumps up and down.
        start = min(max(9, len(points) // 20), len(points) - 1)
        shown = points[start:]
        axes.plot(shown["coverage"], shown["accuracy"], color=colour, label=split, linewidth=width)
        if split == "validation":
            _mark_thresholds(axes, points, start)
    axes.set_xlim(0, 1)
    axes.margins(y=0.12)
    lowest, _ = axes.get_ylim()
    # The room above the curve is for labels: no accuracy lies there.
    axes.set_yticks([tick for tick in axes.get_yticks() if lowest <= tick <= 1])
    axes.set_title("Accuracy by coverage")
    subtitle(axes, "marks: unsure_below")
    axes.xaxis.set_major_formatter(PERCENT)
    axes.yaxis.set_major_formatter(PERCENT)
    axes.set_xlabel("images that are answered")
    axes.set_ylabel("right among them")
    axes.legend(loc="lower left")
    return figure


def _mark_thresholds(axes: Axes, points: pd.DataFrame, start: int) -> None:
    """Marks confidence thresholds; marks too close for a label each share one, at the first."""
    labels: list[tuple[float, float, list[str]]] = []
    for threshold in CONFIDENCE_THRESHOLDS:
        count = int((points["confidence"] >= threshold).sum())
        if count <= start:
            continue
        coverage, accuracy = points[["coverage", "accuracy"]].to_numpy()[count - 1].tolist()
        axes.plot(coverage, accuracy, "o", color=SERIES[0], clip_on=False, zorder=3)
        if labels and labels[-1][0] - coverage < LABEL_WIDTH:
            labels[-1][2].append(f"{threshold:g}")
        else:
            labels.append((coverage, accuracy, [f"{threshold:g}"]))
    for coverage, accuracy, thresholds in labels:
        axes.annotate(
            "–".join(dict.fromkeys((thresholds[0], thresholds[-1]))),
            (coverage, accuracy),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
            color=INK,
            # White around it, where a curve passes behind.
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )


@styled
def mistakes_gallery(
    predictions: pd.DataFrame, images: NDArray[np.uint8], manifest: pd.DataFrame, class_names: Sequence[str]
) -> Figure:
    """Shows the test images that were misclassified with the most confidence.

    Args:
        predictions: A predictions table.
        images: uint8, shape (n, height, width, 1 or 3), 0..255. Only the images shown are read.
        manifest: Gives the path of each image.
        class_names: The classes, in the order of their labels.

    Returns:
        A figure of up to six images a row; where there is no mistake, it says so.
    """
    mistakes = most_confident(predictions, class_names, right=False, count=MISTAKES_DRAWN)
    if mistakes.empty:
        return notice("No mistakes on the test images.")
    columns = max(3, min(6, len(mistakes)))
    lines = -(-len(mistakes) // columns)
    width, height = 1.75 * columns, 2.35 * lines
    figure = Figure(figsize=(width, height))
    # Panels of one size need no layout to be computed, which would take longer than drawing.
    figure.set_layout_engine("none")
    layout = {"left": 0.04 / width, "right": 1 - 0.045 / width, "bottom": 0.3 / height, "top": 1 - 0.385 / height}
    spaces = {"wspace": 0.051, "hspace": 0.411}
    panels = figure.subplots(lines, columns, squeeze=False, gridspec_kw=layout | spaces).ravel()
    row_of_path = {path: row for row, path in enumerate(manifest["path"])}
    for panel in panels:
        panel.set_axis_off()
    mistake: Any
    for panel, mistake in zip(panels, mistakes.itertuples(), strict=False):
        show_image(panel, np.asarray(images[row_of_path[mistake.path]]))
        said = f"said {class_names[mistake.predicted]} {certainty(mistake.confidence)}"
        panel.set_title(said, color=SERIES[1], fontsize=10, pad=17)
        of_panel: dict[str, Any] = {"transform": panel.transAxes}
        panel.text(0, 1.03, f"is {class_names[mistake.label]}", color=INK, fontsize=9, va="bottom", **of_panel)
        panel.text(0, -0.03, _shortened(mistake.path), color=MUTED, fontsize=7, va="top", **of_panel)
    return figure


def _shortened(path: str, length: int = 24) -> str:
    """Returns the end of a path, at most `length` characters of it."""
    name = path.rsplit("/", maxsplit=1)[-1]
    return name if len(name) <= length else f"…{name[-length + 1 :]}"
