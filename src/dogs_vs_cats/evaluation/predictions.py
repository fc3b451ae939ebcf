"""The predictions table, on which every evaluation works, so that none depends on how a model was made.

A predictions table has one row per image:

* `path`: the image's path inside its source
* `label`: its true class, an index into the class names
* `probability_<class>`: for two classes one column, P(class 1); for more, one column per class
* `predicted`: the predicted class
* `split`: `train`, `validation` or `test`
* `group`, only where `ingestion.group` is set: images with the same number belong together
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dogs_vs_cats.evaluation.probabilities import checked_probabilities, every_class, predicted_classes
from dogs_vs_cats.images.splits import SPLITS

BASELINE = "majority_class"


def predictions_table(
    manifest: pd.DataFrame, probabilities: NDArray[np.floating], class_names: Sequence[str]
) -> pd.DataFrame:
    """Joins a model's predictions with the true classes.

    Args:
        manifest: The images that were predicted: columns `path`, `label` and `split`, and with `group_name` also
            `group`. Rows whose split is not train, validation or test are left out.
        probabilities: Row i belongs to row i of the manifest: P(class 1), shape (n, 1), for two classes, else one
            column per class, shape (n, N); values 0..1.
        class_names: The classes, in the order of their labels.

    Returns:
        The predictions table: training, then validation, then test images, each in the manifest's order.
        For two classes the predicted class is 1 where the probability is above 0.5, as in Keras's accuracy.

    Raises:
        TrainingError: A probability is not a number.
        ModelFileError: The probabilities have another shape, or leave the range 0..1.
    """
    values = checked_probabilities(probabilities, len(manifest), len(class_names))
    is_binary = len(class_names) == 2
    names = class_names[1:] if is_binary else class_names
    columns = {
        "path": manifest["path"].to_numpy(),
        "label": manifest["label"].to_numpy(np.int64),
        **{f"probability_{name}": values[:, index] for index, name in enumerate(names)},
        "predicted": predicted_classes(values),
        "split": manifest["split"].to_numpy(),
        **({"group": manifest["group"].to_numpy()} if "group_name" in manifest else {}),
    }
    table = pd.DataFrame(columns)
    return pd.concat([table[table["split"] == split] for split in SPLITS], ignore_index=True)


def class_probabilities(predictions: pd.DataFrame, class_names: Sequence[str]) -> NDArray[np.float64]:
    """Returns P(class) of every image.

    Args:
        predictions: A predictions table.
        class_names: The classes, in the order of their labels.

    Returns:
        Shape (n, number of classes), float64; rows sum to one.
    """
    names = class_names[1:] if len(class_names) == 2 else class_names
    outputs = every_class(predictions[[f"probability_{name}" for name in names]].to_numpy(np.float64))
    # A float32 softmax sums to one only within its own precision.
    return outputs if len(class_names) == 2 else outputs / outputs.sum(axis=1, keepdims=True)


def most_confident(predictions: pd.DataFrame, class_names: Sequence[str], *, right: bool, count: int) -> pd.DataFrame:
    """Finds the right or wrong answers on test images that were given with the most confidence.

    Args:
        predictions: A predictions table.
        class_names: The classes, in the order of their labels.
        right: Whether right answers are wanted, or wrong ones.
        count: How many to return at most.

    Returns:
        Rows of the predictions table, most confident first, with a column `confidence` (probability of the predicted
        class). Equal confidences keep the table's order.
    """
    rows = predictions[predictions["split"] == "test"]
    confidence = class_probabilities(rows, class_names).max(axis=1)
    found = rows.assign(confidence=confidence)[((rows["label"] == rows["predicted"]) == right).to_numpy()]
    return found.sort_values("confidence", ascending=False, kind="stable").head(count)


def majority_baseline(manifest: pd.DataFrame, class_names: Sequence[str]) -> pd.DataFrame:
    """Predicts the most frequent class of the training images for every image.

    Its probabilities are the fractions of the classes among the training images, so that its log loss is one to beat.

    Args:
        manifest: Columns `path`, `label` and `split`.
        class_names: The classes, in the order of their labels.

    Returns:
        A predictions table.
    """
    labels = manifest.loc[manifest["split"] == "train", "label"]
    fractions = labels.value_counts(normalize=True).reindex(range(len(class_names)), fill_value=0)
    outputs = fractions[1:] if len(class_names) == 2 else fractions
    return predictions_table(manifest, np.tile(outputs, (len(manifest), 1)), class_names)
