"""Figures of the evaluation of one model: its confusions, curves and most confident mistakes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn import metrics

from dogs_vs_cats.evaluation import curves
from dogs_vs_cats.evaluation.calibration import counterpart
from dogs_vs_cats.evaluation.cross_validation import EvaluatedBy
from dogs_vs_cats.evaluation.metrics import MATRIX_CLASSES, confused_pairs
from dogs_vs_cats.evaluation.predictions import most_confident
from dogs_vs_cats.reporting import style
from dogs_vs_cats.reporting.style import DASHED, INK, MUTED, PAPER, SERIES
from dogs_vs_cats.reporting.wording import answer, shortened

CONFIDENCE_THRESHOLDS = (0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
LABEL_WIDTH = 0.09
"""Of the longest label along the accuracy-coverage curve, as a fraction of the axis."""
OUTLINE = withStroke(linewidth=2.5, foreground="w")
PAIRS_DRAWN = 10
MISTAKES_DRAWN = 12

# The cells of a confusion matrix keep their colours on dark paper too, and so must the numbers in them.
ON_LIGHT, ON_DARK = "#10263b", "#fdfeff"
CONFUSION_COLOURS = LinearSegmentedColormap.from_list("confusion", ["#f4f7fa", "#8fbcdb", "#0971ad", "#003f66"])
# After as many curves as there are colours, the next ones are dashed and then dotted.
ROC_LINES = cycler(linestyle=["-", (0, (5, 1.5)), (0, (1.5, 1.5))]) * cycler(color=SERIES)

SQUARE = (4.6, 4.4)
"""Size in inches of figures that stand beside each other."""


@style.figure(*SQUARE)
def confusion_matrix(
    figure: Figure, predictions: pd.DataFrame, class_names: Sequence[str], evaluated_by: EvaluatedBy = "test"
) -> None:
    """Draws how often each class was predicted as each other, on the test images.

    Colour is the fraction of a row, so that classes of different sizes compare. Of many classes the figure shows the
    pairs that are confused most.

    Args:
        figure: The figure.
        predictions: A predictions table.
        class_names: The classes, in the order of their labels.
        evaluated_by: See `cross_validation.evaluated_by`; the title says so.
    """
    rows = predictions[predictions["split"] == "test"]
    classes = len(class_names)
    if classes > MATRIX_CLASSES:
        _draw_confused_pairs(figure.subplots(), rows, class_names, evaluated_by)
        return
    counts = metrics.confusion_matrix(rows["label"], rows["predicted"], labels=list(range(classes)))
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(max(4.6, 1.6 + 0.62 * classes), 14)
    figure.set_size_inches(side, side * 0.957)
    axes = figure.subplots()
    centres = np.arange(classes)
    axes.pcolormesh(centres, centres, fractions, cmap=CONFUSION_COLOURS, vmin=0, vmax=1, edgecolor=PAPER, linewidth=1.5)
    _write_cells(axes, counts, fractions)
    long_names = max(map(len, class_names)) * classes > 40
    rotation: dict[str, Any] = {"rotation": 45, "ha": "right"} if long_names else {}
    axes.set_xticks(centres, class_names, **rotation)
    axes.set_yticks(centres, class_names)
    axes.tick_params(labelcolor=INK)
    axes.set(aspect="equal", xlabel="predicted", ylabel="true", title=f"Confusion matrix, {evaluated_by}")
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _write_cells(axes: Axes, counts: NDArray[np.integer], fractions: NDArray[np.floating]) -> None:
    """Writes counts into the cells of a matrix; of few classes fractions too, of more no zeros."""
    for (row, column), count in np.ndenumerate(counts):
        fraction = fractions[row, column]
        cell: dict[str, Any] = {"ha": "center", "va": "center", "color": ON_DARK if fraction > 0.45 else ON_LIGHT}
        if len(counts) <= 4:
            axes.text(column, row - 0.06, f"{count:,}", fontsize=17, fontweight="bold", **cell)
            axes.text(column, row + 0.16, f"{fraction:.1%}", fontsize=9, **cell)
        elif count:
            axes.text(column, row, f"{count:,}", fontsize=max(5.5, 11 - 0.25 * len(counts)), **cell)


def _draw_confused_pairs(axes: Axes, rows: pd.DataFrame, class_names: Sequence[str], evaluated_by: str) -> None:
    pairs = confused_pairs(rows, class_names)
    shown = pairs.head(PAIRS_DRAWN)
    named = shown[["true", "predicted"]].map(shortened, length=16)
    names = named["true"] + "\n→ " + named["predicted"]
    # Positions, because two shortened names may be equal.
    bars = axes.barh(range(len(shown)), shown["images"], height=0.6)
    texts = [f"{images:,} of {of:,}" for images, of in shown[["images", "of"]].itertuples(index=False)]
    axes.bar_label(bars, texts, padding=4, fontsize=8, color=MUTED)
    axes.set_yticks(range(len(shown)), names, fontsize=8)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(
        xlim=(0, 1.3 * max(shown["images"], default=1)),
        xlabel=f"images; {len(shown)} of {len(pairs):,} pairs among {len(class_names):,} classes",
        title=f"Most confused, {evaluated_by}: true → predicted",
    )
    axes.grid(visible=False, axis="y")


@style.figure(*SQUARE)
def roc_curve(
    figure: Figure, predictions: pd.DataFrame, class_names: Sequence[str], evaluated_by: EvaluatedBy = "test"
) -> None:
    """Draws the true positive rate against the false positive rate, on the test images.

    Args:
        figure: The figure.
        predictions: A predictions table.
        class_names: The classes, in the order of their labels.
        evaluated_by: See `cross_validation.evaluated_by`; the title says so.
    """
    shown = curves.roc_curves(predictions[predictions["split"] == "test"], class_names)
    axes = figure.subplots()
    axes.set_prop_cycle(ROC_LINES)
    _draw_diagonal(axes)
    for name, (area, rates) in shown.items():
        label = f"{shortened(name, 30)} (AUC {area:.3f})"
        axes.plot(rates["false_positive_rate"], rates["true_positive_rate"], label=label, clip_on=False)
    if shown:
        axes.legend(loc="lower right", fontsize=9 if len(shown) <= 4 else 7.5)
    else:
        axes.text(0.5, 0.6, "The test images are all of one class:\nno curve", ha="center", color=MUTED)
    style.percentages(axes.xaxis, axes.yaxis)
    of_class = class_names[1] if len(class_names) == 2 else "each class"
    axes.set(xlim=(0, 1), ylim=(0, 1.005), aspect="equal", title=f"ROC curve, {evaluated_by}")
    axes.set(xlabel=f"false positive rate ({of_class})", ylabel=f"true positive rate ({of_class})")
    if len(shown) < len(class_names) > curves.ROC_CLASSES:
        style.subtitle(axes, f"worst {len(shown)} of {len(class_names):,} classes")


@style.figure(*SQUARE)
def calibration_curve(
    figure: Figure,
    predictions: pd.DataFrame,
    class_names: Sequence[str],
    calibration: Mapping[str, Any] | None = None,
    evaluated_by: EvaluatedBy = "test",
) -> None:
    """Draws the observed frequency, with its 95 % interval, against the predicted probability, on the test images.

    Each point stands for equally many images; the histogram below shows where most of them are.

    Args:
        figure: The figure.
        predictions: A predictions table.
        class_names: The classes, in the order of their labels.
        calibration: The result of `calibration.summarise`; with it, the curve before and after calibration.
        evaluated_by: See `cross_validation.evaluated_by`; the title says so.
    """
    rows = predictions[predictions["split"] == "test"]
    axes, histogram = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    _draw_diagonal(axes)
    label = "as trained" if evaluated_by == "test" else "cross-validation"
    if calibration is not None:
        temperature, in_model = calibration["temperature"], calibration["in_model"]
        other = counterpart(rows, class_names, temperature, in_model)
        at = f"temperature {temperature:.2f}"
        label, name = (f"at {at}", "before calibration") if in_model else ("as trained", f"if calibrated, {at}")
        name += f" (ECE {curves.expected_calibration_error(other, class_names):.3f})"
        points = curves.reliability_curve(other, class_names)
        line: dict[str, Any] = {"marker": "D", "markersize": 4, "linewidth": 1.3, "linestyle": DASHED}
        axes.plot(points["stated"], points["observed"], color=SERIES[2], label=name, clip_on=False, **line)
    points = curves.reliability_curve(rows, class_names)
    axes.plot(points["stated"], points["observed"], color=SERIES[0], marker="o", label=label, clip_on=False)
    axes.vlines(points["stated"], points["low"], points["high"], color=SERIES[0], alpha=0.6, label="95% interval")
    axes.legend(loc="best", fontsize=8)
    style.subtitle(axes, f"ECE {curves.expected_calibration_error(rows, class_names):.3f}")
    style.percentages(axes.xaxis, axes.yaxis)
    happens = f"are {class_names[1]}" if len(class_names) == 2 else "are right"
    axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel=happens, title=f"Calibration, {evaluated_by}")
    stated, _ = curves.stated_and_observed(rows, class_names)
    histogram.hist(stated, bins=np.linspace(0, 1, 11), color=SERIES[0], edgecolor=PAPER)
    histogram.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    stands_for = f"predicted P({class_names[1]})" if len(class_names) == 2 else "confidence in the prediction"
    histogram.set(xlabel=stands_for, ylabel="images")


def _draw_diagonal(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=DASHED)


@style.figure(5.6, 4.0)
def accuracy_coverage_curve(figure: Figure, predictions: pd.DataFrame, class_names: Sequence[str]) -> None:
    """Draws the accuracy on the most confident predictions against the fraction of images that these are.

    It helps to choose `inference.unsure_below`: each mark on the validation curve is a value of it, and shows how many
    images would be left to a person.

    Args:
        figure: The figure.
        predictions: A predictions table.
        class_names: The classes, in the order of their labels.
    """
    axes = figure.subplots()
    for split, colour, width in (("validation", SERIES[0], 2), ("test", SERIES[1], 1.2)):
        rows = predictions[predictions["split"] == split]
        if rows.empty:
            continue
        points = curves.accuracy_coverage(rows, class_names)
        # The accuracy on a handful of images only jumps up and down.
        shown = points[points["images"] >= min(max(10, len(rows) // 20), len(rows))]
        axes.plot(shown["coverage"], shown["accuracy"], color=colour, label=split, linewidth=width)
        if split == "validation":
            _mark_thresholds(axes, shown)
    axes.margins(y=0.12)
    lowest, _ = axes.get_ylim()
    # The room above the curve is for labels: no accuracy lies there.
    axes.set_yticks([tick for tick in axes.get_yticks() if lowest <= tick <= 1])
    style.subtitle(axes, "marks: unsure_below")
    style.percentages(axes.xaxis, axes.yaxis)
    axes.set(xlim=(0, 1), xlabel="images that are answered", ylabel="right among them", title="Accuracy by coverage")
    axes.legend(loc="lower left")


def _mark_thresholds(axes: Axes, points: pd.DataFrame) -> None:
    """Marks confidence thresholds; marks too close for a label each share one, at the first."""
    labels: list[tuple[float, float, list[str]]] = []
    for threshold in CONFIDENCE_THRESHOLDS:
        answered = points[points["confidence"] >= threshold]
        if answered.empty:
            continue
        coverage, accuracy = answered[["coverage", "accuracy"]].to_numpy()[-1].tolist()
        axes.plot(coverage, accuracy, "o", color=SERIES[0], clip_on=False, zorder=3)
        if not labels or labels[-1][0] - coverage >= LABEL_WIDTH:
            labels.append((coverage, accuracy, []))
        labels[-1][2].append(f"{threshold:g}")
    place: dict[str, Any] = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center"}
    for coverage, accuracy, thresholds in labels:
        label = "–".join(dict.fromkeys((thresholds[0], thresholds[-1])))
        # White around a label, where a curve passes behind it.
        axes.annotate(label, (coverage, accuracy), fontsize=8.5, path_effects=[OUTLINE], **place)


@style.figure(9, 1.2)
def mistakes_gallery(
    figure: Figure,
    predictions: pd.DataFrame,
    images: NDArray[np.uint8],
    manifest: pd.DataFrame,
    class_names: Sequence[str],
) -> None:
    """Shows the test images that were misclassified with the most confidence; where there are none, it says so.

    Args:
        figure: The figure.
        predictions: A predictions table.
        images: uint8, shape (n, height, width, 1 or 3), 0..255. Only the images shown are read.
        manifest: Gives the path of each image.
        class_names: The classes, in the order of their labels.
    """
    mistakes = most_confident(predictions, class_names, right=False, count=MISTAKES_DRAWN)
    if mistakes.empty:
        style.notice(figure, "No mistakes.")
        return
    columns = max(3, min(6, len(mistakes)))
    lines = -(-len(mistakes) // columns)
    figure.set_size_inches(1.75 * columns, 2.35 * lines)
    row_of_path = {path: row for row, path in enumerate(manifest["path"])}
    mistake: Any
    for panel, mistake in zip(style.panels(figure, lines, columns).flat, mistakes.itertuples(), strict=False):
        predicted, true = class_names[mistake.predicted], class_names[mistake.label]
        image = np.asarray(images[row_of_path[mistake.path]])
        style.show_answer(panel, image, answer(predicted, mistake.confidence), shortened(true), wrong=True)
        panel.text(0, -0.03, shortened(mistake.path), color=MUTED, fontsize=7, va="top", transform=panel.transAxes)
