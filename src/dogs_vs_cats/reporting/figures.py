"""Every figure of an evaluation, in one style: colour-blind-safe, readable at the size of a report.

The functions return a `matplotlib.figure.Figure` and draw without pyplot, so that nothing is kept open and no display
is needed. Names of classes and images are drawn as they are, never read as mathematics.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator
from numpy.typing import NDArray
from sklearn import metrics

from dogs_vs_cats.evaluation.calibration import before_and_after
from dogs_vs_cats.evaluation.metrics import (
    BASELINE,
    MATRIX_CLASSES,
    ROC_CLASSES,
    accuracy_digits,
    class_probabilities,
    classes_with_roc,
    confused_pairs,
    expected_calibration_error,
    most_confident,
    reliability_bins,
)

INK = "#1f2430"
MUTED = "#667085"
GRID = "#e3e6ea"
PAPER = "#ffffff"
# Okabe and Ito's palette without its yellow, which is too light for a line on white.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "D", "^", "v", "P")

# Of the gallery of mistakes, in inches: a panel, where its picture lies in it, and the picture's side.
PANEL, PICTURE_AT, PICTURE_SIDE = (1.75, 2.35), (0.04, 0.385), 1.665

HELD_OUT = ("validation", "test")
UNSURE_BELOW = (0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
PAIRS_DRAWN = 10
LABEL_WIDTH = 0.09
"""Of the longest label along the coverage curve, as a share of the axis."""

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 2.0,
    "lines.markersize": 5,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": PAPER,
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
}
_styled = mpl.rc_context(STYLE)

# Ticks as people write them: 95%, not 95.0%; 0.2, not 2 × 10⁻¹.
PERCENT = FuncFormatter(lambda value, _: f"{100 * value:.4g}%")
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")

# The cells of a confusion matrix keep their colours on dark paper too, and so must the numbers in them.
ON_LIGHT, ON_DARK = "#10263b", "#fdfeff"
CONFUSION_COLOURS = LinearSegmentedColormap.from_list("confusion", ["#f4f7fa", "#8fbcdb", "#0971ad", "#003f66"])


def _epoch_statistics(history: pd.DataFrame, column: str) -> tuple[pd.Series, pd.Series]:
    """Returns mean and standard deviation over the seeds, by epoch; the deviation of a single seed is NaN."""
    by_epoch = history.groupby("epoch")[column]
    return by_epoch.mean(), by_epoch.std()


def _draw_curve(axes: Axes, history: pd.DataFrame, column: str, colour: str, label: str, **style: Any) -> None:
    """Draws one quantity over the epochs: the mean of the seeds, with a band of one standard deviation."""
    mean, deviation = _epoch_statistics(history, column)
    # A single epoch is a point; over many epochs a marker on each would hide the line.
    marker = style.pop("marker", "o")
    style["marker"] = marker if len(mean) <= 20 else None
    axes.plot(mean.index, mean, color=colour, label=label, clip_on=False, **style)
    if deviation.notna().any():
        axes.fill_between(mean.index, mean - deviation, mean + deviation, color=colour, alpha=0.15, linewidth=0)


def has_validation(history: pd.DataFrame) -> bool:
    """Tells whether a training had images to validate on; one on all images has none."""
    return bool(history["val_loss"].notna().any())


def _mark_phases(axes: Axes, history: pd.DataFrame) -> None:
    """Marks where fine-tuning begins."""
    tuning = history.loc[history["phase"] == "fine_tuning", "epoch"]
    if tuning.empty:
        return
    boundary = tuning.min() - 0.5
    axes.axvline(boundary, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        "fine-tuning",
        (boundary, 1),
        xycoords=("data", "axes fraction"),
        xytext=(4, -2),
        textcoords="offset points",
        va="top",
        fontsize=8.5,
        color=MUTED,
    )


def _epoch_axis(axes: Axes, epochs: int) -> None:
    """Labels an axis of whole epochs, leaving room when there are very few."""
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(0.5, max(epochs, 1) + 0.5) if epochs <= 5 else axes.set_xlim(1, epochs)
    axes.grid(visible=False, axis="x")


@_styled
def learning_curves(history: pd.DataFrame) -> Figure:
    """Draws accuracy and loss on training and validation images over the epochs.

    Args:
        history: Columns `seed`, `epoch` (from 1), `phase`, `loss`, `accuracy`, `val_loss`, `val_accuracy`. Several
            seeds become their mean, with a band of one standard deviation.

    Returns:
        A figure of two panels.
    """
    figure = Figure(figsize=(10.5, 3.7))
    seeds = history["seed"].nunique()
    for axes, (column, name) in zip(figure.subplots(1, 2), [("accuracy", "Accuracy"), ("loss", "Loss")], strict=True):
        _draw_curve(axes, history, column, SERIES[0], "training", marker="o")
        if has_validation(history):
            _draw_curve(axes, history, f"val_{column}", SERIES[1], "validation", marker="s")
        axes.set_title(name)
        _epoch_axis(axes, int(history["epoch"].max()))
        _mark_phases(axes, history)
        if column == "accuracy":
            axes.yaxis.set_major_formatter(PERCENT)
            axes.legend(loc="best")
        else:
            axes.set_ylabel("cross-entropy")
    notes = [f"mean ± standard deviation of {seeds} seeds"] if seeds > 1 else []
    if not has_validation(history):
        notes.append("trained on the validation images too: no validation")
    if notes:
        figure.suptitle("; ".join(notes), fontsize=10, color=MUTED)
    return figure


@_styled
def confusion_matrix(predictions: pd.DataFrame, class_names: Sequence[str]) -> Figure:
    """Draws how often each class was taken for each other.

    Args:
        predictions: A predictions table.
        class_names: The classes, in the order of their labels.

    Returns:
        A figure; colour is the share of a row, so that uneven classes compare. Of many classes it shows the pairs that
        are confused most.
    """
    rows = predictions[predictions["split"] == "test"]
    classes = len(class_names)
    if classes > MATRIX_CLASSES:
        return _confused_pairs(rows, class_names)
    counts = metrics.confusion_matrix(rows["label"], rows["predicted"], labels=list(range(classes)))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(max(4.6, 1.6 + 0.62 * classes), 14)
    figure = Figure(figsize=(side, side * 0.957))
    axes = figure.subplots()
    centres = np.arange(classes)
    axes.pcolormesh(centres, centres, shares, cmap=CONFUSION_COLOURS, vmin=0, vmax=1, edgecolor=PAPER, linewidth=1.5)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    few = classes <= 4
    for row in range(classes):
        for column in range(classes):
            if not few and not counts[row, column]:
                continue
            colour = ON_DARK if shares[row, column] > 0.45 else ON_LIGHT
            axes.text(
                column,
                row - (0.06 if few else 0),
                f"{counts[row, column]:,}",
                ha="center",
                va="center",
                color=colour,
                fontsize=17 if few else max(5.5, 11 - 0.25 * classes),
                fontweight="bold" if few else "normal",
            )
            if few:
                axes.text(
                    column, row + 0.16, f"{shares[row, column]:.1%}", ha="center", va="center", color=colour, fontsize=9
                )
    long_names = max(map(len, class_names)) * classes > 40
    axes.set_xticks(
        range(classes), class_names, rotation=45 if long_names else 0, ha="right" if long_names else "center"
    )
    axes.set_yticks(range(classes), class_names)
    axes.tick_params(labelcolor=INK)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title("Confusion matrix, test")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return figure


def _confused_pairs(rows: pd.DataFrame, class_names: Sequence[str]) -> Figure:
    pairs = confused_pairs(rows)
    shown = pairs.head(PAIRS_DRAWN)
    figure = Figure(figsize=(4.6, 4.4))
    axes = figure.subplots()
    names = [
        f"{_shortened(class_names[label], 16)}\n→ {_shortened(class_names[other], 16)}"
        for label, other in shown[["label", "predicted"]].to_numpy().tolist()
    ]
    # Positions, because two shortened names may be equal.
    axes.barh(range(len(shown)), shown["images"], color=SERIES[0], height=0.6)
    for line, (images, of) in enumerate(zip(shown["images"], shown["of"], strict=True)):
        axes.annotate(f"{images:,} of {of:,}", (images, line), xytext=(4, 0), textcoords="offset points", va="center",
                      fontsize=8, color=MUTED)  # fmt: skip
    axes.set_yticks(range(len(shown)), names, fontsize=8)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.3 * max(shown["images"], default=1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel(f"images; {len(shown)} of {len(pairs):,} pairs among {len(class_names):,} classes")
    axes.set_title("Most confused, test: true → predicted")
    axes.grid(visible=False, axis="y")
    return figure


@_styled
def roc_curve(predictions: pd.DataFrame, class_names: Sequence[str]) -> Figure:
    """Draws the true positive rate against the false positive rate.

    Args:
        predictions: A predictions table.
        class_names: The classes, in the order of their labels.

    Returns:
        A figure: one curve for two classes, else one per class against the rest, of many classes those with the
        smallest area. A class without images has none.
    """
    rows = predictions[predictions["split"] == "test"]
    labels = rows["label"].to_numpy()
    probabilities = class_probabilities(rows, class_names)
    figure = Figure(figsize=(4.6, 4.4))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    drawn = 0
    for index in classes_with_roc(labels, probabilities):
        positive = labels == index
        false_positive_rate, true_positive_rate, _ = metrics.roc_curve(positive, probabilities[:, index])
        area = metrics.auc(false_positive_rate, true_positive_rate)
        axes.plot(
            false_positive_rate,
            true_positive_rate,
            color=SERIES[drawn % len(SERIES)],
            linestyle=("-", (0, (5, 1.5)), (0, (1.5, 1.5)))[drawn // len(SERIES) % 3],
            label=f"{_shortened(class_names[index], 30)} (AUC {area:.3f})",
            clip_on=False,
        )
        drawn += 1
    if drawn:
        axes.legend(loc="lower right", fontsize=9 if drawn <= 4 else 7.5)
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
    if drawn < len(class_names) > ROC_CLASSES:
        note = f"worst {drawn} of {len(class_names):,} classes"
        axes.set_title(note, loc="right", fontweight="normal", color=MUTED, fontsize=9)
    return figure


@_styled
def calibration_curve(
    predictions: pd.DataFrame,
    class_names: Sequence[str],
    calibration: Mapping[str, Any] | None = None,
) -> Figure:
    """Draws how often things came true against the probability the model gave them.

    Args:
        predictions: A predictions table.
        class_names: The classes, in the order of their labels.
        calibration: What `calibration.summarise` returned; with it, the curve before and after calibration.

    Returns:
        A figure: the reliability curve above the number of images in each bin.
    """
    rows = predictions[predictions["split"] == "test"]
    bins = reliability_bins(rows, class_names)
    filled = bins[bins["images"] > 0]
    figure = Figure(figsize=(4.6, 4.4))
    grid = GridSpec(2, 1, figure=figure, height_ratios=[4, 1])
    axes = figure.add_subplot(grid[0])
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.vlines(filled["stated"], filled["stated"], filled["observed"], color=SERIES[1], linewidth=1.5, alpha=0.7)
    if calibration is not None:
        temperature, in_model = calibration["temperature"], calibration["in_model"]
        before, after = before_and_after(rows, class_names, temperature, in_model)
        other = reliability_bins(before if in_model else after, class_names)
        shown = other[other["images"] > 0]
        what = "before calibration" if in_model else f"if calibrated, temperature {temperature:.2f}"
        axes.plot(
            shown["stated"],
            shown["observed"],
            color=SERIES[2],
            marker="D",
            markersize=4,
            linewidth=1.3,
            linestyle=(0, (4, 2)),
            clip_on=False,
            label=f"{what} (ECE {expected_calibration_error(other):.3f})",
        )
    label = (
        f"at temperature {calibration['temperature']:.2f}" if calibration and calibration["in_model"] else "as trained"
    )
    axes.plot(filled["stated"], filled["observed"], color=SERIES[0], marker="o", clip_on=False, label=label)
    if calibration is not None:
        axes.legend(loc="best", fontsize=8)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_title("Calibration, test")
    axes.set_title(f"ECE {expected_calibration_error(bins):.3f}", loc="right", fontweight="normal", color=MUTED)
    axes.xaxis.set_major_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(PERCENT)
    axes.set_ylabel(f"are {class_names[1]}" if len(class_names) == 2 else "are right")
    histogram = figure.add_subplot(grid[1], sharex=axes)
    histogram.bar(
        bins["low"], bins["images"], width=bins["high"] - bins["low"], align="edge", color=SERIES[0], edgecolor=PAPER
    )
    histogram.xaxis.set_major_formatter(PERCENT)
    histogram.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    histogram.set_ylabel("images")
    histogram.set_xlabel(f"predicted P({class_names[1]})" if len(class_names) == 2 else "confidence in the prediction")
    return figure


@_styled
def coverage_curve(predictions: pd.DataFrame, class_names: Sequence[str]) -> Figure:
    """Draws how right the model is on the images it is surest of, against how many these are.

    To choose `inference.unsure_below` by: each mark is a value of it, and what it would leave to a person.

    Args:
        predictions: A predictions table.
        class_names: The classes, in the order of their labels.

    Returns:
        A figure with a curve for validation, with marks, and one for test.
    """
    figure = Figure(figsize=(5.6, 4.0))
    axes = figure.add_subplot()
    for index, split in enumerate(HELD_OUT):
        rows = predictions[predictions["split"] == split]
        if rows.empty:
            continue
        confidence = class_probabilities(rows, class_names).max(axis=1)
        order = np.argsort(-confidence, kind="stable")
        right = (rows["label"] == rows["predicted"]).to_numpy()[order]
        answered = np.arange(1, len(rows) + 1)
        accuracy = right.cumsum() / answered
        # Shares of a handful of images only jump up and down.
        start = min(max(9, len(rows) // 20), len(rows) - 1)
        width = 2 if split == "validation" else 1.2
        axes.plot(answered[start:] / len(rows), accuracy[start:], color=SERIES[index], label=split, linewidth=width)
        if split != "validation":
            continue
        labels: list[tuple[float, float, list[str]]] = []
        for threshold in UNSURE_BELOW:
            count = int((confidence >= threshold).sum())
            if count > start:
                share, height = count / len(rows), accuracy[count - 1]
                axes.plot(share, height, "o", color=SERIES[index], clip_on=False, zorder=3)
                if labels and labels[-1][0] - share < LABEL_WIDTH:
                    labels[-1][2].append(f"{threshold:g}")
                else:
                    labels.append((share, height, [f"{threshold:g}"]))
        for share, height, thresholds in labels:
            axes.annotate(
                # Marks too close for a label each have one for all of them, at the first.
                "–".join(dict.fromkeys((thresholds[0], thresholds[-1]))),
                (share, height),
                xytext=(0, 7),
                textcoords="offset points",
                ha="center",
                fontsize=8.5,
                color=INK,
                # White around it, where a curve passes behind.
                path_effects=[withStroke(linewidth=2.5, foreground="white")],
            )
    axes.set_xlim(0, 1)
    axes.margins(y=0.12)
    lowest, _ = axes.get_ylim()
    # The room above the curve is for labels: no share lies there.
    axes.set_yticks([tick for tick in axes.get_yticks() if lowest <= tick <= 1])
    axes.set_title("Accuracy by coverage")
    axes.set_title("marks: unsure_below", loc="right", fontweight="normal", color=MUTED, fontsize=10)
    axes.xaxis.set_major_formatter(PERCENT)
    axes.yaxis.set_major_formatter(PERCENT)
    axes.set_xlabel("images that are answered")
    axes.set_ylabel("right among them")
    axes.legend(loc="lower left")
    return figure


def _shortened(path: str, length: int = 24) -> str:
    """Returns the end of a path, at most `length` characters of it."""
    name = path.rsplit("/", maxsplit=1)[-1]
    return name if len(name) <= length else f"…{name[-length + 1 :]}"


@_styled
def mistakes_gallery(
    predictions: pd.DataFrame,
    images: NDArray[np.uint8],
    manifest: pd.DataFrame,
    class_names: Sequence[str],
    count: int = 12,
) -> Figure:
    """Shows the images that were misclassified with the most confidence.

    Args:
        predictions: A predictions table.
        images: uint8, shape (n, height, width, 1 or 3), 0..255; row i belongs to row i of the manifest. Only the
            images shown are read.
        manifest: Column `path`.
        class_names: The classes, in the order of their labels.
        count: How many to show at most.

    Returns:
        A figure of up to six pictures a row; where there is no mistake, it says so.
    """
    mistakes = most_confident(predictions, class_names, right=False, count=count)
    if mistakes.empty:
        figure = Figure(figsize=(9, 1.2))
        figure.text(0.5, 0.5, "No mistakes on the test images.", ha="center", va="center", color=MUTED, fontsize=12)
        return figure
    columns = min(6, len(mistakes))
    lines = -(-len(mistakes) // columns)
    width, height = PANEL[0] * max(columns, 3), PANEL[1] * lines
    figure = Figure(figsize=(width, height))
    # Panels of one size need no layout to be found, which would take longer than all drawing.
    figure.set_layout_engine("none")
    row_of_path = pd.Series(np.arange(len(manifest)), index=manifest["path"])
    for number, mistake in enumerate(mistakes.to_dict("records")):
        line, column = divmod(number, columns)
        left, top = PANEL[0] * column + PICTURE_AT[0], PANEL[1] * line + PICTURE_AT[1]
        panel = figure.add_axes(
            (left / width, 1 - (top + PICTURE_SIDE) / height, PICTURE_SIDE / width, PICTURE_SIDE / height)
        )
        panel.set_axis_off()
        picture = np.asarray(images[row_of_path[mistake["path"]]])
        if picture.shape[-1] == 1:
            panel.imshow(picture[..., 0], cmap="gray", vmin=0, vmax=255)
        else:
            panel.imshow(picture)
        panel.set_title(
            f"said {class_names[mistake['predicted']]} {_certainty(mistake['confidence'])}",
            color=SERIES[1],
            fontsize=10,
            pad=17,
        )
        panel.text(
            0,
            1.03,
            f"is {class_names[mistake['label']]}",
            transform=panel.transAxes,
            color=INK,
            fontsize=9,
            va="bottom",
        )
        panel.text(0, -0.03, _shortened(mistake["path"]), transform=panel.transAxes, color=MUTED, fontsize=7, va="top")
    return figure


def _certainty(confidence: float) -> str:
    """Returns a confidence as a percentage that never claims a certainty the model didn't have."""
    if 0.999 < confidence < 1:
        return ">99.9%"
    return f"{confidence:.1%}"


