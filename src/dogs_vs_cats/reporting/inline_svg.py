"""Figures as part of a page: inline SVG that follows the page's colours."""

import io
import re
from collections.abc import Mapping
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from dogs_vs_cats.reporting import style

# The page redefines these colours where it is dark, and the drawings follow.
_THEMED = {
    style.INK: "var(--ink)",
    style.MUTED: "var(--muted)",
    style.GRID: "var(--grid)",
    style.PAPER: "var(--paper)",
    **{colour: f"var(--series-{index})" for index, colour in enumerate(style.SERIES)},
}
_MARKER_PATHS = {
    "o": "M6 1a5 5 0 1 1 0 10a5 5 0 1 1 0-10z",
    "s": "M1.5 1.5h9v9h-9z",
    "D": "M6 .5 11.5 6 6 11.5.5 6z",
    "^": "M6 1 11.5 10.5H.5z",
    "v": "M6 11 11.5 1.5H.5z",
    "P": "M4 1h4v3h3v4H8v3H4V8H1V4h3z",
}


def inline_svg(figure: Figure, prefix: str, description: str) -> str:
    """Draws a figure as an element of a page.

    Args:
        figure: The figure.
        prefix: Distinguishes the ids inside the drawing from those of the page's other drawings.
        description: What a screen reader says.

    Returns:
        An `svg` element without width and height: it fills its container.
    """
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": prefix}):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", facecolor="none", metadata=nothing)
    text = re.sub(r"<!--.*?-->", "", buffer.getvalue(), flags=re.DOTALL)
    text = re.sub(r"\b(id=\"|xlink:href=\"#|url\(#)", rf"\g<1>{prefix}-", text)
    for colour, variable in _THEMED.items():
        text = text.replace(colour, variable)
    view_box, body = re.findall(r'<svg [^>]*(viewBox="[^"]*")[^>]*>(.*)', text, flags=re.DOTALL)[0]
    return f'<svg {view_box} role="img" aria-label="{escape(description)}">{body}'


def evaluation_drawings(approach: str, figures: Mapping[str, Figure], test: Mapping[str, Any]) -> dict[str, str]:
    """Draws the figures of an approach for the page.

    Args:
        approach: Its name.
        figures: `learning_curves`, `confusion_matrix`, `roc_curve` and `calibration_curve`.
        test: The metrics of its test images.

    Returns:
        The elements, by the names of the figures.
    """
    if "confusion_matrix" in test:
        confusion = f"Confusion matrix of {approach} on the test images: {test['confusion_matrix']}"
    else:
        pairs = (f"{pair['true']} taken for {pair['predicted']}, {pair['images']}" for pair in test["confused_pairs"])
        confusion = f"Most confused pairs of {approach} on the test images: {'; '.join(pairs)}"
    descriptions = {
        "learning_curves": f"Learning curves of {approach}",
        "confusion_matrix": confusion,
        "roc_curve": f"ROC curve of {approach} on the test images",
        "calibration_curve": f"Calibration of {approach} on the test images",
    }
    return {
        name: inline_svg(figures[name], f"{approach}-{name}", description) for name, description in descriptions.items()
    }


def mark(colour: str, marker: str) -> str:
    """Returns the sign of an approach, as in the figures."""
    return (
        f'<svg class="mark" viewBox="0 0 12 12" aria-hidden="true">'
        f'<path d="{_MARKER_PATHS[marker]}" style="fill:{_THEMED[colour]}"/></svg>'
    )
