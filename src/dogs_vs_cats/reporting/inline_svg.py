"""Figures as part of a page: inline SVG that follows the page's colours."""

import io
import re
from html import escape

import matplotlib as mpl
from matplotlib.figure import Figure

from dogs_vs_cats.reporting import style

# The page redefines these colours where it is dark, and the drawings follow.
THEMED = {
    style.INK: "var(--ink)",
    style.MUTED: "var(--muted)",
    style.STYLE["grid.color"]: "var(--grid)",
    style.PAPER: "var(--paper)",
    **{colour: f"var(--series-{index})" for index, colour in enumerate(style.SERIES)},
}


def inline_svg(figure: Figure, prefix: str, description: str) -> str:
    """Draws a figure as an element of a page.

    Args:
        figure: The figure.
        prefix: Distinguishes the ids inside the drawing from those of the page's other drawings.
        description: Read aloud by a screen reader, before the numbers in the figure.

    Returns:
        An `svg` element without width and height: it fills its container.
    """
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": prefix}):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", facecolor="none", metadata=nothing)
    text = re.sub(r"<!--.*?-->", "", buffer.getvalue(), flags=re.DOTALL)
    text = re.sub(r"\b(id=\"|xlink:href=\"#|url\(#)", rf"\g<1>{prefix}-", text)
    for colour, variable in THEMED.items():
        text = text.replace(colour, variable)
    spoken = [description, *(drawn.get_text() for axes in figure.axes for drawn in axes.texts)]
    view_box, body = re.findall(r'<svg [^>]*(viewBox="[^"]*")[^>]*>(.*)', text, flags=re.DOTALL)[0]
    return f'<svg {view_box} role="img" aria-label="{escape(", ".join(spoken))}">{body}'
