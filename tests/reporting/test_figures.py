import io
import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from dogs_vs_cats.evaluation.metrics import classification_metrics
from dogs_vs_cats.evaluation.predictions import most_confident, predictions_table
from dogs_vs_cats.reporting import comparison_figures, evaluation_figures, learning_figures
from tests.evaluation.test_metrics import manifest_of

TWO = ["cat", "dog"]


def png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=60, metadata={"Software": None})
    return buffer.getvalue()


def texts(figure: Figure) -> str:
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    found += [axes.get_title(loc) for axes in figure.axes for loc in ("left", "center", "right")]
    found += [label.get_text() for axes in figure.axes for label in axes.get_xticklabels()]
    return "\n".join([*found, *(text.get_text() for text in figure.texts)])


def history_of(seeds: int = 1, epochs: int = 3, tuned_from: int | None = None) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "seed": seed,
                "epoch": epoch,
                "phase": "fine_tuning" if tuned_from and epoch >= tuned_from else "head",
                "loss": 1 / epoch + seed / 100,
                "accuracy": 1 - 0.4 / epoch,
                "val_loss": 1.1 / epoch,
                "val_accuracy": 1 - 0.5 / epoch - seed / 50,
                "learning_rate": 1e-3,
            }
            for seed in range(seeds)
            for epoch in range(1, epochs + 1)
        ]
    )


@pytest.fixture
def predictions() -> pd.DataFrame:
    manifest = pd.DataFrame(
        {"path": [f"train/{row}.jpg" for row in range(6)], "label": [0, 0, 0, 1, 1, 1], "split": ["test"] * 6}
    )
    return predictions_table(manifest, np.array([[0.1], [0.7], [0.95], [0.9], [0.2], [0.6]]), TWO)


@pytest.fixture
def manifest(predictions: pd.DataFrame) -> pd.DataFrame:
    # Other images lie between those of the predictions.
    return pd.DataFrame({"path": ["x.jpg", *predictions["path"], "y.jpg"]})


def test_learning_curves_show_both_quantities_of_both_splits() -> None:
    history = history_of()
    figure = learning_figures.learning_curves(history)
    for axes, column in zip(figure.axes, ["accuracy", "loss"], strict=True):
        training, validation = axes.lines
        assert np.allclose(training.get_ydata(), history[column])
        assert np.allclose(validation.get_ydata(), history[f"val_{column}"])
        assert np.array_equal(training.get_xdata(), [1, 2, 3])


def test_no_accuracy_above_one_is_on_the_axis() -> None:
    perfect = history_of().assign(accuracy=1.0, val_accuracy=1.0)
    figures = learning_figures.learning_curves(perfect), learning_figures.comparison_curves({"cnn": perfect})
    for figure in figures:
        low, high = figure.axes[0].get_ylim()
        assert low < high == 1


def test_learning_curves_of_several_seeds_are_their_mean_with_a_band() -> None:
    history = history_of(seeds=3)
    accuracy = learning_figures.learning_curves(history).axes[0]
    assert np.allclose(accuracy.lines[1].get_ydata(), history.groupby("epoch")["val_accuracy"].mean())
    bands = [drawn for drawn in accuracy.collections if isinstance(drawn, PolyCollection)]
    assert len(bands) == 2
    assert not learning_figures.learning_curves(history_of(seeds=1)).axes[0].collections


def test_the_mean_of_several_seeds_ends_where_the_first_of_them_was_stopped() -> None:
    history = history_of(seeds=3)
    history = history[(history["seed"] != 1) | (history["epoch"] < 3)]
    for figure in (learning_figures.learning_curves(history), learning_figures.comparison_curves({"a": history})):
        assert np.array_equal(figure.axes[0].lines[0].get_xdata(), [1, 2])


def test_the_beginning_of_fine_tuning_is_marked() -> None:
    assert "fine-tuning" in texts(learning_figures.learning_curves(history_of(tuned_from=3)))
    assert np.ravel(learning_figures.learning_curves(history_of(tuned_from=3)).axes[0].lines[-1].get_xdata())[0] == 2.5
    assert "fine-tuning" not in texts(learning_figures.learning_curves(history_of()))


def test_the_confusion_matrix_shows_counts_and_shares(predictions: pd.DataFrame) -> None:
    shown = texts(evaluation_figures.confusion_matrix(predictions, TWO)).splitlines()
    assert [text for text in shown if text.isdigit()] == ["1", "2", "1", "2"]
    assert "66.7%" in shown


def test_the_roc_curve_names_its_area_and_copes_with_a_missing_class(predictions: pd.DataFrame) -> None:
    area = classification_metrics(predictions, TWO)["test"]["roc_auc"]
    axes = evaluation_figures.roc_curve(predictions, TWO).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("false positive rate (dog)", "true positive rate (dog)")
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_texts()[0].get_text() == f"dog (AUC {area:.3f})"
    assert "all of one class" in texts(evaluation_figures.roc_curve(predictions[predictions["label"] == 1], TWO))


