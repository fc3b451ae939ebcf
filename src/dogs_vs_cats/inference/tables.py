"""The tables that an inference writes: a row for each file, or Kaggle's submission."""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from dogs_vs_cats.errors import ParameterError, SourceError, listed
from dogs_vs_cats.inference.journal import Answer

logger = logging.getLogger(__name__)

UNKNOWN = 0.5
"""The label in a submission of a file that can't be read: Kaggle refuses a submission in which an id is missing."""

_NUMBERED = re.compile(r"(?:.*/)?([0-9]+)\.[^./]+", re.DOTALL)


def predictions(
    paths: Sequence[str], answers: Iterable[Answer], classes: list[str], unsure_below: float | None
) -> pd.DataFrame:
    """Puts the answers for files into a table.

    Args:
        paths: Paths of the files in their source.
        answers: The model's answers for them.
        classes: Names of the classes.
        unsure_below: Probability of the predicted class below which a prediction is unsure; None for none.

    Returns:
        A row for each file: `path`, `probability_<class>` (of two classes that of the second), `predicted`, `unsure`,
        `out_of_distribution` and `reason`; all but the first and the last are missing where there is a reason.
    """
    reasons, unfamiliar, every = zip(*answers, strict=True)
    probabilities = np.array(every, np.float64)
    shown = range(1, 2) if len(classes) == 2 else range(len(classes))
    table = pd.DataFrame(
        {
            "path": pd.Series(paths, dtype=object),  # Arrow's strings hold no name that isn't UTF-8
            **{f"probability_{classes[label]}": probabilities[:, label] for label in shown},
            "predicted": np.array(classes, object)[probabilities.argmax(axis=1)],
            "unsure": np.where(probabilities.max(axis=1) < (unsure_below or 0), "true", "false"),
            "out_of_distribution": pd.Series(unfamiliar, dtype=object).map({True: "true", False: "false"}),
            "reason": reasons,
        }
    )
    table.loc[table["reason"] != "", table.columns[1:-1]] = np.nan
    return table


def report(table: pd.DataFrame) -> None:
    """Logs how many files of a table there are of each kind."""
    counts = table["predicted"].value_counts().sort_index().to_dict()
    counts["unsure"] = (table["unsure"] == "true").sum()
    counts["unlike the training images"] = (table["out_of_distribution"] == "true").sum()
    kinds = [f"{count:,} {kind}" for kind, count in counts.items() if count]
    logger.info("Classified %s files: %s", f"{table['predicted'].count():,}", listed(kinds, most=12) or "none")
    unread = table[table["reason"] != ""]
    if len(unread):
        reasons = listed([f"{path} ({reason})" for path, reason in zip(unread["path"], unread["reason"], strict=True)])
        logger.warning("%s files could not be classified: %s", f"{len(unread):,}", reasons)


def kaggle_ids(paths: Sequence[str], classes: Sequence[str]) -> list[int | None]:
    """Reads the ids of Kaggle's test images from their names.

    Raises:
        ParameterError: The model doesn't distinguish dogs from one other class.
        SourceError: A name isn't a number, or two files have the same one.
    """
    if len(classes) != 2 or "dog" not in classes:
        raise ParameterError(
            "inference.format=kaggle writes the probability of a dog, and this model distinguishes "
            f"{', '.join(classes)}. Use inference.format=csv."
        )
    ids = [int(match[1]) if (match := _NUMBERED.fullmatch(path)) else None for path in paths]
    counts = Counter(ids)
    wrong = [path for path, number in zip(paths, ids, strict=True) if number is None or counts[number] > 1]
    if wrong:
        raise SourceError(
            "inference.format=kaggle needs one file for each id, named by it, such as test1/17.jpg; not so "
            f"{listed(wrong)}. Classify Kaggle's test1 folder or zip, or use inference.format=csv."
        )
    return ids


def submission(table: pd.DataFrame, ids: Sequence[int | None], classes: Sequence[str]) -> pd.DataFrame:
    """Makes Kaggle's submission of the predictions of two classes, one of which is `dog`: `id` and `label`, by id."""
    second = table[f"probability_{classes[1]}"]
    labels = (second if classes[1] == "dog" else 1 - second).fillna(UNKNOWN)
    return pd.DataFrame({"id": ids, "label": labels}).sort_values("id")
