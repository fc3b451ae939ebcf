"""Numbers and values in words, each rule in one place."""

import re
import shlex
from pathlib import PurePosixPath
from typing import Any

from dogs_vs_cats.parameters.base import written

UNKNOWN = "–"

_URL_OR_PATH = re.compile(
    r"""(?P<url>(?!file:)\b\w+://[^\s,"']*)|(?<![^\s=,:"'\[])(?:file://)?(?:~[^/,"']*)?/[^,"'\]]+"""
)


def percent(accuracy: float, images: int) -> str:
    """Writes an accuracy with as many digits as its number of images supports; with more, if it would seem perfect."""
    digits = _digits(images)
    if min(accuracy, 1 - accuracy) * images > 0.5:  # by one image or more, it isn't 0 or 100 %
        while float(f"{100 * accuracy:.{digits}f}") in (0, 100):
            digits += 1
    return f"{accuracy:.{digits}%}"


def interval(low: float, high: float, images: int) -> str:
    """Writes the ends of an interval as percentages, without their sign: 86.3–98.3."""
    return f"{percent(low, images)[:-1]}–{percent(high, images)[:-1]}"


def points(difference: float, images: int) -> str:
    """Writes a difference of two accuracies in percentage points, with its sign, likewise."""
    return signed(100 * difference, f".{_digits(images)}f")


def certainty(probability: float) -> str:
    """Writes a probability as a percentage; never as 0 or 100 %, because no model is that certain."""
    if probability >= 0.9995:
        return ">99.9%"
    return "<0.1%" if probability < 0.0005 else f"{probability:.1%}"


def shortened(name: str, length: int = 24) -> str:
    """Returns the end of a name or of a path's last part, at most `length` characters of it."""
    last = name.rsplit("/", maxsplit=1)[-1]
    return last if len(last) <= length else f"…{last[-length + 1 :]}"


def answer(predicted: str, confidence: float) -> str:
    """Writes a prediction above an image that is 1.75 inches wide; a longer one would run into its neighbour's."""
    return f"{shortened(predicted, 12)} {certainty(confidence)}"


def p_value(value: float) -> str:
    """Writes a p-value: of a tiny one only that it is tiny, with one more digit where it would round to 0.05."""
    if value < 0.001:
        return "p < 0.001"
    text = f"{value:.2g}"
    return f"p = {value:.3g}" if text == "0.05" else f"p = {text}"


def count(value: Any) -> str:
    """Writes a whole number with thousands separated."""
    return f"{int(value):,}" if value is not None else UNKNOWN


def decimal(value: Any, digits: int = 3) -> str:
    """Writes a number with a fixed number of decimals."""
    return f"{value:.{digits}f}" if value is not None else UNKNOWN


def duration(seconds: Any) -> str:
    """Writes a duration in the unit that suits it."""
    if seconds is None:
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def mebibytes(number: float) -> str:
    """Writes an amount of memory; a small one is not rounded to nothing."""
    return f"{number:,.2f}" if number >= 0.005 else "< 0.01"


def signed(value: float, form: str) -> str:
    """Writes a difference with its sign."""
    return f"{'+' if value > 0 else ''}{value:{form}}".replace("-", "−")


def joined(names: list[str]) -> str:
    """Joins names as in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def whole_command(command: str) -> str:
    """Removes the selection of pipelines from a command of Kedro, so that it makes all that a page shows."""
    return re.sub(r" (?:--pipelines?|-p)[ =]\S+", "", command)


def without_folders(text: str) -> str:
    """Shortens the absolute paths of a parameter's value, and those below `~`, to their last part; URLs stay."""
    return _URL_OR_PATH.sub(lambda found: found["url"] or PurePosixPath(found[0]).name, text)


def publishable(command: str) -> str:
    """Removes the folders of this machine from a command; see `without_folders`."""
    return shlex.join(map(without_folders, shlex.split(command)))


def _digits(images: int) -> int:
    """Returns how many decimals of a percentage the accuracy on so many images supports."""
    return 1 if images < 5000 else 2


FILTERS = (certainty, count, decimal, duration, interval, mebibytes, p_value, percent, points, written)
"""The functions that templates use."""