def series_style(index: int) -> tuple[str, str]:
    """Returns colour and marker of the approach at a position of the list, the same in every figure."""
    return SERIES[index % len(SERIES)], MARKERS[index % len(MARKERS)]


@_styled
def comparison_curves(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Draws the learning curves of all approaches into one figure.

    Args:
        histories: The history of each approach, as in `learning_curves`.

    Returns:
        A figure of two panels, accuracy and loss (logarithmic where the losses differ much); solid lines are
        validation, dashed ones training.
    """
    figure = Figure(figsize=(10.5, 4.4))
    panels = figure.subplots(1, 2)
    longest = max(int(history["epoch"].max()) for history in histories.values())
    for axes, (column, name) in zip(panels, [("accuracy", "Accuracy"), ("loss", "Loss")], strict=True):
        for index, (approach, history) in enumerate(histories.items()):
            colour, marker = series_style(index)
            dashed = {"linestyle": (0, (3, 2)), "linewidth": 1.2, "markersize": 3}
            if has_validation(history):
                _draw_curve(axes, history, column, colour, "_training", marker=marker, alpha=0.6, **dashed)
                _draw_curve(axes, history, f"val_{column}", colour, approach, marker=marker)
            else:
                _draw_curve(axes, history, column, colour, f"{approach} (training only)", marker=marker, **dashed)
        axes.set_title(name)
        _epoch_axis(axes, longest)
    panels[0].yaxis.set_major_formatter(PERCENT)
    panels[1].set_ylabel("cross-entropy")
    losses = pd.concat([history[["loss", "val_loss"]].stack() for history in histories.values()])
    if losses.min() > 0 and losses.max() > 5 * losses.min():
        panels[1].set_yscale("log")
        panels[1].set_ylabel("cross-entropy (logarithmic)")
        panels[1].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panels[1].yaxis.set_major_formatter(PLAIN)
        panels[1].yaxis.set_minor_locator(NullLocator())
    if any(map(has_validation, histories.values())):
        panels[0].plot([], [], color=MUTED, label="validation")
    panels[0].plot([], [], color=MUTED, label="training", linestyle=(0, (3, 2)), linewidth=1.2)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 6))
    return figure


@_styled
def accuracy_dots(approaches: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draws the accuracies of all approaches with their 95 % intervals, the lecture's figures among them.

    Args:
        approaches: For each approach, in the order of drawing, `validation_accuracy` and `test_accuracy`, each also
            with `_low` and `_high`, and `lecture_validation_accuracy` and `lecture_test_accuracy` or None; 0..1.

    Returns:
        A figure with one line of dots per approach. A baseline far below all else (ten balanced classes: 10 %) is
        written at the left edge instead, or the approaches could not be told apart.
    """
    figure = Figure(figsize=(10.5, 0.9 + 0.78 * len(approaches)))
    axes = figure.subplots()
    left, right = _accuracy_range(approaches)
    trained = [name for name in approaches if name != BASELINE]
    for line, (name, values) in enumerate(approaches.items()):
        colour, marker = (MUTED, "o") if name == BASELINE else series_style(trained.index(name))
        if values["test_accuracy"] < left:
            axes.annotate(f"◂ {_accuracy_text(values)}", (0.005, line), xycoords=("axes fraction", "data"),
                          va="center", color=MUTED, fontweight="bold")  # fmt: skip
            continue
        for split, height, size, width, fill in (
            ("test", line - 0.14, 8, 2.4, colour),
            ("validation", line + 0.14, 6.5, 1.4, PAPER),
        ):
            low, high = values[f"{split}_accuracy_low"], values[f"{split}_accuracy_high"]
            if low is None:
                continue
            axes.plot([low, high], [height, height], color=colour, linewidth=width, alpha=0.55)
            axes.plot(values[f"{split}_accuracy"], height, marker=marker, markersize=size, color=colour,
                      markerfacecolor=fill, markeredgewidth=1.6)  # fmt: skip
            if values[f"lecture_{split}_accuracy"] is not None:
                axes.plot(values[f"lecture_{split}_accuracy"], height, marker="x", color=INK, markersize=7,
                          markeredgewidth=1.8, zorder=3)  # fmt: skip
        rightmost = max(values["test_accuracy_high"], values["lecture_test_accuracy"] or 0.0)
        axes.annotate(_accuracy_text(values), (rightmost, line - 0.14), xytext=(8, 0),
                      textcoords="offset points", va="center", fontweight="bold")  # fmt: skip
    axes.set_yticks(range(len(approaches)), list(approaches))
    axes.tick_params(axis="y", labelcolor=INK, labelsize=10.5)
    axes.set_ylim(len(approaches) - 0.5, -0.5)
    axes.set_xlim(left, right)
    axes.set_xticks([tick for tick in axes.get_xticks() if left <= tick <= min(right, 1 + 1e-9)])
    axes.xaxis.set_major_formatter(PERCENT)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("accuracy, with its 95% interval")
    axes.plot([], [], "o", color=MUTED, markersize=8, label="test")
    axes.plot([], [], "o", color=MUTED, markerfacecolor=PAPER, markersize=6.5, label="validation")
    if any(values[f"lecture_{split}_accuracy"] is not None for values in approaches.values() for split in HELD_OUT):
        axes.plot([], [], "x", color=INK, markeredgewidth=1.8, label="the lecture")
    figure.legend(loc="outside upper right", ncols=3)
    return figure


def _accuracy_text(values: Mapping[str, Any]) -> str:
    """Returns a test accuracy with as many digits as its number of images supports."""
    return f"{values['test_accuracy']:.{accuracy_digits(values['test_images'])}%}"


def _accuracy_range(approaches: Mapping[str, Mapping[str, Any]]) -> tuple[float, float]:
    """Returns the ends of an axis that shows every accuracy, except a baseline that is far off."""
    shown = [
        value
        for name, values in approaches.items()
        if name != BASELINE
        for split in HELD_OUT
        for end in (f"{split}_accuracy_low", f"{split}_accuracy_high", f"lecture_{split}_accuracy")
        if (value := values[end]) is not None
    ]
    low, high = min(shown), max(shown)
    if BASELINE in approaches:
        floor = min(approaches[BASELINE][f"{split}_accuracy_low"] for split in HELD_OUT)
        if low - floor < 4 * max(high - low, 0.1):
            low = min(low, floor)
    span = max(high - low, 0.01)
    # Room for the numbers at the right, which stand beside their dots.
    return low - 0.05 * span, high + 0.14 * span