def test_the_roc_curve_rounds_its_area_as_the_table_does() -> None:
    # 38,420 of 40,000 pairs are in order: 0.9605, of which sums along the curve make 0.9604999.
    cats, dogs = np.linspace(0.2, 0.6, 200), np.concatenate([np.linspace(0.7, 0.9, 192), [0.24], np.full(7, 0.1)])
    labels = [0] * 200 + [1] * 200
    table = predictions_table(manifest_of(labels, ["test"] * 400), np.concatenate([cats, dogs])[:, None], TWO)
    assert classification_metrics(table, TWO)["test"]["roc_auc"] == 0.9605
    legend = evaluation_figures.roc_curve(table, TWO).axes[0].get_legend()
    assert legend is not None
    assert legend.get_texts()[0].get_text() == "dog (AUC 0.961)"


def test_the_calibration_curve_shows_its_error(predictions: pd.DataFrame) -> None:
    error = classification_metrics(predictions, TWO)["test"]["expected_calibration_error"]
    assert f"ECE {error:.3f}" in texts(evaluation_figures.calibration_curve(predictions, TWO))


def test_figures_of_a_cross_validation_say_so(predictions: pd.DataFrame) -> None:
    drawn = [
        evaluation_figures.confusion_matrix(predictions, TWO, "k-fold"),
        evaluation_figures.roc_curve(predictions, TWO, "k-fold"),
        evaluation_figures.calibration_curve(predictions, TWO, evaluated_by="k-fold"),
    ]
    assert ["k-fold" in texts(figure) for figure in drawn] == [True] * 3
    assert not any("test" in texts(figure) for figure in drawn)


def test_answers_are_ordered_by_confidence(predictions: pd.DataFrame) -> None:
    mistakes = most_confident(predictions, TWO, right=False, count=12)
    assert mistakes["path"].tolist() == ["train/2.jpg", "train/4.jpg", "train/1.jpg"]
    assert mistakes["confidence"].tolist() == pytest.approx([0.95, 0.8, 0.7])
    assert len(most_confident(predictions, TWO, right=False, count=2)) == 2
    right = most_confident(predictions, TWO, right=True, count=12)
    assert (right["label"] == right["predicted"]).all()
    assert right["confidence"].is_monotonic_decreasing
    assert len(right) + len(mistakes) == (predictions["split"] == "test").sum()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_gallery_shows_the_pictures_of_the_mistakes(
    predictions: pd.DataFrame, manifest: pd.DataFrame, channels: int
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (8, 9, 9, channels), np.uint8)
    figure = evaluation_figures.mistakes_gallery(predictions, images, manifest, TWO)
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    for picture, row in zip(shown, [3, 5, 2], strict=True):
        assert np.array_equal(picture, np.squeeze(images[row]))
    assert "dog 95.0%" in texts(figure)
    assert "is cat" in texts(figure)


def test_long_class_names_above_neighbouring_mistakes_do_not_overlap(
    predictions: pd.DataFrame, manifest: pd.DataFrame
) -> None:
    images = np.zeros((8, 9, 9, 3), np.uint8)
    names = ["american_water_spaniel", "wire_haired_fox_terrier"]
    renamed = predictions.rename(columns=lambda column: column.replace("cat", names[0]).replace("dog", names[1]))
    figure = evaluation_figures.mistakes_gallery(renamed, images, manifest, names)
    figure.draw_without_rendering()
    titles = [text.get_window_extent() for text in figure.findobj(Text) if "%" in text.get_text()]
    assert len(titles) == 3
    assert not any(one.overlaps(next_one) for one, next_one in itertools.pairwise(titles))


def test_the_gallery_says_when_there_are_no_mistakes(predictions: pd.DataFrame, manifest: pd.DataFrame) -> None:
    right = predictions[predictions["label"] == predictions["predicted"]]
    figure = evaluation_figures.mistakes_gallery(right, np.zeros((8, 9, 9, 3), np.uint8), manifest, TWO)
    assert "No mistakes" in texts(figure)
    assert png(figure)


def test_an_almost_certain_mistake_is_not_called_certain(manifest: pd.DataFrame) -> None:
    table = pd.DataFrame(
        {"path": ["train/0.jpg"], "label": [0], "probability_dog": [0.99999], "predicted": [1], "split": ["test"]}
    )
    assert "dog >99.9%" in texts(
        evaluation_figures.mistakes_gallery(table, np.zeros((8, 9, 9, 3), np.uint8), manifest, TWO)
    )


