"""How good an approach is: one code path for every split, approach and number of classes.

Everything here works on a predictions table, one row per image, so that nothing depends on how a model was made:

* `path`: the image's path inside its source
* `label`: its true class, an index into the class names
* `probability_<class>`: for two classes one column, P(class 1); for more, one column per class
* `predicted`: the predicted class
* `split`: `train`, `validation` or `test`
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dogs_vs_cats.errors import ModelFileError, StaleInputError, TrainingError

SPLITS = ("train", "validation", "test")
HELD_OUT_METRICS = ("validation_accuracy", "validation_log_loss", "test_accuracy", "test_roc_auc", "test_log_loss")
"""By which approaches are compared, as the summary of a comparison names them."""
BASELINE = "majority_class"
CONFIDENCE_LEVEL = 0.95
SIGNIFICANCE_LEVEL = 0.05
RELIABILITY_BINS = 10
MATRIX_CLASSES = 30
"""Of more classes nobody reads a confusion matrix: the largest of its entries stand for it."""
ROC_CLASSES = 12
"""Of more classes the worst ones alone have ROC curves."""
LISTED = 20
"""Pairs and classes that are listed of so many."""


def predictions_table(
    manifest: pd.DataFrame, probabilities: NDArray[np.floating], class_names: Sequence[str]
) -> pd.DataFrame:
    """Puts a model's answers beside the truth.

    Args:
        manifest: The images that were predicted: columns `path`, `label` and `split`. Rows whose split is not
            train, validation or test are left out.
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
    expected = (len(manifest), 1 if len(class_names) == 2 else len(class_names))
    values = shortest_decimals(probabilities)
    if values.shape != expected:
        raise ModelFileError(
            f"The model answered an array of shape {values.shape} for {len(manifest)} images of "
            f"{len(class_names)} classes; it must be {expected}. Train the model again with this project's approaches."
        )
    if np.isnan(values).any():
        raise TrainingError(
            f"The model predicts NaN (not a number) for {int(np.isnan(values).any(axis=1).sum())} of "
            f"{len(values)} images: its training diverged. Lower the approach's learning_rate and train it again."
        )
    if values.size and (values.min() < 0 or values.max() > 1):
        raise ModelFileError(
            f"The model answered values from {values.min():g} to {values.max():g}; probabilities lie between 0 and 1. "
            "Its last layer must be a sigmoid or a softmax."
        )
    is_binary = len(class_names) == 2
    names = class_names[1:] if is_binary else class_names
    predicted = (values[:, 0] > 0.5).astype(np.int64) if is_binary else values.argmax(axis=1)
    columns = {
        "path": manifest["path"].to_numpy(),
        "label": manifest["label"].to_numpy(np.int64),
        **{f"probability_{name}": values[:, index] for index, name in enumerate(names)},
        "predicted": predicted,
        "split": manifest["split"].to_numpy(),
    }
    table = pd.DataFrame(columns)
    return pd.concat([table[table["split"] == split] for split in SPLITS], ignore_index=True)


