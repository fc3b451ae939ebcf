"""Temperature scaling: the classes stay, the probabilities get honest."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, log_softmax

from dogs_vs_cats.evaluation import calibration
from dogs_vs_cats.evaluation.predictions import predictions_table
from dogs_vs_cats.reporting import evaluation_figures

TWO = ["cat", "dog"]


def overconfident(count, times, split="validation", seed=0):
    """Predictions whose logits are `times` as far from zero as they should be."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1.5, count)
    labels = (random.random(count) < expit(logits)).astype(int)
    manifest = pd.DataFrame({"path": [f"{i}.jpg" for i in range(count)], "label": labels, "split": split})
    return predictions_table(manifest, expit(times * logits)[:, np.newaxis], TWO)


def both_splits(count, times):
    return pd.concat([overconfident(count, times), overconfident(count, times, "test", seed=1)], ignore_index=True)


@pytest.mark.parametrize("times", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_made_the_model_overconfident(times):
    assert calibration.fit_temperature(overconfident(20_000, times), TWO) == pytest.approx(times, rel=0.05)


def test_more_than_two_classes_are_calibrated_alike():
    names = ["bird", "cat", "dog"]
    random = np.random.default_rng(0)
    logits = random.normal(0, 1.5, (20_000, 3))
    honest = np.exp(log_softmax(logits, axis=1))
    labels = [random.choice(3, p=row) for row in honest]
    manifest = pd.DataFrame({"path": [str(i) for i in range(len(labels))], "label": labels, "split": "validation"})
    stated = np.exp(log_softmax(2 * logits, axis=1))
    predictions = predictions_table(manifest, stated, names)
    assert calibration.fit_temperature(predictions, names) == pytest.approx(2, rel=0.05)
    np.testing.assert_allclose(calibration.tempered(stated, 2.0), honest, atol=1e-3)


@pytest.mark.parametrize("count", [2, 12, 200])
def test_a_perfect_validation_split_makes_no_model_certain(count):
    labels = np.arange(count) % 2
    manifest = pd.DataFrame({"path": [str(i) for i in labels], "label": labels, "split": "validation"})
    predictions = predictions_table(manifest, expit(np.where(labels, 5.0, -5.0))[:, np.newaxis], TWO)
    temperature = calibration.fit_temperature(predictions, TWO)
    # As sure as one may be of the next image after so many right ones (Laplace's rule of succession).
    assert expit(5 / temperature) == pytest.approx((count + 1) / (count + 2), abs=1e-3)


def test_certain_probabilities_stay_finite():
    assert calibration.tempered(np.array([[0.0, 1.0]]), 4.0) == pytest.approx(np.array([[0.0175, 0.9825]]), abs=1e-3)


def test_the_summary_says_what_the_temperature_brings_whether_it_is_in_the_model_or_not():
    raw = both_splits(4000, 3.0)
    outside = calibration.summarise(raw, TWO, None)
    assert outside["in_model"] is False
    for split in ("validation", "test"):
        values = outside[split]
        assert values["expected_calibration_error_before"] > 3 * values["expected_calibration_error_after"]
        assert values["log_loss_before"] > values["log_loss_after"]
    calibrated = calibration.counterpart(raw, TWO, outside["temperature"], in_model=False)
    inside = calibration.summarise(calibrated, TWO, outside["temperature"])
    assert inside["in_model"] is True
    for name, value in outside["test"].items():
        assert inside["test"][name] == pytest.approx(value, abs=1e-3)


@pytest.mark.parametrize("ending", ["sigmoid", "softmax", "two-way softmax", "joined"])
def test_a_temperature_in_the_model_divides_its_logits_and_changes_no_layer(ending, tmp_path):
    import keras

    from dogs_vs_cats.datasets import KerasModelDataset
    from dogs_vs_cats.models.output_layers import probabilities, softmax_probabilities

    keras.utils.clear_session()
    keras.utils.set_random_seed(3)
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Flatten(name="flatten")(keras.layers.Rescaling(1 / 255, name="rescale")(image))
    if ending == "joined":
        features = keras.Input((192,), name="features")
        head = keras.Model(features, probabilities(features, 2), name="head")
        model = keras.Model(image, head(x), name="model")
    elif ending == "two-way softmax":
        model = keras.Model(image, softmax_probabilities(x, 2), name="model")
    else:
        model = keras.Model(image, probabilities(x, 2 if ending == "sigmoid" else 3), name="model")
    pictures = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)

    def every(output):
        return np.column_stack([1 - output, output]) if output.shape[1] == 1 else output

    before = every(np.asarray(model.predict_on_batch(pictures)))
    parameters = model.count_params()
    calibration.put_into(model, 2.5)
    dataset = KerasModelDataset(filepath=str(tmp_path / "model.keras"))
    fresh = keras.Model(model.inputs, model.outputs, name="model")
    dataset.save(fresh)
    after = every(np.asarray(dataset.load().predict_on_batch(pictures)))
    np.testing.assert_allclose(after, calibration.tempered(before, 2.5), atol=1e-5)
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()
    assert model.count_params() == parameters


def test_training_puts_it_into_the_model_when_asked(tmp_path):
    from tests.training.test_training import COMMON, evaluate, train

    random = np.random.default_rng(0)
    images = random.integers(0, 128, (60, 32, 32, 3), dtype=np.uint8)
    images[1::2] += 100
    manifest = pd.DataFrame(
        {
            "path": [f"{i}.png" for i in range(60)],
            "label": [i % 2 for i in range(60)],
            "split": ["train"] * 36 + ["validation"] * 12 + ["test"] * 12,
        }
    )

    def trained(calibrate):
        folder = tmp_path / str(calibrate)
        model, info, *_, seeds = train("naive_cnn", COMMON, images, manifest, folder, calibrate=calibrate)
        predictions, metrics, _ = evaluate(model, info, seeds, images, manifest)
        return info["temperature"], predictions, metrics["calibration"]

    none, plain, would = trained(False)
    temperature, changed, did = trained(True)
    assert none is None
    assert temperature == would["temperature"] == did["temperature"] != 1
    assert (plain["predicted"] == changed["predicted"]).all()
    assert did["test"]["log_loss_after"] == pytest.approx(would["test"]["log_loss_after"], abs=1e-4)


def test_the_figures_show_both_and_the_thresholds():
    table = both_splits(800, 3.0)
    summary = calibration.summarise(table, TWO, None)
    figure = evaluation_figures.calibration_curve(table, TWO, calibration=summary)
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert any(f"temperature {summary['temperature']:.2f}" in text for text in legend)
    coverage = evaluation_figures.accuracy_coverage_curve(table, TWO)
    assert "0.9" in [text.get_text() for text in coverage.axes[0].texts]
    line = coverage.axes[0].get_lines()[0]
    validation = table[table["split"] == "validation"]
    assert line.get_ydata()[-1] == (validation["label"] == validation["predicted"]).mean()