@pytest.mark.parametrize(("classes", "curves"), [(10, 10), (50, 6)])
def test_every_figure_draws_many_classes(classes: int, curves: int) -> None:
    names = [f"class ${number}$" for number in range(classes)]
    rng = np.random.default_rng(0)
    count = max(40, classes)
    labels = np.arange(count) % classes
    manifest = pd.DataFrame({"path": [f"{row}.png" for row in range(count)], "label": labels, "split": "test"})
    table = predictions_table(manifest, rng.dirichlet(np.ones(classes), count), names)
    images = np.zeros((count, 8, 8, 1), np.uint8)
    roc = evaluation_figures.roc_curve(table, names)
    assert len(roc.axes[0].lines) == curves + 1
    for figure in (
        roc,
        evaluation_figures.confusion_matrix(table, names),
        evaluation_figures.calibration_curve(table, names),
        evaluation_figures.mistakes_gallery(table, images, manifest, names),
    ):
        # Names are not read as mathematics: an unbalanced $ would be an error.
        assert png(figure)


def test_of_many_classes_the_most_confused_pairs_and_the_worst_curves_are_drawn() -> None:
    names = [f"class {number}" for number in range(40)]
    labels = np.repeat(np.arange(40), 5)
    answers = labels.copy()
    answers[labels == 7] = 3
    answers[np.flatnonzero(labels == 30)[:2]] = 12
    probabilities = np.full((200, 40), 0.1 / 39)
    probabilities[np.arange(200), answers] = 0.9
    probabilities[labels == 7, 7] = 0
    manifest = pd.DataFrame({"path": [f"{row}.png" for row in range(200)], "label": labels, "split": "test"})
    table = predictions_table(manifest, probabilities, names)
    axes = evaluation_figures.confusion_matrix(table, names).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["class 7\n→ class 3", "class 30\n→ class 12"]
    assert [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)] == [5, 2]
    assert [text.get_text() for text in axes.texts] == ["5 of 5", "2 of 5"]
    assert axes.get_xlabel() == "images; 2 of 2 pairs among 40 classes"
    curves = evaluation_figures.roc_curve(table, names).axes[0]
    legend = curves.get_legend()
    assert legend is not None
    assert legend.get_texts()[0].get_text().startswith("class 7 (AUC 0.0")
    assert curves.get_title("right") == "worst 6 of 40 classes"


def test_all_approaches_are_in_one_figure_in_colours_of_their_own() -> None:
    figure = learning_figures.comparison_curves(
        {"a": history_of(epochs=2), "b": history_of(epochs=20), "c": history_of(3)}
    )
    legend = {text.get_text() for text in figure.legends[0].get_texts()}
    assert legend == {"a", "b", "c", "training", "validation"}
    named = {line.get_label(): line.get_color() for line in figure.axes[0].lines}
    assert len({named[name] for name in "abc"}) == 3
    assert png(figure)


def accuracies(low: float, value: float, high: float, lecture: float | None = None) -> dict[str, float | int | None]:
    row: dict[str, float | int | None] = {"test_images": 1000}
    for split in ("validation", "test"):
        row |= {f"{split}_accuracy": value, f"{split}_accuracy_low": low, f"{split}_accuracy_high": high}
        row[f"lecture_{split}_accuracy"] = lecture if split == "validation" else None
    return row


def test_accuracies_stand_with_the_baseline_and_the_lectures_figures() -> None:
    rows = {"a": accuracies(0.6, 0.63, 0.66, 0.69), "majority_class": accuracies(0.47, 0.5, 0.53)}
    figure = comparison_figures.accuracy_dots(rows)
    assert "63.0%" in texts(figure)
    assert "50.0%" in texts(figure)
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"test", "validation", "the lecture"}
    assert any(line.get_marker() == "x" and np.ravel(line.get_xdata())[0] == 0.69 for line in figure.axes[0].lines)


def test_a_baseline_far_below_does_not_squash_the_approaches() -> None:
    rows = {"a": accuracies(0.984, 0.986, 0.988), "majority_class": accuracies(0.10, 0.11, 0.12)}
    figure = comparison_figures.accuracy_dots(rows)
    assert figure.axes[0].get_xlim()[0] > 0.9
    assert all(tick <= 1 for tick in figure.axes[0].get_xticks())
    assert "◂ 11.0%" in texts(figure)


@pytest.mark.parametrize("seed", range(5))
def test_labels_along_the_coverage_curve_keep_apart(seed: int) -> None:
    # Hardly any image is between 0.6 and 0.8 sure, so that these marks lie close to each other.
    random = np.random.default_rng(seed)
    sure = np.concatenate([random.uniform(0.5, 0.6, 100), random.uniform(0.6, 0.8, 20), random.uniform(0.8, 1, 600)])
    manifest = pd.DataFrame({"path": [f"{row}.jpg" for row in range(720)], "label": 1, "split": "validation"})
    figure = evaluation_figures.accuracy_coverage_curve(predictions_table(manifest, sure[:, np.newaxis], TWO), TWO)
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in figure.axes[0].texts]
    assert len(boxes) > 2
    assert not any(box.overlaps(other) for index, box in enumerate(boxes) for other in boxes[:index])
    assert "–" in texts(figure)
    assert len([line for line in figure.axes[0].lines if line.get_marker() == "o"]) >= 5
    assert max(figure.axes[0].get_yticks()) == 1