def shortest_decimals(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rounds each float32 to the shortest decimal that names it: a CSV file then holds exactly what is computed with.

    Args:
        probabilities: Of any shape.

    Returns:
        The same shape, float64.
    """
    return np.asarray(probabilities, np.float32).astype(str).astype(np.float64)


def every_class(output: Sequence[float]) -> list[float]:
    """Returns the probability of each class from the output for one image, which of two classes has only the second."""
    return [1 - output[0], output[0]] if len(output) == 1 else list(output)


def class_probabilities(predictions: pd.DataFrame, class_names: Sequence[str]) -> NDArray[np.float64]:
    """Returns P(class) of every image.

    Args:
        predictions: A predictions table.
        class_names: The classes, in the order of their labels.

    Returns:
        Shape (n, number of classes), float64; rows sum to one.
    """
    if len(class_names) == 2:
        second = predictions[f"probability_{class_names[1]}"].to_numpy(np.float64)
        return np.column_stack([1 - second, second])
    columns = [f"probability_{name}" for name in class_names]
    # A float32 softmax sums to one only within its own precision.
    values = predictions[columns].to_numpy(np.float64)
    return values / values.sum(axis=1, keepdims=True)


def stated_and_observed(
    predictions: pd.DataFrame, class_names: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Returns the probabilities whose calibration is judged, and whether what they speak of came true.

    For two classes that is P(class 1) and "the image shows class 1" (Naeini, Cooper and Hauskrecht 2015); for more,
    the probability of the predicted class and "the prediction is right" (Guo et al. 2017, *On Calibration of Modern
    Neural Networks*).

    Args:
        predictions: A predictions table.
        class_names: The classes, in the order of their labels.

    Returns:
        The stated probabilities, shape (n,), 0..1, and the outcomes, shape (n,).
    """
    labels = predictions["label"].to_numpy()
    if len(class_names) == 2:
        return class_probabilities(predictions, class_names)[:, 1], labels == 1
    confidence = class_probabilities(predictions, class_names).max(axis=1)
    return confidence, labels == predictions["predicted"].to_numpy()


def reliability_bins(
    predictions: pd.DataFrame, class_names: Sequence[str], bins: int = RELIABILITY_BINS
) -> pd.DataFrame:
    """Groups the predictions by their stated probability, in equally wide bins.

    Args:
        predictions: The rows of one split of a predictions table.
        class_names: The classes, in the order of their labels.
        bins: How many bins there are between 0 and 1.

    Returns:
        One row per bin, empty ones included: `low`, `high` (its edges), `images`, `stated` (mean probability) and
        `observed` (fraction of outcomes that came true); the last two are NaN for an empty bin.
    """
    stated, observed = stated_and_observed(predictions, class_names)
    edges = np.linspace(0, 1, bins + 1)
    index = np.clip(np.digitize(stated, edges) - 1, 0, bins - 1)
    images = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_stated = np.bincount(index, weights=stated, minlength=bins) / images
        mean_observed = np.bincount(index, weights=observed, minlength=bins) / images
    return pd.DataFrame(
        {"low": edges[:-1], "high": edges[1:], "images": images, "stated": mean_stated, "observed": mean_observed}
    )


def expected_calibration_error(bins: pd.DataFrame) -> float:
    """Returns the mean distance between stated and observed probability, weighted by the images in each bin.

    Args:
        bins: What `reliability_bins` returns.

    Returns:
        0 (perfectly calibrated) to 1.
    """
    filled = bins[bins["images"] > 0]
    gaps = (filled["stated"] - filled["observed"]).abs()
    return float((gaps * filled["images"]).sum() / filled["images"].sum())


def accuracy_interval(correct: int, images: int) -> tuple[float, float]:
    """Returns the 95 % interval of an accuracy: Wilson's score interval (Wilson 1927).

    Args:
        correct: Images classified correctly.
        images: Images classified, at least one.

    Returns:
        Its lower and upper end, each 0..1.
    """
    from scipy.stats import binomtest

    interval = binomtest(correct, images).proportion_ci(confidence_level=CONFIDENCE_LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


def accuracy_digits(images: int) -> int:
    """Returns how many digits after the point of a percentage an accuracy on so many images supports."""
    return 1 if images < 5000 else 2


def areas_under_roc(labels: NDArray[np.integer], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the area under the ROC curve of each class against the rest, from the ranks (Hanley and McNeil 1982).

    Args:
        labels: True classes, shape (n,).
        probabilities: Shape (n, classes).

    Returns:
        Shape (classes,), 0..1; NaN for a class that no image or every image is of.
    """
    from scipy.stats import rankdata

    ranks = rankdata(probabilities, axis=0)
    positive = labels[:, np.newaxis] == np.arange(probabilities.shape[1])
    count = positive.sum(axis=0)
    above = np.where(positive, ranks, 0).sum(axis=0) - count * (count + 1) / 2
    with np.errstate(invalid="ignore"):
        return above / (count * (len(labels) - count))


def classes_with_roc(labels: NDArray[np.integer], probabilities: NDArray[np.float64]) -> list[int]:
    """Chooses the classes whose ROC curves are shown.

    Args:
        labels: True classes, shape (n,).
        probabilities: Shape (n, classes).

    Returns:
        Class 1 of two; all that have a curve; of more than `ROC_CLASSES` half as many, with the smallest areas.
    """
    areas = areas_under_roc(labels, probabilities)
    with_curve = [index for index in range(len(areas)) if not np.isnan(areas[index])]
    if len(areas) == 2:
        return [index for index in with_curve if index == 1]
    if len(areas) <= ROC_CLASSES:
        return with_curve
    return sorted(with_curve, key=lambda index: areas[index])[: ROC_CLASSES // 2]


def _area_under_roc(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float | None:
    """Returns the area under the ROC curve (one-vs-rest, macro average), or None where a class has no image."""
    areas = areas_under_roc(labels, probabilities)
    mean = float(areas[1] if len(areas) == 2 else areas.mean())
    return None if np.isnan(mean) else mean


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


def confused_pairs(predictions: pd.DataFrame) -> pd.DataFrame:
    """Counts the wrong answers by true and predicted class.

    Args:
        predictions: The rows of one split of a predictions table.

    Returns:
        A row for each pair that occurs, most frequent first: `label`, `predicted`, `images`, and `of`, the number of
        images of the true class.
    """
    wrong = predictions[predictions["label"] != predictions["predicted"]]
    pairs = wrong.groupby(["label", "predicted"], as_index=False).size().rename(columns={"size": "images"})
    pairs["of"] = pairs["label"].map(predictions["label"].value_counts())
    return pairs.sort_values(["images", "of", "label", "predicted"], ascending=[False, True, True, True])


def _confusion(predictions: pd.DataFrame, class_names: Sequence[str]) -> dict[str, Any]:
    """Returns the confusion matrix, or of many classes the pairs and classes with the most confusions."""
    from sklearn import metrics

    labels, predicted = predictions["label"], predictions["predicted"]
    if len(class_names) <= MATRIX_CLASSES:
        matrix = metrics.confusion_matrix(labels, predicted, labels=list(range(len(class_names))))
        return {"confusion_matrix": matrix.tolist()}
    pairs = confused_pairs(predictions).head(LISTED)
    recalls = (labels == predicted).groupby(labels).agg(["mean", "size"]).sort_values(["mean", "size"], kind="stable")
    return {
        "confused_pairs": [
            {"true": class_names[label], "predicted": class_names[other], "images": images}
            for label, other, images in pairs[["label", "predicted", "images"]].to_numpy().tolist()
        ],
        "lowest_recalls": {
            class_names[label]: recall
            for label, recall in zip(recalls.index.tolist(), recalls["mean"].head(LISTED).tolist(), strict=False)
        },
    }


def _split_metrics(predictions: pd.DataFrame, class_names: Sequence[str]) -> dict[str, Any]:
    """Returns the metrics of the rows of one split."""
    from sklearn import metrics

    labels = predictions["label"].to_numpy(np.int64)
    predicted = predictions["predicted"].to_numpy(np.int64)
    probabilities = class_probabilities(predictions, class_names)
    every_class = list(range(len(class_names)))
    correct = int((labels == predicted).sum())
    low, high = accuracy_interval(correct, len(labels))
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        labels,
        predicted,
        labels=[1] if len(class_names) == 2 else every_class,
        average="macro",
        zero_division=0.0,
    )
    return {
        "images": len(labels),
        "accuracy": correct / len(labels),
        "accuracy_low": low,
        "accuracy_high": high,
        "roc_auc": _area_under_roc(labels, probabilities),
        "log_loss": float(metrics.log_loss(labels, probabilities, labels=every_class)),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "expected_calibration_error": expected_calibration_error(reliability_bins(predictions, class_names)),
        **_confusion(predictions, class_names),
    }


def classification_metrics(predictions: pd.DataFrame, class_names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Measures a predictions table on every split it has images of.

    Args:
        predictions: A predictions table.
        class_names: The classes, in the order of their labels.

    Returns:
        For `train`, `validation` and `test`:

        * `images`: how many
        * `accuracy` with `accuracy_low` and `accuracy_high`, the ends of its 95 % Wilson interval
        * `roc_auc`: one-vs-rest, macro average, for more than two classes; None where a class has no image
        * `log_loss`: mean cross-entropy in nats
        * `precision`, `recall`, `f1`: of class 1 for two classes, else the mean over the classes; 0 where undefined
        * `expected_calibration_error`: see `reliability_bins`
        * `confusion_matrix`: row = true class, column = predicted class; for more than `MATRIX_CLASSES` classes
          `confused_pairs` and `lowest_recalls` instead, the `LISTED` most frequent pairs and worst classes
    """
    return {
        split: _split_metrics(rows, class_names)
        for split in SPLITS
        if len(rows := predictions[predictions["split"] == split])
    }


def seed_summary(metrics_by_seed: Mapping[int, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Summarises what an approach reached when it was trained several times.

    Args:
        metrics_by_seed: For each seed what `classification_metrics` returned.

    Returns:
        `seeds` (a list), `runs` (for each seed, as text, `<split>_accuracy` and `<split>_log_loss`), `mean` and `std`
        of the same quantities. The sample standard deviation (n - 1) is None for a single seed.
    """
    runs = {
        str(seed): {
            f"{split}_{name}": float(splits[split][name])
            for split in SPLITS
            if split in splits
            for name in ("accuracy", "log_loss")
        }
        for seed, splits in metrics_by_seed.items()
    }
    table = pd.DataFrame.from_dict(runs, orient="index")
    spread = table.std(ddof=1)
    return {
        "seeds": list(metrics_by_seed),
        "runs": runs,
        "mean": {name: float(value) for name, value in table.mean().items()},
        "std": {name: None if np.isnan(value) else float(value) for name, value in spread.items()},
    }


def majority_baseline(manifest: pd.DataFrame, class_names: Sequence[str]) -> pd.DataFrame:
    """Predicts without looking: always the most frequent class of the training images.

    Its probabilities are the classes' shares among the training images, so that its log loss is the one to beat too.

    Args:
        manifest: Columns `path`, `label` and `split`.
        class_names: The classes, in the order of their labels.

    Returns:
        A predictions table.
    """
    training_labels = manifest.loc[manifest["split"] == "train", "label"].to_numpy()
    from sklearn.dummy import DummyClassifier

    dummy = DummyClassifier(strategy="prior").fit(np.zeros((len(training_labels), 1)), training_labels)
    probabilities = np.zeros((len(manifest), len(class_names)))
    probabilities[:, dummy.classes_] = dummy.class_prior_
    return predictions_table(manifest, probabilities[:, 1:] if len(class_names) == 2 else probabilities, class_names)


def mcnemar(first: pd.DataFrame, second: pd.DataFrame, split: str = "test") -> dict[str, Any]:
    """Tests whether two approaches differ in accuracy on the same images: McNemar's exact test (McNemar 1947).

    Only images that exactly one of the two gets right say anything; were both equally good, each would be the right
    one for half of these (a two-sided binomial test).

    Args:
        first: Predictions table of one approach.
        second: Predictions table of the other.
        split: The split to compare on.

    Returns:
        `images`, `only_first_correct`, `only_second_correct` and `p_value`.

    Raises:
        StaleInputError: The two tables are not about the same images.
    """
    one, other = (table[table["split"] == split].set_index("path") for table in (first, second))
    if set(one.index) != set(other.index):
        raise StaleInputError(
            f"Two approaches predicted different {split} images ({len(one)} and {len(other)}), so they can't be "
            "compared. Train and evaluate both again on the present images: run `kedro run`."
        )
    other = other.loc[one.index]
    one_correct = (one["label"] == one["predicted"]).to_numpy()
    other_correct = (other["label"] == other["predicted"]).to_numpy()
    only_one, only_other = int((one_correct & ~other_correct).sum()), int((other_correct & ~one_correct).sum())
    disagreements = only_one + only_other
    from scipy.stats import binomtest

    p_value = float(binomtest(only_one, disagreements, 0.5).pvalue) if disagreements else 1.0
    return {
        "images": len(one),
        "only_first_correct": only_one,
        "only_second_correct": only_other,
        "p_value": p_value,
    }


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusts the p-values of several tests by Holm's step-down method (Holm 1979).

    Where each test with an adjusted p-value below a level is called significant, the probability of one or more false
    findings among all of them is at most that level, however the tests depend on each other.

    Args:
        p_values: One for each test, 0..1.

    Returns:
        The adjusted p-values in the same order, 0..1.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(np.argsort(p_values)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def mcnemar_pairs(predictions: Mapping[str, pd.DataFrame], split: str = "test") -> list[dict[str, Any]]:
    """Runs McNemar's test on every pair of approaches, corrected for the number of pairs.

    Args:
        predictions: The predictions table of each approach.
        split: The split to compare on.

    Returns:
        For each pair `first` and `second` (names), what `mcnemar` returns, `p_value_adjusted` (see `holm`) and
        `significant` (adjusted p-value below 0.05).
    """
    pairs = [
        {"first": first, "second": second, **mcnemar(predictions[first], predictions[second], split)}
        for first, second in combinations(predictions, 2)
    ]
    adjusted = holm([pair["p_value"] for pair in pairs])
    return [
        {**pair, "p_value_adjusted": p_value, "significant": p_value < SIGNIFICANCE_LEVEL}
        for pair, p_value in zip(pairs, adjusted, strict=True)
    ]
